//! Names: [`EventType`], [`StreamName`], [`Tag`], [`Category`], [`EventId`].
//!
//! Each is checked where it is made (256 bytes of UTF-8 without control characters), so a value of
//! these types is always fit to be written. They are slices of shared bytes: cloning one is cheap,
//! and a decoder can hand them out without copying.

use std::fmt;

use bytestring::ByteString;

use crate::Invalid;

/// The most bytes a name of any kind may have.
pub(crate) const NAME_BYTES_MAX: usize = 256;

fn check(kind: &'static str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(kind, "is empty; it needs at least one character"));
    }
    if text.len() > NAME_BYTES_MAX {
        let len = text.len();
        let problem = format!("has {len} bytes; the limit is {NAME_BYTES_MAX}");
        return Err(Invalid::new(kind, problem));
    }
    if let Some(at) = text.find(char::is_control) {
        return Err(Invalid::new(kind, format!("has a control character at byte {at}")));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
        pub struct $name(ByteString);

        impl $name {
            /// The checked name.
            ///
            /// # Errors
            /// [`Invalid`] when it is empty, longer than 256 bytes, or has a control character.
            pub fn new(text: impl Into<ByteString>) -> Result<Self, Invalid> {
                let text = text.into();
                check($field, &text)?;
                Ok(Self(text))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.to_string()
            }
        }
    };
}

name!(
    /// What kind of fact an event is, named in the past tense: `order.placed`.
    /// Types that begin with `$` are Factum's own; see [`EventType::is_system`].
    EventType,
    "type"
);
name!(
    /// The optional name of the stream that an event belongs to: `order-W123`.
    StreamName,
    "stream"
);
name!(
    /// An indexed label on an event, `kind:value` by convention: `order:W123`.
    Tag,
    "tag"
);
name!(
    /// The part of a stream's name before its first `-`: `order` of `order-W123`.
    Category,
    "category"
);

impl EventType {
    /// The type of the events that record commands (see DESIGN "Recorded commands").
    pub const COMMAND: &'static str = "$command";

    /// Whether it is one of Factum's own types, which match only queries that name them.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.starts_with('$')
    }
}

impl StreamName {
    /// The stream's category: what stands before the first `-`, or the whole name.
    #[must_use]
    pub fn category(&self) -> Category {
        Category(self.0.slice_ref(Category::of(&self.0)))
    }
}

impl Category {
    /// The category of a stream of this name, as text.
    #[must_use]
    pub fn of(stream: &str) -> &str {
        let end = stream.find('-').filter(|end| *end > 0).unwrap_or(stream.len());
        &stream[..end]
    }
}

impl Tag {
    /// The tag `kind:value`.
    ///
    /// # Errors
    /// [`Invalid`] when the whole is not a valid name.
    pub fn of(kind: &str, value: impl fmt::Display) -> Result<Self, Invalid> {
        Self::new(format!("{kind}:{value}"))
    }
}

/// An event's identity: a UUID, version 7 when Factum makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct EventId(pub uuid::Uuid);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for EventId {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parsed = uuid::Uuid::parse_str(text);
        parsed.map(Self).map_err(|e| Invalid::new("id", format!("is not a UUID: {e}")))
    }
}
