//! What clients may call a group or a backup: a name that means nothing to a file system, an URL or a
//! shell, so that it can be part of each.

use factum_store::Invalid;

/// Bytes of a name.
const BYTES_MAX: usize = 64;

/// The same text, if it is such a name; otherwise what is wrong with this field.
pub(crate) fn plain_name(field: &str, text: &str) -> Result<String, Invalid> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let good =
        text.bytes().all(fits) && (1..=BYTES_MAX).contains(&text.len()) && !text.starts_with('-');
    let problem = "must be 1 to 64 of a-z, 0-9, _ and -, not beginning with -";
    good.then(|| text.to_owned()).ok_or_else(|| Invalid::new(field, problem))
}
