//! The words that every part of Factum shares, and the two ports.
//!
//! * [`Ledger`] is one append-only, totally ordered log of events: append, read, subscribe.
//! * [`ViewStore`] keeps read models: rows and their checkpoint, committed together.
//!
//! [`memory`] has a small, readable implementation of each: they are the *oracle* that every other
//! implementation is compared with. The feature `conformance` has the suites that do the comparing.
//!
//! This crate knows nothing else of Factum, no async runtime and no database. The ports are
//! asynchronous (futures only) and usable as `dyn`.

mod append;
mod error;
mod event;
mod ledger;
mod limits;
pub mod memory;
mod name;
mod position;
mod query;
mod retention;
mod view_store;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use append::{
    Append, Condition, Conflict, ExpectedRevision, IdempotencyKey, Offence, Receipt, RequestHash,
};
pub use error::{AppendError, ReadError, ViewError};
pub use event::{ContentType, Envelope, NewEvent, RecordedEvent, Schema, StreamPlace};
pub use ledger::{
    BoxFuture, BoxStream, Direction, Head, Ledger, Page, Read, Signal, Subscribe,
    refused_subscription,
};
pub use limits::{Invalid, Limits};
pub use name::{Category, EventId, EventType, StreamName, Tag};
pub use position::{Position, Revision, Timestamp};
pub use query::{Named, Query, QueryItem};
pub use retention::{Retention, StreamInfo, StreamMetadata, StreamState, Window};
pub use view_store::{
    Batch, Change, Checkpoint, Keyframe, Row, RowsPage, RowsRequest, ScratchStore, Shape,
    Statement, Value, ViewName, ViewSpec, ViewStore,
};

pub use bytes::Bytes;
pub use bytestring::ByteString;
