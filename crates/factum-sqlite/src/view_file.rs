//! One view's database: opening it, its checkpoint, applying a batch.
//!
//! Protects G7: [`ViewFile::apply`] is the only place that writes rows, and it writes the checkpoint
//! in the same transaction.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use factum_store::{
    Batch, Change, Checkpoint, Position, Shape, Statement, Timestamp, Value, ViewError, ViewName,
    ViewSpec,
};
use parking_lot::{Mutex, MutexGuard};
use rusqlite::{
    Connection, OpenFlags, ToSql, Transaction, TransactionBehavior, params, types::ToSqlOutput,
};

use crate::{
    authorizer::{Guard, META, Rights},
    error::{is_damage, statement, unavailable},
};

/// Read connections kept open beside the writer.
const IDLE_READERS_MAX: usize = 4;
/// Prepared statements kept for each connection.
const STATEMENTS_MAX: usize = 64;

/// An open view.
pub(crate) struct ViewFile {
    pub(crate) spec: ViewSpec,
    /// `None` for a scratch copy in memory.
    path: Option<PathBuf>,
    writer: Mutex<Guarded>,
    readers: Mutex<Vec<Guarded>>,
}

/// Steps of SQLite's machine that a question in SQL may take: some seconds.
const QUESTION_STEPS_MAX: u32 = 100_000_000;
/// After so many steps it is looked whether there were too many.
const STEPS_A_LOOK: i32 = 10_000;

/// A connection and the guard on it.
pub(crate) struct Guarded {
    pub(crate) connection: Connection,
    pub(crate) guard: Guard,
    /// Looks that are left to a question; none are counted while it is zero.
    looks_left: Arc<AtomicU32>,
}

impl Guarded {
    pub(crate) fn new(mut connection: Connection) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let guard = Guard::on(&mut connection)?;
        let looks_left = Arc::new(AtomicU32::new(0));
        let looks = Arc::clone(&looks_left);
        let too_many = move || match looks.load(Ordering::Relaxed) {
            0 => false,
            left => looks.fetch_sub(1, Ordering::Relaxed) == 1 && left == 1,
        };
        connection.progress_handler(STEPS_A_LOOK, Some(too_many))?;
        Ok(Self { connection, guard, looks_left })
    }

    /// Answers a question in SQL: reading only, and a bounded number of steps.
    pub(crate) fn within_bounds<T>(
        &self,
        act: impl FnOnce() -> rusqlite::Result<T>,
    ) -> Result<T, String> {
        self.looks_left.store(QUESTION_STEPS_MAX / STEPS_A_LOOK as u32, Ordering::Relaxed);
        let answered = self.guard.within(Rights::Question, act);
        self.looks_left.store(0, Ordering::Relaxed);
        answered
    }
}

impl ViewFile {
    /// Opens the view's file, or makes it. A file of another fingerprint, a damaged and a foreign
    /// one are derived data that nobody can use: they are removed, and the view starts anew.
    pub(crate) fn open(path: PathBuf, spec: ViewSpec) -> Result<Self, ViewError> {
        let name = spec.name.clone();
        match Self::try_open(path.clone(), spec.clone()) {
            Ok(Some(view)) => return Ok(view),
            Ok(None) => tracing::info!(view = %name, "the view has changed; building it anew"),
            Err(Failure::Sqlite(error)) if is_damage(&error) => {
                tracing::warn!(view = %name, %error, "the view's file is damaged; building it anew");
            }
            Err(failure) => return Err(failure.into_view_error(&name)),
        }
        remove(&path).map_err(|error| {
            ViewError::Unavailable(format!(
                "view {name}: {} can't be removed: {error}",
                path.display()
            ))
        })?;
        match Self::try_open(path, spec) {
            Ok(Some(view)) => Ok(view),
            Ok(None) => {
                Err(ViewError::Unavailable(format!("view {name}: its new file is not empty")))
            }
            Err(failure) => Err(failure.into_view_error(&name)),
        }
    }

    /// `None` when the file holds another view.
    fn try_open(path: PathBuf, spec: ViewSpec) -> Result<Option<Self>, Failure> {
        let connection = Connection::open(&path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        let view = Self::with(connection, Some(path), spec)?;
        Ok(view.prepare()?.then_some(view))
    }

    /// A scratch copy in memory, loaded by `load`.
    pub(crate) fn scratch(
        spec: ViewSpec,
        load: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, ViewError> {
        let name = spec.name.clone();
        let made = || -> Result<Option<Self>, Failure> {
            let mut connection = Connection::open_in_memory()?;
            load(&mut connection)?;
            let view = Self::with(connection, None, spec)?;
            Ok(view.prepare()?.then_some(view))
        };
        made().map_err(|failure| failure.into_view_error(&name))?.ok_or_else(|| {
            ViewError::Unavailable(format!("view {name}: the keyframe holds another view"))
        })
    }

    fn with(
        connection: Connection,
        path: Option<PathBuf>,
        spec: ViewSpec,
    ) -> rusqlite::Result<Self> {
        let writer = Mutex::new(Guarded::new(connection)?);
        Ok(Self { spec, path, writer, readers: Mutex::default() })
    }

    /// Makes the tables of an empty file; says whether the file is this view's.
    fn prepare(&self) -> Result<bool, Failure> {
        let writer = self.writer.lock();
        let connection = &writer.connection;
        let tables = "select count(*) from sqlite_master where type = 'table'";
        let tables: i64 = connection.query_row(tables, [], |row| row.get(0))?;
        if tables > 0 {
            return Ok(stored_fingerprint(connection)? == Some(self.spec.fingerprint));
        }
        let transaction = writing(connection)?;
        transaction.execute_batch(&format!(
            "create table {META} (fingerprint integer not null, position integer not null,
                 recorded_at integer not null)"
        ))?;
        let start = format!("insert into {META} values (?1, 0, 0)");
        transaction.execute(&start, params![self.spec.fingerprint.cast_signed()])?;
        let schema = match &self.spec.shape {
            Shape::Documents => format!(
                "create table \"{}\" (key text primary key, document text not null) without rowid",
                self.spec.name
            ),
            Shape::Rows { schema, .. } => schema.clone(),
        };
        let made = writer.guard.within(Rights::Schema, || transaction.execute_batch(&schema));
        made.map_err(|problem| Failure::Statement(format!("its schema: {problem}")))?;
        transaction.commit()?;
        Ok(true)
    }

    pub(crate) fn name(&self) -> &ViewName {
        &self.spec.name
    }

    /// The writing connection, waiting for a batch that is being applied.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Guarded> {
        self.writer.lock()
    }

    /// Runs `act` in one read transaction beside the writer: what it reads belongs together.
    pub(crate) fn read<T>(
        &self,
        act: impl FnOnce(&Guarded) -> Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        let Some(path) = &self.path else {
            return act(&self.writer.lock());
        };
        let idle = self.readers.lock().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let opened = Connection::open_with_flags(path, flags).and_then(Guarded::new);
                opened.map_err(|error| unavailable(self.name(), &error))?
            }
        };
        let transaction = reader.connection.unchecked_transaction();
        let transaction = transaction.map_err(|error| unavailable(self.name(), &error))?;
        let result = act(&reader);
        drop(transaction);
        let mut readers = self.readers.lock();
        if readers.len() < IDLE_READERS_MAX {
            readers.push(reader);
        }
        result
    }

    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, ViewError> {
        self.read(|reader| {
            checkpoint(&reader.connection).map_err(|error| unavailable(self.name(), &error))
        })
    }

    /// How many rows there are, over all the view's tables.
    pub(crate) fn count(&self) -> Result<u64, ViewError> {
        self.read(|reader| {
            count(&reader.connection).map_err(|error| unavailable(self.name(), &error))
        })
    }

    /// Applies a batch: its changes and its checkpoint, or nothing.
    pub(crate) fn apply(&self, batch: &Batch) -> Result<(), ViewError> {
        let writer = self.writer.lock();
        let failed = |error: rusqlite::Error| unavailable(self.name(), &error);
        // A transaction that is dropped is rolled back.
        let transaction = writing(&writer.connection).map_err(failed)?;
        let actual = checkpoint(&transaction).map_err(failed)?.position;
        if actual != batch.from {
            let view = self.name().to_string();
            return Err(ViewError::Checkpoint { view, expected: batch.from, actual });
        }
        for change in &batch.changes {
            self.change(&writer, change)?;
        }
        let moved = format!("update {META} set position = ?1, recorded_at = ?2");
        let (position, at) = (batch.to.position.0, batch.to.recorded_at.micros);
        transaction
            .execute(&moved, params![position.cast_signed(), at.cast_signed()])
            .map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    fn change(&self, writer: &Guarded, change: &Change) -> Result<(), ViewError> {
        let name = self.name();
        let documents = matches!(self.spec.shape, Shape::Documents);
        let run = |sql: &str, bind: &[&dyn ToSql]| {
            let done = writer
                .guard
                .within(Rights::Projector, || writer.connection.prepare_cached(sql)?.execute(bind));
            done.map(drop).map_err(|problem| statement(name, problem))
        };
        match change {
            Change::Put { key, document } if documents => {
                let document = std::str::from_utf8(document)
                    .map_err(|_| statement(name, format!("the document of {key} is not UTF-8")))?;
                let sql =
                    format!("insert or replace into \"{name}\" (key, document) values (?1, ?2)");
                run(&sql, &[key, &document])
            }
            Change::Delete { key } if documents => {
                run(&format!("delete from \"{name}\" where key = ?1"), &[key])
            }
            Change::Put { .. } | Change::Delete { .. } => {
                Err(statement(name, "it keeps rows by SQL, not documents"))
            }
            Change::Execute(sql) => self.execute(writer, sql),
        }
    }

    /// Runs a projector's statement. Every parameter must be given a value, and be used.
    fn execute(&self, writer: &Guarded, change: &Statement) -> Result<(), ViewError> {
        let (name, mut problem) = (self.name(), None);
        let done = writer.guard.within(Rights::Projector, || {
            let mut prepared = writer.connection.prepare_cached(change.sql)?;
            for index in 1..=prepared.parameter_count() {
                let wanted = prepared.parameter_name(index).unwrap_or("?").to_owned();
                let mut given = change.parameters.iter();
                match given.find(|(given, _)| wanted.strip_prefix(':') == Some(given)) {
                    Some((_, value)) => prepared.raw_bind_parameter(index, Bound(value))?,
                    None => problem = Some(format!("the parameter {wanted} has no value")),
                }
            }
            for (given, _) in &change.parameters {
                if prepared.parameter_index(&format!(":{given}"))?.is_none() {
                    problem = Some(format!("the value :{given} has no parameter"));
                }
            }
            if problem.is_none() {
                prepared.raw_execute()?;
            }
            Ok(())
        });
        let problem = done.err().or(problem);
        problem
            .map_or(Ok(()), |why| Err(statement(name, format!("{why}, in: {}", change.sql.trim()))))
    }

    /// Forgets the rows.
    pub(crate) fn reset(&self) -> Result<(), ViewError> {
        let writer = self.writer.lock();
        let emptied = || -> rusqlite::Result<()> {
            let transaction = writing(&writer.connection)?;
            for table in tables(&transaction)? {
                transaction.execute_batch(&format!("delete from \"{table}\""))?;
            }
            transaction
                .execute_batch(&format!("update {META} set position = 0, recorded_at = 0"))?;
            transaction.commit()
        };
        emptied().map_err(|error| unavailable(self.name(), &error))
    }
}

/// Begins a transaction that writes. It takes the lock at once: one that reads first and writes
/// later is refused, not made to wait, while a reader that is just opening holds it for a moment.
fn writing(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// Why a file could not be opened as a view.
enum Failure {
    Sqlite(rusqlite::Error),
    Statement(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    fn into_view_error(self, view: &ViewName) -> ViewError {
        match self {
            Self::Sqlite(error) => unavailable(view, &error),
            Self::Statement(problem) => statement(view, problem),
        }
    }
}

/// A value as SQLite takes it.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self.0 {
            Value::Null => Ok(ToSqlOutput::Owned(rusqlite::types::Value::Null)),
            Value::Integer(number) => number.to_sql(),
            Value::Real(number) => number.to_sql(),
            Value::Text(text) | Value::Json(text) => text.to_sql(),
            Value::Blob(bytes) => bytes.to_sql(),
        }
    }
}

/// The fingerprint that a file was kept under, if it is a view's file at all.
pub(crate) fn stored_fingerprint(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    if !connection.table_exists(None, META)? {
        return Ok(None);
    }
    let stored = format!("select fingerprint from {META}");
    connection.query_row(&stored, [], |row| row.get(0)).map(|f: i64| Some(f.cast_unsigned()))
}

pub(crate) fn checkpoint(connection: &Connection) -> rusqlite::Result<Checkpoint> {
    let stored = format!("select position, recorded_at from {META}");
    connection.query_row(&stored, [], |row| {
        let (position, micros): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Checkpoint {
            position: Position(position.cast_unsigned()),
            recorded_at: Timestamp::from_micros(micros.cast_unsigned()),
        })
    })
}

pub(crate) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    let mut rows = 0;
    for table in tables(connection)? {
        let all = format!("select count(*) from \"{table}\"");
        rows += connection.query_row(&all, [], |row| row.get::<_, i64>(0))?.cast_unsigned();
    }
    Ok(rows)
}

/// The view's own tables.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let names = format!(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite!_%' escape '!'
             and name <> '{META}' order by name"
    );
    connection.prepare(&names)?.query_map([], |row| row.get(0))?.collect()
}

/// Removes a database file and what SQLite keeps beside it.
fn remove(path: &std::path::Path) -> std::io::Result<()> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
