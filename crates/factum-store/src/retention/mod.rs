//! What is kept of a stream, and for how long: [`Retention`], [`StreamMetadata`], and the events
//! that say so.
//!
//! What is said of the stream `s` is said by ordinary events, appended like any other:
//! * its **metadata** is the last `$metadata` event of the stream `$$s`: the user's JSON as data,
//!   and in tags what the ledger heeds (`$truncate-before:5`, `$max-count:10`, `$max-age:3600`
//!   seconds, `$deleted`), so that no ledger has to read JSON;
//! * its **tombstone** is the last event of `s` itself, of type `$tombstone`: nothing is ever
//!   appended to it again.
//!
//! [`StreamInfo`] has what follows from it, in one place for every ledger.

mod check;
mod info;

use bytes::Bytes;

use crate::{EventType, Invalid, NewEvent, RecordedEvent, Revision, StreamName, Tag};

pub(crate) use check::check_batch;
pub use info::{StreamInfo, StreamState, Window};

const TRUNCATE_BEFORE: &str = "$truncate-before:";
const MAX_COUNT: &str = "$max-count:";
const MAX_AGE: &str = "$max-age:";
const DELETED: &str = "$deleted";
const METADATA_STREAM: &str = "$$";

/// Which events of a stream a reader of the stream sees. All that is said must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Only events from this revision on.
    pub truncate_before: Option<Revision>,
    /// Only so many of the last events; at least 1.
    pub max_count: Option<u64>,
    /// Only events that are younger than so many seconds; at least 1.
    pub max_age_seconds: Option<u64>,
    /// The stream counts as deleted until it gets an event that `truncate_before` shows.
    pub deleted: bool,
}

/// What a stream's metadata says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamMetadata {
    /// What the ledger heeds.
    pub retention: Retention,
    /// The user's JSON, passed through; nothing at all is written as `{}`.
    pub data: Bytes,
}

impl EventType {
    /// The type of the events that say what is kept of a stream; see [`StreamMetadata`].
    pub const METADATA: &'static str = "$metadata";
    /// The type of the event that ends a stream for ever.
    pub const TOMBSTONE: &'static str = "$tombstone";

    /// Whether it is [`EventType::METADATA`].
    #[must_use]
    pub fn is_metadata(&self) -> bool {
        self.as_str() == Self::METADATA
    }

    /// Whether it is [`EventType::TOMBSTONE`].
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.as_str() == Self::TOMBSTONE
    }
}

impl StreamName {
    /// The stream that says what is kept of this one: `$$` and its name.
    ///
    /// # Errors
    /// [`Invalid`] when this one's name has more than 254 bytes, or is such a name itself.
    pub fn metadata_stream(&self) -> Result<Self, Invalid> {
        if self.is_metadata_stream() {
            let problem = "is the metadata of another stream; there is no metadata of metadata";
            return Err(Invalid::new("stream", problem));
        }
        Self::new(format!("{METADATA_STREAM}{self}"))
    }

    /// The stream that this one is the metadata of.
    #[must_use]
    pub fn described(&self) -> Option<Self> {
        let name = self.as_str().strip_prefix(METADATA_STREAM)?;
        Self::new(name.to_owned()).ok()
    }

    /// Whether it says what is kept of another stream.
    #[must_use]
    pub fn is_metadata_stream(&self) -> bool {
        self.as_str().starts_with(METADATA_STREAM)
    }
}

impl Retention {
    /// The tags that say so, sorted.
    #[must_use]
    pub fn tags(&self) -> Vec<Tag> {
        let number = |lead: &str, value: Option<u64>| value.map(|value| format!("{lead}{value}"));
        let texts = [
            number(TRUNCATE_BEFORE, self.truncate_before.map(|revision| revision.0)),
            number(MAX_COUNT, self.max_count),
            number(MAX_AGE, self.max_age_seconds),
            self.deleted.then(|| DELETED.to_owned()),
        ];
        // Each is short and plain, so it is a valid tag.
        let mut tags: Vec<_> = texts.into_iter().flatten().flat_map(Tag::new).collect();
        tags.sort_unstable();
        tags
    }

    /// What the tags of a `$metadata` event say. Tags that do not begin with `$` are the user's.
    ///
    /// # Errors
    /// [`Invalid`] when one that begins with `$` is unknown, malformed or said twice, or when
    /// `$deleted` comes without `$truncate-before`.
    pub fn of_tags(tags: &[Tag]) -> Result<Self, Invalid> {
        let mut said = Self::default();
        for (i, tag) in tags.iter().enumerate().filter(|(_, tag)| tag.as_str().starts_with('$')) {
            said.hear(tag.as_str()).map_err(|problem| {
                Invalid::new(format!("tags[{i}]"), format!("is {tag:?}, which {problem}"))
            })?;
        }
        if said.deleted && said.truncate_before.is_none() {
            let problem = "say $deleted without $truncate-before, which is the revision that a \
                           new event of the stream would get";
            return Err(Invalid::new("tags", problem));
        }
        Ok(said)
    }

    fn hear(&mut self, tag: &str) -> Result<(), &'static str> {
        let (slot, min, text) = if let Some(text) = tag.strip_prefix(TRUNCATE_BEFORE) {
            let slot = &mut self.truncate_before;
            return put(slot, Revision(number(text, 0)?));
        } else if let Some(text) = tag.strip_prefix(MAX_COUNT) {
            (&mut self.max_count, 1, text)
        } else if let Some(text) = tag.strip_prefix(MAX_AGE) {
            (&mut self.max_age_seconds, 1, text)
        } else if tag == DELETED {
            self.deleted = true;
            return Ok(());
        } else {
            return Err("no ledger knows; those that begin with $ are $truncate-before:N, \
                        $max-count:N, $max-age:SECONDS and $deleted");
        };
        put(slot, number(text, min)?)
    }
}

fn put<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err("says something again that another tag says"),
    }
}

/// A plain decimal, written in the one way that [`Retention::tags`] writes it.
fn number(text: &str, min: u64) -> Result<u64, &'static str> {
    let parsed = text.parse::<u64>().ok().filter(|value| value.to_string() == text);
    let parsed = parsed.ok_or("does not end in a whole number")?;
    if parsed < min { Err("asks for none; the least is 1") } else { Ok(parsed) }
}

impl StreamMetadata {
    /// Metadata that only says what is kept.
    #[must_use]
    pub fn keeping(retention: Retention) -> Self {
        Self { retention, data: Bytes::new() }
    }

    /// The event that says this of a stream.
    ///
    /// # Errors
    /// [`Invalid`] when the stream can have no metadata.
    pub fn event(&self, of: &StreamName) -> Result<NewEvent, Invalid> {
        let event_type = EventType::new(EventType::METADATA)?;
        let data = if self.data.is_empty() { Bytes::from_static(b"{}") } else { self.data.clone() };
        let event = NewEvent::new(event_type, data);
        Ok(event.tagged(self.retention.tags()).in_stream(of.metadata_stream()?))
    }

    /// What a `$metadata` event says.
    ///
    /// # Errors
    /// [`Invalid`] as [`Retention::of_tags`]; a ledger lets no such event in.
    pub fn of(event: &RecordedEvent) -> Result<Self, Invalid> {
        Ok(Self { retention: Retention::of_tags(&event.tags)?, data: event.data.clone() })
    }
}
