//! What the code that the macros write refers to. Not for people: it may change at any time.

pub use crate::command::check_by;
pub use crate::event::{TagField, decode_upcast, stream_of};
pub use crate::fold::{carries, heeds, read_for};
pub use crate::id::{check_kind, id_tag, read_id, text_id, uuid_id};
pub use crate::parameter::read_model;
pub use crate::refusal::{read_refusal_field, refusal_data, refusal_field};
pub use crate::*;
pub use factum_store::{ByteString, RecordedEvent, StreamName};
pub use serde;
pub use serde_json;
pub use uuid::Uuid;
