//! Schemas of the words that bodies and answers are made of: names, positions, times, payloads.
//! What the types of the ledger check when they are made is said here for those who read.

#![expect(dead_code, reason = "the types stand for what others write, and are only described")]

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Bytes of a name of any kind, such as a tag; see `factum_store`.
const NAME_BYTES_MAX: usize = 256;

/// What a ledger can be called.
pub(crate) const LEDGER_NAME: &str = "^[a-z0-9_][a-z0-9_-]{0,63}$";

/// The schema of a name. JSON Schema counts characters: of those beyond ASCII fewer fit.
pub(crate) fn name() -> Value {
    json!({
        "type": "string",
        "description": "1 to 256 bytes of UTF-8 without control characters",
        "minLength": 1,
        "maxLength": NAME_BYTES_MAX,
        "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]+$",
    })
}

/// The schema of a number that counts, from `least`.
pub(crate) fn count(least: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": u64::MAX })
}

macro_rules! words {
    ($($(#[doc = $what:literal])* $name:ident = $schema:expr;)*) => {$(
        $(#[doc = $what])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = Schema::try_from($schema).expect("a schema is an object");
                let what: &[&str] = &[$($what),*];
                schema.insert("description".into(), what.concat().trim().into());
                schema
            }
        }
    )*};
}

words! {
    /// A type, tag, stream or category: 1 to 256 bytes of UTF-8 without control characters.
    Name = name();
    /// The type of an event of the application: a name that does not begin with `$`.
    OwnType = json!({
        "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX,
        "pattern": "^[^$\\u0000-\\u001F\\u007F-\\u009F][^\\u0000-\\u001F\\u007F-\\u009F]*$",
    });
    /// A ledger's name: 1 to 64 of a-z, 0-9, _ and -, not beginning with -.
    LedgerName = json!({ "type": "string", "pattern": LEDGER_NAME });
    /// A place in a ledger: 1, 2, 3 …; 0 is before everything.
    Place = count(0);
    /// A place in a stream, from 0.
    StreamRevision = count(0);
    /// How many.
    Count = count(0);
    /// A number from 1.
    Positive = count(1);
    /// A UUID.
    Id = json!({ "type": "string", "format": "uuid" });
    /// A moment in RFC 3339, UTC, to the microsecond.
    Time = json!({ "type": "string", "format": "date-time" });
    /// The id of a delivery.
    DeliveryText = json!({ "type": "string", "pattern": "^[0-9a-f]{1,16}-[0-9a-f]{1,16}$" });
    /// What a stream is now.
    StreamStateName = json!({ "enum": ["never_existed", "live", "deleted", "tombstoned"] });
    /// Text of at most 256 bytes.
    ShortText = json!({ "type": "string", "maxLength": NAME_BYTES_MAX });
}

/// Any JSON.
pub(crate) struct Json;

impl JsonSchema for Json {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

/// A JSON object with any members.
pub(crate) struct Object;

impl JsonSchema for Object {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Object".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// An event matches when its type is one of `types` (or there are none), it carries all of `tags`,
/// and it is in `stream` and `category`, where given.
#[derive(JsonSchema)]
#[schemars(rename = "QueryItem", deny_unknown_fields)]
pub(crate) struct Item {
    #[serde(default)]
    types: Vec<Name>,
    #[serde(default)]
    tags: Vec<Name>,
    stream: Option<Name>,
    category: Option<Name>,
    /// Factum's own events too, though `types` does not name them.
    #[serde(default)]
    system: bool,
}
