//! [`Journal`]: groups as events of a system ledger of their own, a stream each. A change is written
//! behind the revision that its writer knows, so that two writers of one group can't both succeed.
//!
//! ```text
//!   stream group-LEDGER/NAME:  $group-kept  $group-changed …  $group-kept  $group-changed …
//!                              the whole    what happened     the whole again; what is before it
//!                                                             is truncated, and compacted away
//! ```

use std::{collections::BTreeMap, sync::Arc};

use factum::Fault;
use factum_consumers::{Change, Durable};
use factum_store::{
    Append, AppendError, Condition, EventType, ExpectedRevision, Invalid, Ledger, NewEvent,
    QueryItem, Read, RecordedEvent, Revision, StreamName,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{runtime::Handle, sync::Notify, task::spawn_blocking};

use super::GroupName;

/// The ledger that groups are kept in.
pub(super) const GROUPS_LEDGER: &str = "_groups";

/// All of a group: what a reader begins with.
const KEPT: &str = "$group-kept";
/// What happened since, in the order it did.
const CHANGED: &str = "$group-changed";
/// The group is no more.
const DELETED: &str = "$group-deleted";

/// Writes after which all of a group is written again.
const KEPT_EVERY: usize = 1_000;
/// Changes in one event.
const CHANGES_MAX: usize = 1_000;

#[derive(Clone)]
pub(super) struct Journal {
    ledger: Arc<dyn Ledger>,
    truncated: Arc<Notify>,
}

/// The place in the journal where a group's next change goes.
pub(super) struct Page {
    ledger: Arc<dyn Ledger>,
    /// Told when something was truncated.
    truncated: Arc<Notify>,
    stream: StreamName,
    /// The last revision of the stream.
    last: Revision,
    /// Writes since all of the group was written.
    writes: usize,
}

impl Journal {
    pub(super) fn over(ledger: Arc<dyn Ledger>, truncated: Arc<Notify>) -> Self {
        Self { ledger, truncated }
    }

    /// The groups that there are.
    pub(super) async fn names(&self) -> Result<Vec<(String, GroupName)>, Fault> {
        let ledger = Arc::clone(&self.ledger);
        let last = blocking(async move {
            let types = [event_type(KEPT)?, event_type(DELETED)?];
            let mut last = BTreeMap::new();
            let mut next = Some(Read::new(QueryItem::types(types).into()).backward().limit(64));
            while let Some(read) = next {
                let page = ledger.read(read).await?;
                for event in page.events {
                    let stream = event.stream.map(|place| place.name);
                    let exists = event.event_type.as_str() == KEPT;
                    last.entry(stream).or_insert(exists);
                }
                next = page.next;
            }
            Ok(last)
        });
        let existing = last.await?.into_iter().filter(|(_, exists)| *exists);
        Ok(existing.filter_map(|(stream, _)| GroupName::of_stream(stream?.as_str())).collect())
    }

    /// Writes down a group that is new.
    pub(super) async fn make(
        &self,
        ledger: &str,
        name: &GroupName,
        durable: &Durable,
    ) -> Result<(), Fault> {
        let stream = name.stream(ledger)?;
        let event = event(&stream, KEPT, durable)?;
        let journal = Arc::clone(&self.ledger);
        let append = Append::new([event]);
        blocking(async move { Ok(journal.append(append).await?) }).await?;
        Ok(())
    }

    /// What is known of a group, and where its next change goes.
    pub(super) async fn load(
        &self,
        ledger: &str,
        name: &GroupName,
    ) -> Result<(Durable, Page), Fault> {
        let (journal, stream) = (self.clone(), name.stream(ledger)?);
        blocking(load(journal, stream)).await
    }
}

async fn load(journal: Journal, stream: StreamName) -> Result<(Durable, Page), Fault> {
    let Journal { ledger: journal, truncated } = journal;
    let of = |name| {
        Ok::<_, Invalid>(QueryItem {
            types: vec![event_type(name)?],
            stream: Some(stream.clone()),
            ..QueryItem::default()
        })
    };
    let newest = Read::new(of(KEPT)?.into()).backward().limit(1);
    let kept = first(&*journal, newest).await?;
    let kept = kept
        .ok_or_else(|| Fault::Corrupt(format!("{GROUPS_LEDGER}: nothing is known of {stream}")))?;
    let mut durable: Durable = said(&kept)?;
    let (mut last, mut writes) = (revision(&kept), 0);
    let mut next = Some(Read::new(of(CHANGED)?.into()).after(kept.position));
    while let Some(read) = next {
        let page = journal.read(read).await?;
        for event in &page.events {
            said::<Vec<Change>>(event)?.iter().for_each(|change| durable.apply(change));
            (last, writes) = (revision(event), writes + 1);
        }
        next = page.next;
    }
    Ok((durable, Page { ledger: journal, truncated, stream, last, writes }))
}

impl Page {
    /// Writes down what happened, all of it or nothing. `durable` is what it comes to.
    pub(super) async fn write(
        &mut self,
        changes: &[Change],
        durable: &Durable,
    ) -> Result<(), Fault> {
        let chunks = changes.chunks(CHANGES_MAX);
        let events = chunks.map(|changes| event(&self.stream, CHANGED, &changes));
        let mut events = events.collect::<Result<Vec<_>, _>>()?;
        self.writes += 1;
        let whole = self.writes >= KEPT_EVERY;
        if whole {
            events.push(event(&self.stream, KEPT, durable)?);
        }
        self.append(events).await?;
        if whole {
            self.writes = 0;
            self.truncate().await;
        }
        Ok(())
    }

    /// Writes down that the group is no more.
    pub(super) async fn delete(&mut self) -> Result<(), Fault> {
        let event = event(&self.stream, DELETED, &())?;
        self.append(vec![event]).await?;
        self.truncate().await;
        Ok(())
    }

    async fn append(&mut self, events: Vec<NewEvent>) -> Result<(), Fault> {
        let more = events.len() as u64;
        let expected = ExpectedRevision::Exactly(self.last);
        let stream = self.stream.clone();
        let append = Append::new(events).when(Condition::Revision { stream, expected });
        let ledger = Arc::clone(&self.ledger);
        let appended = blocking(async move { Ok(ledger.append(append).await) }).await?;
        match appended {
            Ok(_) => self.last = Revision(self.last.0 + more),
            Err(AppendError::Conflict(conflict)) => {
                return Err(Fault::Unavailable(format!("somebody else wrote it: {conflict}")));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Hides what is before the last event. What is not hidden is only read once more.
    async fn truncate(&self) {
        let (ledger, stream, before) = (Arc::clone(&self.ledger), self.stream.clone(), self.last);
        let truncated = blocking(async move {
            let append = ledger.stream(stream).await?.truncate(before)?;
            Ok(ledger.append(append).await?)
        });
        match truncated.await {
            Ok(_) => self.truncated.notify_one(),
            Err(fault) => {
                tracing::warn!(stream = self.stream.as_str(), "can't be truncated: {fault}");
            }
        }
    }
}

/// Does work that may wait for a disk where that holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    let runtime = Handle::current();
    let working = spawn_blocking(move || runtime.block_on(work));
    working.await.map_err(|error| Fault::Bug(format!("a group's work ended early: {error}")))?
}

async fn first(ledger: &dyn Ledger, read: Read) -> Result<Option<RecordedEvent>, Fault> {
    let mut next = Some(read);
    while let Some(read) = next {
        let page = ledger.read(read).await?;
        if let Some(event) = page.events.into_iter().next() {
            return Ok(Some(event));
        }
        next = page.next;
    }
    Ok(None)
}

fn event_type(name: &'static str) -> Result<EventType, Invalid> {
    EventType::new(name)
}

fn event(
    stream: &StreamName,
    name: &'static str,
    data: &impl Serialize,
) -> Result<NewEvent, Fault> {
    let data = serde_json::to_vec(data).map_err(|error| Fault::Bug(error.to_string()))?;
    Ok(NewEvent::new(event_type(name)?, data).in_stream(stream.clone()))
}

fn revision(event: &RecordedEvent) -> Revision {
    event.stream.as_ref().map_or(Revision(0), |place| place.revision)
}

fn said<T: DeserializeOwned>(event: &RecordedEvent) -> Result<T, Fault> {
    serde_json::from_slice(&event.data).map_err(|error| {
        let (at, kind) = (event.position, &event.event_type);
        Fault::Corrupt(format!("{GROUPS_LEDGER} at position {at}: {kind} can't be read: {error}"))
    })
}
