//! The port [`ViewStore`]: where views are kept.
//!
//! Protects G7: the changes of a batch and the checkpoint they lead to commit together, and a
//! batch that does not start at the checkpoint is refused, so nothing is applied twice or skipped.
//!
//! A projector does not touch the store: it turns events into [`Change`]s, which are data. So a
//! view is the same on every store that can take them, and can be tested without one.

use std::fmt;

use bytes::Bytes;

use crate::{BoxFuture, Invalid, Position, Timestamp, ViewError};

/// The name of a view: lower-case letters, digits and `_`, beginning with a letter, at most 63
/// bytes. It is also the name of its table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewName(String);

impl ViewName {
    /// The checked name.
    ///
    /// # Errors
    /// [`Invalid`] when it has another form.
    pub fn new(name: impl Into<String>) -> Result<Self, Invalid> {
        let name = name.into();
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if first && rest && name.len() <= 63 {
            return Ok(Self(name));
        }
        let problem = "must be 1 to 63 lower-case letters, digits and _, beginning with a letter";
        Err(Invalid::new("view", problem))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ViewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a store needs to know to keep a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSpec {
    /// Its name.
    pub name: ViewName,
    /// A digest of everything that decides what its rows are: code, events, schema. A view that
    /// was kept under another fingerprint is not this view and is built anew.
    pub fingerprint: u64,
    /// How its rows are laid out.
    pub shape: Shape,
}

/// How a view's rows are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One JSON document for each key; listed in order of the key.
    Documents,
    /// A table of the view's name that `schema` makes, written by [`Change::Execute`].
    Rows {
        /// SQL statements that create the table, and indexes and further tables if needed.
        schema: String,
        /// The column that a row is asked for by. Several rows may have the same key.
        key: String,
        /// The order of listing, as columns with an optional `asc` or `desc`; it must be total.
        order: Vec<String>,
    },
}

/// Up to where a view has applied the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every event up to here is in the rows, none after it.
    pub position: Position,
    /// When that event was recorded.
    pub recorded_at: Timestamp,
}

/// One change of a view's rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The document under a key; replaces an earlier one.
    Put {
        /// The key.
        key: String,
        /// A JSON document.
        document: Bytes,
    },
    /// No document under a key any more.
    Delete {
        /// The key.
        key: String,
    },
    /// A statement on the view's tables.
    Execute(Statement),
}

/// An SQL statement and the values of its named parameters (`:name`).
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The SQL text.
    pub sql: &'static str,
    /// Name without the colon, and value.
    pub parameters: Vec<(&'static str, Value)>,
}

/// A value of a statement or a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL `NULL`.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(String),
    /// JSON text: kept as text, shown as JSON.
    Json(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// Changes that take a view from one checkpoint to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Where the view must stand.
    pub from: Position,
    /// Where it stands afterwards.
    pub to: Checkpoint,
    /// In order.
    pub changes: Vec<Change>,
}

/// One row of a view, as JSON: the document, or an object of the row's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key it is asked for by.
    pub key: String,
    /// JSON.
    pub document: Bytes,
}

/// Which rows to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsRequest {
    /// Only rows of this key.
    pub key: Option<String>,
    /// Go on where an earlier page ended: its `next`.
    pub cursor: Option<String>,
    /// At most this many; 0 is invalid.
    pub limit: usize,
}

/// Some rows, all read at one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsPage {
    /// In the view's order.
    pub rows: Vec<Row>,
    /// The cursor of the next page; `None` when this was the last.
    pub next: Option<String>,
    /// What the rows have seen.
    pub checkpoint: Checkpoint,
}

/// A copy of a view at a position, from which a moment after it is reached by replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyframe {
    /// What its rows have seen.
    pub checkpoint: Checkpoint,
    /// How many rows it has, over all its tables.
    pub rows: u64,
}

/// A scratch copy of one view. It is gone when it is dropped, and nobody else sees it.
pub type ScratchStore = Box<dyn ViewStore>;

/// Keeps views.
pub trait ViewStore: Send + Sync + 'static {
    /// Makes the view's tables if they are missing, and says where it stands. Rows of another
    /// fingerprint are dropped, and the view stands at the start.
    fn open(&self, spec: &ViewSpec) -> BoxFuture<'_, Result<Checkpoint, ViewError>>;

    /// Applies a batch: its changes and its checkpoint, or nothing.
    fn apply(&self, view: &ViewName, batch: Batch) -> BoxFuture<'_, Result<(), ViewError>>;

    /// Where the view stands.
    fn checkpoint(&self, view: &ViewName) -> BoxFuture<'_, Result<Checkpoint, ViewError>>;

    /// Some rows, in the view's order.
    fn rows(
        &self,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'_, Result<RowsPage, ViewError>>;

    /// How many rows the view has, over all its tables.
    fn count(&self, view: &ViewName) -> BoxFuture<'_, Result<u64, ViewError>>;

    /// Forgets the rows and the keyframes; the view stands at the start.
    fn reset(&self, view: &ViewName) -> BoxFuture<'_, Result<(), ViewError>>;

    /// Keeps a copy of the view as it stands.
    fn keep_keyframe(&self, view: &ViewName) -> BoxFuture<'_, Result<Keyframe, ViewError>>;

    /// The kept copies of the view's present fingerprint, oldest first.
    fn keyframes(&self, view: &ViewName) -> BoxFuture<'_, Result<Vec<Keyframe>, ViewError>>;

    /// A scratch copy of the view from the last keyframe at or before `at`, or empty at the start
    /// if there is none; and where it stands.
    fn scratch(
        &self,
        view: &ViewName,
        at: Position,
    ) -> BoxFuture<'_, Result<(ScratchStore, Checkpoint), ViewError>>;
}
