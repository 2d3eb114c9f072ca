//! Factum, embedded: the crate `factum-engine`, with the options it has by default.

use std::{ops::ControlFlow, path::Path};

use anyhow::{Result, bail};
use factum_engine::{Compact, DataDir, EngineLedger, Options};
use factum_store::{
    Append, AppendError, BoxStream, Condition, EventType, Ledger, NewEvent, Position, Query,
    QueryItem, ReadError, Signal, StreamName, Subscribe, Tag,
};
use futures_lite::{StreamExt, future::block_on};

use super::{Appended, Batch, Follower, Guard, Kind, Question, Reader, System, Writer, look_at};
use crate::events::Event;

pub(crate) const KIND: Kind = Kind {
    name: "factum",
    version: || env!("CARGO_PKG_VERSION").to_owned(),
    about: "embedded, the defaults",
    follows: true,
    compresses: true,
    server: None,
    open,
};

fn open(dir: &Path, _: &str) -> Result<Box<dyn System>> {
    let data = DataDir::open(dir, Options::default())?;
    let ledger = data.create_ledger("default")?;
    Ok(Box::new(Factum { ledger }))
}

struct Factum {
    ledger: EngineLedger,
}

impl System for Factum {
    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(FactumWriter { ledger: self.ledger.clone() }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(FactumReader { ledger: self.ledger.clone() }))
    }

    fn follower(&self) -> Result<Box<dyn Follower>> {
        let head = block_on(self.ledger.head())?;
        let subscribe = Subscribe { query: Query::all(), after: head.position };
        Ok(Box::new(FactumFollower { signals: self.ledger.subscribe(subscribe) }))
    }

    fn compress(&self) -> Result<()> {
        let request = Compact { compress: true, ..Compact::default() };
        self.ledger.compact(request, &mut |_| ControlFlow::Continue(()))?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self);
        Ok(())
    }
}

struct FactumWriter {
    ledger: EngineLedger,
}

impl Writer for FactumWriter {
    fn hand_over(&mut self, batch: &[Event]) -> Result<Batch> {
        let events: Result<Vec<NewEvent>> = batch.iter().map(new_event).collect();
        Ok(Batch::of(Append::new(events?)))
    }

    fn append(&mut self, batch: Batch, guard: Option<&Guard>) -> Result<Appended> {
        let mut append: Append = batch.own()?;
        if let Some(guard) = guard {
            let query = Query::from(QueryItem::tags([Tag::new(guard.tag.as_str())?]));
            append = append.when(Condition::NoMatch { query, after: Position(guard.after) });
        }
        match self.ledger.append_blocking(append) {
            Ok(receipt) => Ok(Appended::At(receipt.last.0)),
            Err(AppendError::Conflict(_)) => Ok(Appended::Refused),
            Err(error) => Err(error.into()),
        }
    }
}

struct FactumReader {
    ledger: EngineLedger,
}

impl Reader for FactumReader {
    fn read(&mut self, question: &Question) -> Result<u64> {
        let mut count = 0;
        self.ledger.scan(&query(question)?, Position::START, &mut |event| {
            look_at(event.data);
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }
}

struct FactumFollower {
    signals: BoxStream<Result<Signal, ReadError>>,
}

impl Follower for FactumFollower {
    fn next(&mut self) -> Result<u64> {
        while let Some(signal) = block_on(self.signals.next()) {
            if let Signal::Event(event) = signal? {
                look_at(&event.data);
                return Ok(1);
            }
        }
        bail!("a subscription ended")
    }
}

fn new_event(event: &Event) -> Result<NewEvent> {
    let tags: Result<Vec<Tag>, _> = event.tags.iter().map(|tag| Tag::new(tag.as_str())).collect();
    Ok(NewEvent::new(EventType::new(event.event_type)?, event.data.clone())
        .tagged(tags?)
        .in_stream(StreamName::new(event.stream.as_str())?))
}

fn query(question: &Question) -> Result<Query> {
    let item = match question {
        Question::Stream(stream) => QueryItem::stream(StreamName::new(stream.as_str())?),
        Question::Tags(tags) => {
            let tags: Result<Vec<Tag>, _> = tags.iter().map(|tag| Tag::new(tag.as_str())).collect();
            QueryItem::tags(tags?)
        }
        Question::Types(types) => {
            let types: Result<Vec<_>, _> = types.iter().map(|name| EventType::new(*name)).collect();
            QueryItem::types(types?)
        }
        Question::All => return Ok(Query::all()),
    };
    Ok(item.into())
}
