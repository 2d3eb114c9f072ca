//! What a domain is made of, as data: for documentation, tools, `events.lock` and fingerprints.

use serde::Serialize;

use crate::Fingerprint;

/// The shape of one event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EventModel {
    /// Its type: `account.opened`.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// Its version, from 1.
    pub version: u32,
    /// Its fields, in order.
    pub fields: &'static [FieldModel],
    /// The version before it that is still read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older: Option<&'static EventModel>,
}

/// One field of an event or a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FieldModel {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its name in the Rust source.
    #[serde(skip)]
    pub rust_name: &'static str,
    /// Its type, as the Rust source has it.
    #[serde(rename = "type")]
    pub rust_type: &'static str,
    /// The kind of the tag that it puts on the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<&'static str>,
    /// Whether it is about a person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// Whether JSON without it can be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

impl FieldModel {
    /// A field that must be there and has no other properties.
    #[must_use]
    pub const fn new(name: &'static str, rust_type: &'static str) -> Self {
        Self { name, rust_name: name, rust_type, tag: None, personal: false, optional: false }
    }

    const fn digest(&self, digest: Fingerprint) -> Fingerprint {
        let tag = match self.tag {
            Some(kind) => kind,
            None => "",
        };
        let flags = self.personal as u64 | (self.optional as u64) << 1;
        digest.text(self.name).text(self.rust_type).text(tag).number(flags)
    }
}

impl EventModel {
    /// The shape of version `version` of `event_type`.
    ///
    /// # Panics
    /// When the type is no valid event type (1 to 256 bytes without control characters, not
    /// beginning with `$`), or the version is 0. In a constant this is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn new(
        event_type: &'static str,
        version: u32,
        fields: &'static [FieldModel],
    ) -> Self {
        let bytes = event_type.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 256, "an event type has 1 to 256 bytes");
        assert!(bytes[0] != b'$', "event types that begin with `$` are Factum's own");
        assert!(version > 0, "versions are counted from 1");
        let mut at = 0;
        while at < bytes.len() {
            // U+0080 to U+009F, the other control characters, are 0xC2 0x80 to 0xC2 0x9F.
            let c1 = bytes[at] == 0xc2 && at + 1 < bytes.len() && bytes[at + 1] < 0xa0;
            assert!(
                bytes[at] >= 0x20 && bytes[at] != 0x7f && !c1,
                "an event type has no control characters"
            );
            at += 1;
        }
        Self { event_type, version, fields, older: None }
    }

    /// The same, with the version before it that is still read.
    ///
    /// # Panics
    /// When that is of another type, or not older. In a constant this is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn after(self, older: &'static EventModel) -> Self {
        assert!(older.version < self.version, "`from` must name an older version of the event");
        let same = crate::fold::same(self.event_type, older.event_type);
        assert!(same, "`from` must name an older version of the same event type");
        Self { older: Some(older), ..self }
    }

    /// A digest of the shape, older versions included.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        let mut digest = Fingerprint::new().text(self.event_type).number(self.version as u64);
        let mut at = 0;
        while at < self.fields.len() {
            digest = self.fields[at].digest(digest);
            at += 1;
        }
        match self.older {
            Some(older) => digest.number(older.fingerprint()).finish(),
            None => digest.finish(),
        }
    }
}

/// The shape of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CommandModel {
    /// Its name: `transfer`.
    pub name: &'static str,
    /// Its fields, in order.
    pub fields: &'static [FieldModel],
}

/// One "no" of a decider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RefusalModel {
    /// What a program branches on: `not_open`.
    pub code: &'static str,
    /// The sentence, with its fields in braces.
    pub say: &'static str,
    /// The fields of its data; those of a tuple are named `0`, `1` …
    pub fields: &'static [FieldModel],
}

/// What a decider reads for one of its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadModel {
    /// The parameter's name.
    pub parameter: &'static str,
    /// The fold's name.
    pub fold: &'static str,
    /// The expression that names the key, as the source has it.
    pub by: &'static str,
    /// Whether it is a collection of keys.
    pub many: bool,
    /// The types that it heeds here: read and guarded.
    pub heeds: Vec<&'static str>,
    /// The types that the fold heeds and that are left out here: neither read nor guarded.
    pub ignoring: Vec<&'static str>,
}

/// Who decides: a command, what is read for it, what may come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeciderModel {
    /// The command.
    pub command: CommandModel,
    /// What it reads, in order.
    pub reads: Vec<ReadModel>,
    /// What it may emit.
    pub emits: Vec<EventModel>,
    /// How it may refuse.
    pub refusals: Vec<RefusalModel>,
}
