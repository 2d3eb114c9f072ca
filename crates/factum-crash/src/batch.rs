//! What is sent: batches that are a function of their name, so that whoever reads one back knows
//! which it is and can say whether every byte of it is as it was sent.

use std::{fmt, str::FromStr};

use anyhow::Context as _;
use factum_store::{
    Append, ByteString, Bytes, ContentType, EventId, IdempotencyKey, NewEvent, RecordedEvent,
    RequestHash, StreamName, Tag,
};

/// The name of a batch: which round of the test, which writer of it, which batch of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BatchId {
    pub(crate) round: u32,
    pub(crate) writer: u16,
    pub(crate) number: u32,
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.round, self.writer, self.number)
    }
}

impl FromStr for BatchId {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut parts = text.split('.');
        let mut part = || parts.next().context("a batch's name has three parts");
        Ok(Self { round: part()?.parse()?, writer: part()?.parse()?, number: part()?.parse()? })
    }
}

/// What a batch is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One event with a tag.
    Plain,
    /// One event of its writer's stream, at the revision that the writer expects.
    Expected,
    /// Several events over streams that all writers share.
    Several,
    /// One event that nobody else may have come before.
    Guarded,
    /// A few events under an idempotency key.
    Keyed,
    /// One event of many bytes that are not JSON.
    Long,
}

/// How many tags the writers compete for.
const CONTESTED: u64 = 3;
/// How many streams all writers share.
const SHARED_STREAMS: u64 = 4;

impl BatchId {
    /// The first 64 bits of a hash of the name.
    fn hash(self, salt: u64) -> u64 {
        let hash = blake3::hash(format!("{salt} {self}").as_bytes());
        hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    pub(crate) fn kind(self) -> Kind {
        match self.hash(0) % 16 {
            0..=4 => Kind::Plain,
            5..=7 => Kind::Expected,
            8..=9 => Kind::Several,
            10..=12 => Kind::Guarded,
            13..=14 => Kind::Keyed,
            _ => Kind::Long,
        }
    }

    /// The stream that only this batch's writer writes.
    pub(crate) fn own_stream(self) -> StreamName {
        name(format!("own-{}", self.writer))
    }

    /// The tag that the batch is guarded by.
    pub(crate) fn contested(self) -> Tag {
        name(format!("one:{}", self.hash(1) % CONTESTED))
    }

    /// The batch's events.
    pub(crate) fn events(self) -> Vec<NewEvent> {
        let count = match self.kind() {
            Kind::Several => 2 + self.hash(2) % 5,
            Kind::Keyed => 1 + self.hash(2) % 3,
            _ => 1,
        };
        (0..count).map(|slot| self.event(slot, count)).collect()
    }

    fn event(self, slot: u64, count: u64) -> NewEvent {
        let chance = self.hash(10 + slot);
        let fill = "x".repeat((chance % 180) as usize);
        // Its fields are sorted, so that a JSON library in between writes the same bytes.
        let data =
            format!("{{\"batch\":\"{self}\",\"fill\":\"{fill}\",\"of\":{count},\"slot\":{slot}}}");
        let mut event = NewEvent::new(name(format!("type.{}", chance % 5)), data);
        event.id = Some(EventId(uuid::Uuid::from_u128(
            u128::from(self.hash(100 + slot)) << 64 | u128::from(chance),
        )));
        event.metadata = Bytes::from(format!("{{\"batch\":\"{self}\"}}"));
        event.envelope.actor = Some(format!("writer-{}", self.writer).into());
        let mut tags =
            vec![name(format!("writer:{}", self.writer)), name(format!("n:{}", chance % 50))];
        match self.kind() {
            Kind::Expected => event.stream = Some(self.own_stream()),
            Kind::Several => {
                event.stream = Some(name(format!("shared-{}", chance % SHARED_STREAMS)));
            }
            Kind::Guarded => tags.push(self.contested()),
            Kind::Long => {
                event.content_type = ContentType::Other("application/octet-stream".into());
                let len = 4_000 + (chance % 16_000) as usize;
                let mut bytes = vec![0; len];
                fastrand::Rng::with_seed(chance).fill(&mut bytes);
                event.data = bytes.into();
            }
            Kind::Plain | Kind::Keyed => {}
        }
        event.tagged(tags)
    }

    /// The batch as it is appended, without conditions.
    pub(crate) fn append(self) -> Append {
        let append = Append::new(self.events());
        if self.kind() != Kind::Keyed {
            return append;
        }
        append.keyed(IdempotencyKey {
            principal: ByteString::new(),
            operation: "append".into(),
            key: self.to_string().into(),
            request: RequestHash(*blake3::hash(self.to_string().as_bytes()).as_bytes()),
        })
    }

    /// Which batch a recorded event says that it is of, and which of its events.
    pub(crate) fn of(event: &RecordedEvent) -> anyhow::Result<Self> {
        let metadata: serde_json::Value = serde_json::from_slice(&event.metadata)
            .with_context(|| format!("the metadata at position {}", event.position))?;
        metadata["batch"].as_str().context("metadata without a batch")?.parse()
    }
}

/// What differs between a sent event and a recorded one, if anything.
pub(crate) fn difference(sent: &NewEvent, kept: &RecordedEvent) -> Option<&'static str> {
    let same = [
        ("id", sent.id == Some(kept.id)),
        ("type", sent.event_type == kept.event_type),
        ("stream", sent.stream.as_ref() == kept.stream.as_ref().map(|place| &place.name)),
        ("tags", sent.tags == kept.tags),
        ("data", sent.data == kept.data),
        ("content type", sent.content_type == kept.content_type),
        ("metadata", sent.metadata == kept.metadata),
        ("envelope", sent.envelope == kept.envelope),
    ];
    same.iter().find(|(_, same)| !same).map(|(what, _)| *what)
}

/// A name that is one by its making.
fn name<T: FromStr>(text: String) -> T {
    text.parse().ok().expect("a name without control characters, shorter than the limit")
}
