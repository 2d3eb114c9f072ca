//! [`Fingerprint`]: a 64-bit digest that can be computed in a constant (FNV-1a).
//!
//! It tells derived data apart (snapshots, views) from data that another version of the code made;
//! it is no defence against anybody. Protects G8: a state never outlives the code that made it.

/// A digest under construction. Every part is closed by its length, so that `"ab", "c"` and
/// `"a", "bc"` differ.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The digest of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// With one more text.
    #[must_use]
    pub const fn text(self, text: &str) -> Self {
        let mut digest = self;
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            digest = digest.byte(bytes[at]);
            at += 1;
        }
        digest.number(bytes.len() as u64)
    }

    /// With one more number.
    #[must_use]
    pub const fn number(self, number: u64) -> Self {
        let mut digest = self;
        let bytes = number.to_le_bytes();
        let mut at = 0;
        while at < bytes.len() {
            digest = digest.byte(bytes[at]);
            at += 1;
        }
        digest
    }

    /// The digest.
    #[must_use]
    pub const fn finish(self) -> u64 {
        self.0
    }

    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::new()
    }
}
