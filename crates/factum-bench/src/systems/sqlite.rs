//! SQLite: one file in this process, WAL, `synchronous=FULL`, prepared statements. It has one
//! writer, so all writing threads share a connection; a reader has one of its own.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use rusqlite::{Connection, ErrorCode, params_from_iter};

use super::{Appended, Batch, Follower, Guard, Kind, Question, Reader, System, Writer, look_at};
use crate::events::Event;

pub(crate) const KIND: Kind = Kind {
    name: "sqlite",
    version: || rusqlite::version().to_owned(),
    about: "embedded, WAL, synchronous=FULL, one connection that writes",
    follows: false,
    compresses: false,
    server: None,
    open,
};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY,
        stream   TEXT    NOT NULL,
        revision INTEGER NOT NULL,
        type     TEXT    NOT NULL,
        data     BLOB    NOT NULL,
        UNIQUE (stream, revision)
    );
    CREATE INDEX IF NOT EXISTS events_type ON events (type);
    CREATE TABLE IF NOT EXISTS tags (tag TEXT, position INTEGER, PRIMARY KEY (tag, position))
        WITHOUT ROWID;";

fn open(dir: &Path, _: &str) -> Result<Box<dyn System>> {
    let path = dir.join("events.sqlite");
    let connection = Connection::open(&path)?;
    connection.execute_batch(SCHEMA)?;
    Ok(Box::new(Sqlite { path, writing: Arc::new(Mutex::new(connection)) }))
}

struct Sqlite {
    path: PathBuf,
    writing: Arc<Mutex<Connection>>,
}

impl System for Sqlite {
    fn writer(&self) -> Result<Box<dyn Writer>> {
        let connection = Arc::clone(&self.writing);
        Ok(Box::new(SqliteWriter { connection, revisions: HashMap::new() }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(SqliteReader(Connection::open(&self.path)?)))
    }

    fn follower(&self) -> Result<Box<dyn Follower>> {
        anyhow::bail!("a table can't be followed")
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct SqliteWriter {
    connection: Arc<Mutex<Connection>>,
    /// Each writer has streams of its own, and knows how long they are.
    revisions: HashMap<String, u64>,
}

impl Writer for SqliteWriter {
    fn hand_over(&mut self, batch: &[Event]) -> Result<Batch> {
        let with_revision = batch.iter().map(|event| {
            let next = self.revisions.entry(event.stream.clone()).or_default();
            *next += 1;
            (event.clone(), *next - 1)
        });
        Ok(Batch::of(with_revision.collect::<Vec<_>>()))
    }

    fn append(&mut self, batch: Batch, guard: Option<&Guard>) -> Result<Appended> {
        let mut batch: Vec<(Event, u64)> = batch.own()?;
        if let Some(guard) = guard {
            batch.iter_mut().for_each(|(_, revision)| *revision = guard.revision);
        }
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        match insert(&mut connection, &batch) {
            Ok(position) => Ok(Appended::At(position)),
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == ErrorCode::ConstraintViolation =>
            {
                Ok(Appended::Refused)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn insert(connection: &mut Connection, batch: &[(Event, u64)]) -> rusqlite::Result<u64> {
    let transaction = connection.transaction()?;
    let mut last = 0;
    {
        let mut event_row = transaction.prepare_cached(
            "INSERT INTO events (stream, revision, type, data) VALUES (?1, ?2, ?3, ?4)",
        )?;
        let mut tag_row = transaction.prepare_cached("INSERT INTO tags VALUES (?1, ?2)")?;
        for (event, revision) in batch {
            let revision = revision.cast_signed();
            last =
                event_row.insert((&event.stream, revision, event.event_type, &event.data[..]))?;
            for tag in &event.tags {
                tag_row.execute((tag, last))?;
            }
        }
    }
    transaction.commit()?;
    Ok(last.cast_unsigned())
}

struct SqliteReader(Connection);

impl Reader for SqliteReader {
    fn read(&mut self, question: &Question) -> Result<u64> {
        let (sql, given) = asked(question);
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(given))?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            look_at(row.get_ref(0)?.as_blob()?);
            count += 1;
        }
        Ok(count)
    }
}

/// A question as SQL; this program asks for two tags, or for two types, at most.
fn asked(question: &Question) -> (&'static str, Vec<&str>) {
    match question {
        Question::Stream(stream) => {
            ("SELECT data FROM events WHERE stream = ?1 ORDER BY revision", vec![stream])
        }
        Question::Tags(tags) if tags.len() == 1 => (
            "SELECT data FROM tags JOIN events USING (position) WHERE tag = ?1 ORDER BY position",
            tags.iter().map(String::as_str).collect(),
        ),
        Question::Tags(tags) => (
            "SELECT data FROM tags AS one JOIN tags AS other USING (position)
                JOIN events USING (position)
             WHERE one.tag = ?1 AND other.tag = ?2 ORDER BY position",
            tags.iter().map(String::as_str).collect(),
        ),
        Question::Types(types) => {
            ("SELECT data FROM events WHERE type IN (?1, ?2) ORDER BY position", types.clone())
        }
        Question::All => ("SELECT data FROM events ORDER BY position", Vec::new()),
    }
}
