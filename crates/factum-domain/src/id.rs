//! [`Id`] and [`id!`](crate::id): an id type is a tag type.
//!
//! An id is checked where it is made, so its tag can't fail: the longest kind (40 bytes), the colon
//! and the longest id (200 bytes) fit a tag.

use std::{
    fmt::{Debug, Display},
    hash::Hash,
    str::FromStr,
};

use factum_store::{Invalid, Tag};
use serde::{Serialize, de::DeserializeOwned};

/// What a fold is keyed by and an event is tagged with: `kind:value`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an id",
    label = "an id is expected here",
    note = "make an id type with `id!(pub AccountId, \"account\");` (a UUID) or `id!(pub Sku(String), \"sku\");` (a text)"
)]
pub trait Id:
    Clone
    + Debug
    + Eq
    + Ord
    + Hash
    + Display
    + FromStr<Err = Invalid>
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// What stands before the colon of its tag.
    const KIND: &'static str;

    /// The tag of events that concern it.
    fn tag(&self) -> Tag;
}

/// The most bytes of the text of an id.
pub const ID_BYTES_MAX: usize = 200;
/// The most bytes of the kind of an id.
pub const KIND_BYTES_MAX: usize = 40;

/// Defines an id type.
///
/// * `id!(pub AccountId, "account");` is a UUID: `Copy`, made with `factum::new_id` or
///   `AccountId::from(uuid)`.
/// * `id!(pub OrderId(String), "order");` is a text that others chose: `OrderId::new("W123")?`
///   refuses an empty one, more than 200 bytes, and control characters; so does reading it from
///   JSON.
///
/// Expands to a newtype with `Clone`, `Debug`, `Eq`, `Ord`, `Hash`, `Display`, `FromStr`,
/// `Serialize`, `Deserialize` and [`Id`](crate::Id).
#[macro_export]
macro_rules! id {
    ($(#[$meta:meta])* $vis:vis $name:ident, $kind:literal $(;)?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name($crate::__private::Uuid);

        impl ::core::convert::From<$crate::__private::Uuid> for $name {
            fn from(uuid: $crate::__private::Uuid) -> Self {
                Self(uuid)
            }
        }

        impl ::core::convert::From<$name> for $crate::__private::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::Invalid;
            fn from_str(text: &str) -> ::core::result::Result<Self, $crate::Invalid> {
                $crate::__private::uuid_id($kind, text).map(Self)
            }
        }

        $crate::__id_common!($name, $kind);
    };
    ($(#[$meta:meta])* $vis:vis $name:ident(String), $kind:literal $(;)?) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(::std::string::String);

        impl $name {
            /// The checked id.
            ///
            /// # Errors
            /// `Invalid` when it is empty, longer than 200 bytes, or has a control character.
            $vis fn new(
                text: impl ::core::convert::Into<::std::string::String>,
            ) -> ::core::result::Result<Self, $crate::Invalid> {
                $crate::__private::text_id($kind, text.into()).map(Self)
            }

            /// The id as text.
            #[must_use]
            #[allow(dead_code)]
            $vis fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::Invalid;
            fn from_str(text: &str) -> ::core::result::Result<Self, $crate::Invalid> {
                Self::new(text)
            }
        }

        $crate::__id_common!($name, $kind);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __id_common {
    ($name:ident, $kind:literal) => {
        const _: () = $crate::__private::check_kind($kind);

        impl $crate::Id for $name {
            const KIND: &'static str = $kind;
            fn tag(&self) -> $crate::Tag {
                $crate::__private::id_tag($kind, &self.0)
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&self.0, f)
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::write!(f, "{}({})", ::core::stringify!($name), self.0)
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                $crate::__private::read_id(deserializer)
            }
        }
    };
}

/// Refuses, at compile time, a kind that could make a tag invalid or ambiguous.
#[doc(hidden)]
#[track_caller]
pub const fn check_kind(kind: &str) {
    let bytes = kind.as_bytes();
    assert!(!bytes.is_empty(), "the kind of an id is empty");
    assert!(bytes.len() <= KIND_BYTES_MAX, "the kind of an id has more than 40 bytes");
    let mut at = 0;
    while at < bytes.len() {
        let plain = bytes[at].is_ascii_lowercase()
            || bytes[at].is_ascii_digit()
            || bytes[at] == b'_'
            || bytes[at] == b'-';
        assert!(plain, "the kind of an id may have lower-case letters, digits, `_` and `-` only");
        at += 1;
    }
}

/// The text of an id, checked.
#[doc(hidden)]
pub fn text_id(kind: &str, text: String) -> Result<String, Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(kind, "is empty; it needs at least one character"));
    }
    if text.len() > ID_BYTES_MAX {
        let len = text.len();
        return Err(Invalid::new(kind, format!("has {len} bytes; the limit is {ID_BYTES_MAX}")));
    }
    match text.find(char::is_control) {
        Some(at) => Err(Invalid::new(kind, format!("has a control character at byte {at}"))),
        None => Ok(text),
    }
}

/// The UUID of an id, checked.
#[doc(hidden)]
pub fn uuid_id(kind: &str, text: &str) -> Result<uuid::Uuid, Invalid> {
    uuid::Uuid::parse_str(text)
        .map_err(|e| Invalid::new(kind, format!("{text:?} is not a UUID: {e}")))
}

/// The tag of an id whose parts were checked where it was made.
#[doc(hidden)]
pub fn id_tag(kind: &str, value: &dyn Display) -> Tag {
    Tag::of(kind, value).expect("the kind and the text of an id are checked where they are made")
}

/// Reads an id from its text.
#[doc(hidden)]
pub fn read_id<'de, I: Id, D: serde::Deserializer<'de>>(deserializer: D) -> Result<I, D::Error> {
    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}
