//! The systems that do the work, each behind the same few calls. What an adapter may do outside the
//! clock is fixed here, so that no system is given more of it than another.

mod factum;
#[cfg(feature = "peers")]
mod postgres;
#[cfg(feature = "peers")]
mod sqlite;
#[cfg(feature = "peers")]
mod tephra;
#[cfg(feature = "peers")]
mod umadb;

use std::{any::Any, path::Path};

use anyhow::{Result, bail};

use crate::{events::Event, server::Launch};

/// A system that was opened.
pub(crate) trait System: Send + Sync {
    /// For one thread that appends.
    fn writer(&self) -> Result<Box<dyn Writer>>;
    /// For one thread that reads.
    fn reader(&self) -> Result<Box<dyn Reader>>;
    /// For one thread that is told of every event appended from now on.
    fn follower(&self) -> Result<Box<dyn Follower>>;
    /// Compresses what it can, and waits until it has.
    fn compress(&self) -> Result<()> {
        bail!("it has nothing to compress with")
    }
    /// Stops it cleanly.
    fn close(self: Box<Self>) -> Result<()>;
}

/// Appends, and waits until what it appended is durable.
pub(crate) trait Writer: Send {
    /// Turns a batch into what the system's own API takes from a caller, with names that were
    /// checked but nothing encoded. Not on the clock: an application has its events in this shape.
    fn hand_over(&mut self, batch: &[Event]) -> Result<Batch>;
    /// On the clock.
    fn append(&mut self, batch: Batch, guard: Option<&Guard>) -> Result<Appended>;
}

/// A batch in a system's own types.
pub(crate) struct Batch(Box<dyn Any + Send>);

impl Batch {
    fn of<T: Send + 'static>(own: T) -> Self {
        Self(Box::new(own))
    }

    fn own<T: 'static>(self) -> Result<T> {
        match self.0.downcast() {
            Ok(own) => Ok(*own),
            Err(_) => bail!("a batch was handed to another system than it was made for"),
        }
    }
}

/// What must hold for an append: nothing came to this tag after `after`. A system without tags takes
/// the stream instead, in which the next event must be the `revision`th.
pub(crate) struct Guard {
    pub(crate) tag: String,
    pub(crate) after: u64,
    pub(crate) revision: u64,
}

/// How an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is durable, and its last event is here.
    At(u64),
    /// The guard did not hold.
    Refused,
}

/// Reads and counts; every event's data is looked at.
pub(crate) trait Reader: Send {
    /// All events that answer a question, oldest first.
    fn read(&mut self, question: &Question) -> Result<u64>;
}

/// Waits for events that others append.
pub(crate) trait Follower: Send {
    /// Waits until there are more events, looks at them, and says how many.
    fn next(&mut self) -> Result<u64>;
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// One stream.
    Stream(String),
    /// All of these tags.
    Tags(Vec<String>),
    /// Any of these types.
    Types(Vec<&'static str>),
    /// Everything.
    All,
}

/// What is known of a system before it runs.
pub(crate) struct Kind {
    /// As it is called on the command line and in the results.
    pub(crate) name: &'static str,
    /// The version of what is in this program; a server is asked itself.
    pub(crate) version: fn() -> String,
    /// One line about how it is run.
    pub(crate) about: &'static str,
    /// Whether it wakes those who wait for events.
    pub(crate) follows: bool,
    /// Whether it compresses what it keeps, when it is asked to.
    pub(crate) compresses: bool,
    /// How its server is started, if it is one.
    pub(crate) server: Option<Launch>,
    /// Opens it in this process: a directory, or a server's address.
    open: fn(&Path, &str) -> Result<Box<dyn System>>,
}

impl Kind {
    pub(crate) fn open(&self, dir: &Path, address: &str) -> Result<Box<dyn System>> {
        (self.open)(dir, address)
    }
}

/// Every system this program was built with, Factum first.
pub(crate) const KINDS: &[Kind] = &[
    factum::KIND,
    #[cfg(feature = "peers")]
    tephra::KIND,
    #[cfg(feature = "peers")]
    umadb::KIND,
    #[cfg(feature = "peers")]
    umadb::FACTUM,
    #[cfg(feature = "peers")]
    postgres::KIND,
    #[cfg(feature = "peers")]
    sqlite::KIND,
];

pub(crate) fn kind(name: &str) -> Result<&'static Kind> {
    if let Some(kind) = KINDS.iter().find(|kind| kind.name == name) {
        return Ok(kind);
    }
    let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    bail!("there is no system {name}; there are {}", known.join(", "))
}

/// Data that was read is data that was looked at.
fn look_at(data: &[u8]) {
    std::hint::black_box((data.len(), data.first(), data.last()));
}
