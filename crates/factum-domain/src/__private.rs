//! What the code that the macros write refers to. Not for people: it may change at any time.

pub use crate::id::{check_kind, id_tag, read_id, text_id, uuid_id};
pub use crate::*;
pub use factum_store::{ByteString, RecordedEvent, StreamName};
pub use serde;
pub use serde_json;
pub use uuid::Uuid;
