//! The envelope of an event in a frame: only what it has, each as a kind (1 byte), a length
//! (4 bytes) and a value. Most events have none of it, and it is then empty.
//!
//! | kind | value |
//! |---|---|
//! | 1 | content type, when it is not JSON |
//! | 2 | schema: version (4 bytes), name |
//! | 3 | actor |
//! | 4 | correlation id |
//! | 5 | causation ids, 16 bytes each |
//! | 6 | command id |
//! | 7 | trace |

use bytes::{Buf, BufMut, Bytes};
use factum_store::{ByteString, ContentType, Envelope, EventId, Schema};

use super::{event::text, frame::Nonsense};

const CONTENT_TYPE: u8 = 1;
const SCHEMA: u8 = 2;
const ACTOR: u8 = 3;
const CORRELATION: u8 = 4;
const CAUSATION: u8 = 5;
const COMMAND: u8 = 6;
const TRACE: u8 = 7;

pub(crate) fn encode(envelope: &Envelope, content_type: &ContentType) -> Vec<u8> {
    // Most events have none of it, and an empty vector takes no memory.
    let mut bytes = Vec::new();
    if let ContentType::Other(media) = content_type {
        put(&mut bytes, CONTENT_TYPE, &[media.as_bytes()]);
    }
    if let Some(schema) = &envelope.schema {
        put(&mut bytes, SCHEMA, &[&schema.version.to_le_bytes(), schema.name.as_bytes()]);
    }
    for (kind, value) in [
        (ACTOR, &envelope.actor),
        (CORRELATION, &envelope.correlation_id),
        (COMMAND, &envelope.command_id),
        (TRACE, &envelope.trace),
    ] {
        if let Some(value) = value {
            put(&mut bytes, kind, &[value.as_bytes()]);
        }
    }
    if !envelope.causation_ids.is_empty() {
        let ids: Vec<_> = envelope.causation_ids.iter().map(|id| &id.0.as_bytes()[..]).collect();
        put(&mut bytes, CAUSATION, &ids);
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, kind: u8, values: &[&[u8]]) {
    bytes.put_u8(kind);
    bytes.put_u32_le(values.iter().map(|value| value.len()).sum::<usize>() as u32);
    values.iter().for_each(|value| bytes.extend_from_slice(value));
}

pub(crate) fn decode(mut bytes: Bytes) -> Result<(Envelope, ContentType), Nonsense> {
    let (mut envelope, mut content_type) = (Envelope::default(), ContentType::Json);
    while bytes.len() >= 5 {
        let (kind, len) = (bytes.get_u8(), bytes.get_u32_le() as usize);
        if len > bytes.len() {
            break;
        }
        let mut value = bytes.split_to(len);
        match kind {
            CONTENT_TYPE => content_type = ContentType::Other(text(value)?),
            SCHEMA if len >= 4 => {
                let version = value.get_u32_le();
                envelope.schema = Some(Schema { name: text(value)?, version });
            }
            ACTOR => envelope.actor = some_text(value)?,
            CORRELATION => envelope.correlation_id = some_text(value)?,
            COMMAND => envelope.command_id = some_text(value)?,
            TRACE => envelope.trace = some_text(value)?,
            CAUSATION if len.is_multiple_of(16) => {
                let ids = value.chunks_exact(16).filter_map(|id| uuid::Uuid::from_slice(id).ok());
                envelope.causation_ids = ids.map(EventId).collect();
            }
            _ => return Err("the envelope of an event in the frame has an unknown part"),
        }
    }
    match bytes.is_empty() {
        true => Ok((envelope, content_type)),
        false => Err("the envelope of an event in the frame is cut off"),
    }
}

fn some_text(value: Bytes) -> Result<Option<ByteString>, Nonsense> {
    text(value).map(Some)
}
