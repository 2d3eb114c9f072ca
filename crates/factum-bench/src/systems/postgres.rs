//! PostgreSQL: one table with a unique (stream, revision), a GIN index over the tags, prepared
//! statements, a connection for each thread. Its cluster is private, made and removed by this tool.
//! It is what many applications use for a ledger; unlike one, its order is not that of the commits.

use std::{
    collections::HashMap,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use postgres::{Client, NoTls, Statement, error::SqlState, fallible_iterator::FallibleIterator};

use super::{Appended, Batch, Follower, Guard, Kind, Question, Reader, System, Writer, look_at};
use crate::{events::Event, server::Launch};

pub(crate) const KIND: Kind = Kind {
    name: "postgres",
    version: String::new,
    about: "a server of its own; fsync and synchronous_commit on, shared_buffers 512 MB",
    follows: false,
    compresses: false,
    server: Some(LAUNCH),
    open,
};

const LAUNCH: Launch = Launch {
    program: "postgres",
    elsewhere: &[
        "/usr/lib/postgresql/18/bin",
        "/usr/lib/postgresql/17/bin",
        "/usr/lib/postgresql/16/bin",
        "/usr/lib/postgresql/15/bin",
    ],
    prepare,
    command: |program, dir, port| {
        let mut command = as_owner(program);
        command.arg("-D").arg(dir).arg("-k").arg(dir).arg("-p").arg(port.to_string());
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        command
    },
    address: |port| format!("host=127.0.0.1 port={port} user=bench dbname=postgres"),
    missing: "install PostgreSQL 15 or newer, or leave it out with --systems",
};

/// Everything about durability is as it is by default, and named so that it can't be otherwise.
const SETTINGS: &[&str] = &[
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=512MB",
    "max_wal_size=8GB",
    "max_connections=300",
];

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        stream   text   NOT NULL,
        revision bigint NOT NULL,
        type     text   NOT NULL,
        tags     text[] NOT NULL,
        data     bytea  NOT NULL,
        UNIQUE (stream, revision)
    );
    CREATE INDEX IF NOT EXISTS events_tags ON events USING gin (tags);
    CREATE INDEX IF NOT EXISTS events_type ON events (type, position);";

const ONE: &str = "
    INSERT INTO events (stream, revision, type, tags, data)
    VALUES ($1, $2, $3, string_to_array($4, ' '), $5) RETURNING position";

const MANY: &str = "
    INSERT INTO events (stream, revision, type, tags, data)
    SELECT stream, revision, type, string_to_array(tags, ' '), data
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])
        AS new (stream, revision, type, tags, data)";

/// PostgreSQL refuses to be root's: then it is run as its own user.
fn as_owner(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

fn owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find_map(|line| line.strip_prefix("postgres:"))?;
    let mut ids = line.split(':').skip(1);
    Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
}

fn prepare(program: &Path, dir: &Path) -> Result<()> {
    if let Some((user, group)) = owner() {
        chown(dir, Some(user), Some(group))?;
    }
    let output = as_owner(&program.with_file_name("initdb"))
        .current_dir(dir)
        .arg("-D")
        .arg(dir)
        .args(["-U", "bench", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .output()
        .context("starting initdb")?;
    ensure!(
        output.status.success(),
        "initdb failed (its user must be able to reach {}): {}",
        dir.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn open(_: &Path, address: &str) -> Result<Box<dyn System>> {
    // It takes connections before it answers them.
    let begin = Instant::now();
    let mut client = loop {
        match Client::connect(address, NoTls) {
            Ok(client) => break client,
            Err(_) if begin.elapsed() < Duration::from_secs(60) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    };
    client.batch_execute(SCHEMA)?;
    Ok(Box::new(Postgres { address: address.to_owned() }))
}

struct Postgres {
    address: String,
}

impl System for Postgres {
    fn writer(&self) -> Result<Box<dyn Writer>> {
        let mut client = Client::connect(&self.address, NoTls)?;
        let (one, many) = (client.prepare(ONE)?, client.prepare(MANY)?);
        Ok(Box::new(PostgresWriter { client, one, many, revisions: HashMap::new() }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        let client = Client::connect(&self.address, NoTls)?;
        Ok(Box::new(PostgresReader { client, statements: HashMap::new() }))
    }

    fn follower(&self) -> Result<Box<dyn Follower>> {
        anyhow::bail!("a table can't be followed")
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct PostgresWriter {
    client: Client,
    one: Statement,
    many: Statement,
    /// Each writer has streams of its own, and knows how long they are.
    revisions: HashMap<String, i64>,
}

/// Events, as columns.
#[derive(Default)]
struct Columns {
    streams: Vec<String>,
    revisions: Vec<i64>,
    types: Vec<&'static str>,
    tags: Vec<String>,
    data: Vec<Vec<u8>>,
}

impl Writer for PostgresWriter {
    fn hand_over(&mut self, batch: &[Event]) -> Result<Batch> {
        let mut columns = Columns::default();
        for event in batch {
            let next = self.revisions.entry(event.stream.clone()).or_default();
            columns.streams.push(event.stream.clone());
            columns.revisions.push(*next);
            columns.types.push(event.event_type);
            columns.tags.push(event.tags.join(" "));
            columns.data.push(event.data.to_vec());
            *next += 1;
        }
        Ok(Batch::of(columns))
    }

    fn append(&mut self, batch: Batch, guard: Option<&Guard>) -> Result<Appended> {
        let mut new: Columns = batch.own()?;
        if let Some(guard) = guard {
            new.revisions.fill(guard.revision.try_into()?);
        }
        let done = match (&*new.streams, &*new.revisions, &*new.types, &*new.tags, &*new.data) {
            ([stream], [revision], [name], [tags], [data]) => self
                .client
                .query_one(&self.one, &[stream, revision, name, tags, data])
                .map(|row| row.get::<_, i64>(0)),
            (streams, revisions, types, tags, data) => self
                .client
                .execute(&self.many, &[&streams, &revisions, &types, &tags, &data])
                .map(|_| 0),
        };
        match done {
            Ok(position) => Ok(Appended::At(position.try_into()?)),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Ok(Appended::Refused)
            }
            Err(error) => Err(error.into()),
        }
    }
}

struct PostgresReader {
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

impl Reader for PostgresReader {
    fn read(&mut self, question: &Question) -> Result<u64> {
        match question {
            Question::Stream(stream) => self.ask(
                "SELECT data FROM events WHERE stream = $1 ORDER BY revision",
                std::iter::once(stream as &(dyn postgres::types::ToSql + Sync)),
            ),
            Question::Tags(tags) => self.ask(
                "SELECT data FROM events WHERE tags @> $1 ORDER BY position",
                std::iter::once(tags as &(dyn postgres::types::ToSql + Sync)),
            ),
            Question::Types(types) => self.ask(
                "SELECT data FROM events WHERE type = ANY($1) ORDER BY position",
                std::iter::once(types as &(dyn postgres::types::ToSql + Sync)),
            ),
            Question::All => {
                self.ask("SELECT data FROM events ORDER BY position", std::iter::empty())
            }
        }
    }
}

impl PostgresReader {
    fn ask<'a>(
        &mut self,
        sql: &'static str,
        given: impl ExactSizeIterator<Item = &'a (dyn postgres::types::ToSql + Sync)>,
    ) -> Result<u64> {
        if !self.statements.contains_key(sql) {
            self.statements.insert(sql, self.client.prepare(sql)?);
        }
        let statement = &self.statements[sql];
        let mut rows = self.client.query_raw(statement, given)?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            look_at(row.get(0));
            count += 1;
        }
        Ok(count)
    }
}
