//! UmaDB: its own server in a process of its own, over gRPC, driven by its own client. It has no
//! streams; the stream is one more tag. And Factum's server under the same client, which notices no
//! difference: what is compared is the servers alone.

use std::{path::Path, process::Command, sync::Arc};

use anyhow::Result;
use futures_lite::StreamExt;
use tokio::runtime::Runtime;
use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_dcb::{
    DcbAppendCondition, DcbError, DcbEvent, DcbEventStoreAsync, DcbQuery, DcbQueryItem,
    DcbSubscriptionAsync,
};

use super::{Appended, Batch, Follower, Guard, Kind, Question, Reader, System, Writer, look_at};
use crate::{events::Event, server::Launch};

pub(crate) const KIND: Kind = Kind {
    name: "umadb",
    version: String::new,
    about: "a server of its own, gRPC, the defaults, the stream as a tag",
    follows: true,
    compresses: false,
    server: Some(LAUNCH),
    open,
};

/// Factum's server, spoken to as if it were UmaDB's.
pub(crate) const FACTUM: Kind = Kind {
    name: "factum-dcb",
    version: || env!("CARGO_PKG_VERSION").to_owned(),
    about: "factum serve under umadb-client, the defaults, the stream as a tag",
    follows: true,
    compresses: false,
    server: Some(SERVE),
    open,
};

const SERVE: Launch = Launch {
    program: "factum",
    elsewhere: &["target/release"],
    prepare: |_, _| Ok(()),
    command: |program, dir, port| {
        let mut command = Command::new(program);
        command.arg("serve").arg("--dir").arg(dir.join("data"));
        command.arg("--listen").arg(format!("127.0.0.1:{port}"));
        command
    },
    address: |port| format!("http://127.0.0.1:{port}"),
    missing: "build it with cargo build --release --bin factum",
};

const LAUNCH: Launch = Launch {
    program: "umadb",
    elsewhere: &["target/tools/bin"],
    prepare: |_, _| Ok(()),
    command: |program, dir, port| {
        let mut command = Command::new(program);
        command.arg("--db-path").arg(dir.join("uma.db"));
        command.arg("--listen").arg(format!("127.0.0.1:{port}"));
        command
    },
    address: |port| format!("http://127.0.0.1:{port}"),
    missing: "install it with cargo install umadb --root target/tools, or name it with --umadb",
};

/// Events the server sends at a time.
const READ_BATCH: u32 = 1_000;

fn open(_: &Path, address: &str) -> Result<Box<dyn System>> {
    let runtime = Runtime::new()?;
    let client = UmaDbClient::new(address.to_owned()).batch_size(READ_BATCH);
    let client = runtime.block_on(client.connect_async())?;
    Ok(Box::new(UmaDb(Arc::new(Connection { client, runtime }))))
}

/// One connection, whose requests are multiplexed, as its documentation has it.
struct Connection {
    client: AsyncUmaDbClient,
    runtime: Runtime,
}

struct UmaDb(Arc<Connection>);

impl System for UmaDb {
    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(UmaDbWriter(Arc::clone(&self.0))))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(UmaDbReader(Arc::clone(&self.0))))
    }

    fn follower(&self) -> Result<Box<dyn Follower>> {
        let Connection { client, runtime } = &*self.0;
        let events = runtime.block_on(async {
            let head = client.head().await?;
            client.subscribe(None, head).await
        })?;
        Ok(Box::new(UmaDbFollower { connection: Arc::clone(&self.0), events }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct UmaDbWriter(Arc<Connection>);

impl Writer for UmaDbWriter {
    fn hand_over(&mut self, batch: &[Event]) -> Result<Batch> {
        let events = batch.iter().map(|event| {
            let tags = event.tags.iter().cloned().chain([stream_tag(&event.stream)]);
            DcbEvent::default().event_type(event.event_type).tags(tags).data(event.data.to_vec())
        });
        Ok(Batch::of(events.collect::<Vec<_>>()))
    }

    fn append(&mut self, batch: Batch, guard: Option<&Guard>) -> Result<Appended> {
        let events: Vec<DcbEvent> = batch.own()?;
        let condition = guard.map(|guard| {
            let query = DcbQuery::new().item(DcbQueryItem::new().tags([guard.tag.as_str()]));
            DcbAppendCondition::new(query).after(Some(guard.after))
        });
        let Connection { client, runtime } = &*self.0;
        match runtime.block_on(client.append(events, condition, None)) {
            Ok(position) => Ok(Appended::At(position)),
            Err(DcbError::IntegrityError(_)) => Ok(Appended::Refused),
            Err(error) => Err(error.into()),
        }
    }
}

struct UmaDbReader(Arc<Connection>);

impl Reader for UmaDbReader {
    fn read(&mut self, question: &Question) -> Result<u64> {
        let Connection { client, runtime } = &*self.0;
        runtime.block_on(async {
            let mut events = client.read(query(question), None, false, None).await?;
            let mut count = 0;
            while let Some(found) = events.next().await {
                look_at(&found?.event.data);
                count += 1;
            }
            Ok(count)
        })
    }
}

struct UmaDbFollower {
    connection: Arc<Connection>,
    events: Box<dyn DcbSubscriptionAsync + Send>,
}

impl Follower for UmaDbFollower {
    fn next(&mut self) -> Result<u64> {
        let batch = self.connection.runtime.block_on(self.events.next_batch())?;
        batch.iter().for_each(|found| look_at(&found.event.data));
        Ok(batch.len() as u64)
    }
}

fn stream_tag(stream: &str) -> String {
    format!("stream:{stream}")
}

fn query(question: &Question) -> Option<DcbQuery> {
    let item = DcbQueryItem::new();
    let item = match question {
        Question::Stream(stream) => item.tags([stream_tag(stream)]),
        Question::Tags(tags) => item.tags(tags.iter().map(String::as_str)),
        Question::Types(types) => item.types(types.iter().copied()),
        Question::All => return None,
    };
    Some(DcbQuery::new().item(item))
}
