//! tephra, embedded: the crate of that name, with the options it has by default and segments of the
//! size its documentation shows. It has no streams; the stream is one more tag.

use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use tephra::{
    AppendCondition, AppendError, Event as Encoded, EventType, Position, Query, QueryItem,
    SegmentConfig, SegmentSet, Subscription, Tag, Tags, WriteCoordinator, WriteHandle,
    WriterConfig,
};

use super::{Appended, Batch, Follower, Guard, Kind, Question, Reader, System, Writer, look_at};
use crate::events::Event;

pub(crate) const KIND: Kind = Kind {
    name: "tephra",
    version: || "0.4.1".to_owned(),
    about: ABOUT,
    follows: true,
    compresses: false,
    server: None,
    open,
};
const ABOUT: &str = "embedded, the defaults, segments of 256 MiB, the stream as a tag";

const SEGMENT_BYTES: usize = 256 << 20;

fn open(dir: &Path, _: &str) -> Result<Box<dyn System>> {
    let segments = SegmentSet::open(dir, SegmentConfig::new(SEGMENT_BYTES))?;
    let (coordinator, handle) = WriteCoordinator::start(segments, WriterConfig::default())?;
    Ok(Box::new(Tephra { coordinator, handle }))
}

struct Tephra {
    coordinator: WriteCoordinator,
    handle: WriteHandle,
}

impl System for Tephra {
    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(TephraWriter { handle: self.handle.clone() }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(TephraReader { handle: self.handle.clone() }))
    }

    fn follower(&self) -> Result<Box<dyn Follower>> {
        let head = self.handle.head();
        Ok(Box::new(TephraFollower { events: self.handle.subscribe(Query::all(), head) }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.coordinator.shutdown();
        Ok(())
    }
}

struct TephraWriter {
    handle: WriteHandle,
}

/// An event before it is encoded.
type Parts = (EventType, Tags, Bytes);

impl Writer for TephraWriter {
    fn hand_over(&mut self, batch: &[Event]) -> Result<Batch> {
        let parts: Result<Vec<Parts>> = batch.iter().map(parts).collect();
        Ok(Batch::of(parts?))
    }

    fn append(&mut self, batch: Batch, guard: Option<&Guard>) -> Result<Appended> {
        let parts: Vec<Parts> = batch.own()?;
        let encoded: Result<Vec<Encoded>, _> =
            parts.iter().map(|(name, tags, data)| Encoded::new(name, tags, data)).collect();
        let condition = guard.map(condition).transpose()?;
        match self.handle.append(encoded?, condition) {
            Ok(range) => Ok(Appended::At(range.last.get())),
            Err(AppendError::Conflict { .. }) => Ok(Appended::Refused),
            Err(error) => Err(error.into()),
        }
    }
}

struct TephraReader {
    handle: WriteHandle,
}

impl Reader for TephraReader {
    fn read(&mut self, question: &Question) -> Result<u64> {
        let mut reads = self.handle.read(&query(question)?, Position::ZERO, None);
        let mut count = 0;
        while let Some(found) = reads.next() {
            look_at(found?.event.data());
            count += 1;
        }
        Ok(count)
    }
}

struct TephraFollower {
    events: Subscription,
}

impl Follower for TephraFollower {
    fn next(&mut self) -> Result<u64> {
        let batch = self.events.next_batch().context("a subscription ended")??;
        batch.iter().for_each(|(_, event)| look_at(event.data()));
        Ok(batch.len() as u64)
    }
}

fn parts(event: &Event) -> Result<Parts> {
    let stream = stream_tag(&event.stream)?;
    let tags: Result<Vec<Tag>, _> = event.tags.iter().map(|tag| Tag::new(tag.as_str())).collect();
    let tags = Tags::new(tags?.into_iter().chain([stream]))?;
    Ok((EventType::new(event.event_type)?, tags, event.data.clone()))
}

fn stream_tag(stream: &str) -> Result<Tag> {
    Ok(Tag::new(format!("stream:{stream}"))?)
}

fn condition(guard: &Guard) -> Result<AppendCondition> {
    let tags = Tags::new([Tag::new(guard.tag.as_str())?])?;
    let query = Query::item(QueryItem::with_tags(tags));
    Ok(AppendCondition::new(query).after(Position::new(guard.after)))
}

fn query(question: &Question) -> Result<Query> {
    let item = match question {
        Question::Stream(stream) => QueryItem::with_tags(Tags::new([stream_tag(stream)?])?),
        Question::Tags(tags) => {
            let tags: Result<Vec<Tag>, _> = tags.iter().map(|tag| Tag::new(tag.as_str())).collect();
            QueryItem::with_tags(Tags::new(tags?)?)
        }
        Question::Types(types) => {
            let types: Result<Vec<_>, _> = types.iter().map(|name| EventType::new(*name)).collect();
            QueryItem::of_types(types?)
        }
        Question::All => return Ok(Query::all()),
    };
    Ok(Query::item(item))
}
