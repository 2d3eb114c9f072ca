//! [`Audit`]: what was refused to whom, and what administrators did, in the access ledger. It is
//! counted and written at most once a minute, so that nobody can make the ledger grow by asking.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use factum::Fault;
use factum_store::{Append, EventType, Ledger, NewEvent, Timestamp};
use serde::Serialize;
use serde_json::json;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

use super::{rights::Verb, tokens::now};
use crate::{connection::stop, json::time};

/// How long is waited for more of the same after the first thing that happened.
const AFTER_FIRST: Duration = Duration::from_secs(1);
/// The least time between two records.
const EVERY: Duration = Duration::from_secs(60);
/// Different things of one kind in a record; all others are counted together.
const THINGS_MAX: usize = 32;

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    AuthenticationFailed,
    RightRefused,
    AdminUsed,
}

impl Kind {
    fn event_type(self) -> &'static str {
        match self {
            Self::AuthenticationFailed => "authentication.failed",
            Self::RightRefused => "right.refused",
            Self::AdminUsed => "admin.used",
        }
    }
}

/// One thing that happened, as often as it did.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Thing {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<Verb>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<String>,
}

/// What happened since the last record.
#[derive(Default)]
struct Happened {
    since: Option<Timestamp>,
    counts: BTreeMap<Kind, Counts>,
}

#[derive(Default)]
struct Counts {
    things: BTreeMap<Thing, u64>,
    others: u64,
}

/// What is to be recorded, and where.
pub(crate) struct Audit {
    ledger: Arc<dyn Ledger>,
    happened: Mutex<Happened>,
    news: Notify,
}

impl Audit {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, happened: Mutex::default(), news: Notify::new() }
    }

    /// Somebody at this address was not who they said, or did not say.
    pub(crate) fn authentication_failed(&self, address: IpAddr) {
        let thing = Thing { address: Some(address.to_canonical()), ..Thing::default() };
        self.note(Kind::AuthenticationFailed, thing);
    }

    /// A principal had no right to something. Names of ledgers that are none are not kept.
    pub(crate) fn right_refused(&self, principal: &str, verb: Verb, ledger: &str) {
        self.note(Kind::RightRefused, Thing::of(principal, verb, ledger));
    }

    /// A principal administered a ledger.
    pub(crate) fn administered(&self, principal: &str, ledger: &str) {
        self.note(Kind::AdminUsed, Thing::of(principal, Verb::Admin, ledger));
    }

    fn note(&self, kind: Kind, thing: Thing) {
        let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        happened.since.get_or_insert_with(now);
        let counts = happened.counts.entry(kind).or_default();
        match counts.things.contains_key(&thing) || counts.things.len() < THINGS_MAX {
            true => *counts.things.entry(thing).or_default() += 1,
            false => counts.others += 1,
        }
        self.news.notify_one();
    }

    /// Records what happens, until the server stops.
    pub(crate) async fn keep(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut next = Instant::now();
        loop {
            let due = async {
                self.news.notified().await;
                sleep(AFTER_FIRST).await;
                sleep_until(next).await;
            };
            let ends = tokio::select! {
                () = due => false,
                () = stop(&mut stopping) => true,
            };
            if let Err(fault) = self.record().await {
                tracing::error!("what was refused can't be recorded: {fault}");
            }
            if ends {
                return;
            }
            next = Instant::now() + EVERY;
        }
    }

    async fn record(self: &Arc<Self>) -> Result<(), Fault> {
        let happened = {
            let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *happened)
        };
        let events = happened.into_events()?;
        if events.is_empty() {
            return Ok(());
        }
        let (ledger, runtime) = (Arc::clone(&self.ledger), Handle::current());
        let appending =
            spawn_blocking(move || runtime.block_on(ledger.append(Append::new(events))));
        appending.await.map_err(|error| Fault::Bug(error.to_string()))??;
        Ok(())
    }
}

impl Thing {
    fn of(principal: &str, verb: Verb, ledger: &str) -> Self {
        let (principal, ledger) = (Some(principal.to_owned()), Some(ledger.to_owned()));
        Self { principal, verb: Some(verb), ledger, ..Self::default() }
    }
}

impl Happened {
    /// One event for each kind.
    fn into_events(self) -> Result<Vec<NewEvent>, Fault> {
        let since = self.since.map(time);
        let event = |(kind, counts): (Kind, Counts)| {
            let things = counts.things.iter().map(|(thing, count)| {
                let mut thing = json!(thing);
                thing["count"] = (*count).into();
                thing
            });
            let things: Vec<_> = things.collect();
            let data = json!({ "since": since, "happened": things, "others": counts.others });
            Ok(NewEvent::new(EventType::new(kind.event_type())?, data.to_string()))
        };
        self.counts.into_iter().map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{Query, Read, memory::MemoryLedger};
    use serde_json::Value;

    use super::*;

    async fn recorded(ledger: &Arc<dyn Ledger>) -> Vec<(String, Value)> {
        let page = ledger.read(Read::new(Query::all())).await.expect("reads");
        let parsed = page.events.iter().map(|event| {
            let data = serde_json::from_slice(&event.data).expect("JSON");
            (event.event_type.to_string(), data)
        });
        parsed.collect()
    }

    /// A stranger who asks a million times makes one event a minute.
    #[tokio::test(start_paused = true)]
    async fn what_happens_often_is_recorded_once_a_minute() {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
        let audit = Arc::new(Audit::new(Arc::clone(&ledger)));
        let (end, ending) = watch::channel(false);
        let keeping = tokio::spawn(Arc::clone(&audit).keep(ending));
        for host in 0..=255 {
            for _ in 0..100 {
                audit.authentication_failed(IpAddr::from([10, 0, 0, host]));
            }
        }
        audit.right_refused("reader", Verb::Admin, "shop");
        tokio::time::sleep(Duration::from_secs(30)).await;
        let first = recorded(&ledger).await;
        assert_eq!(first.len(), 2);
        let (kind, data) = &first[0];
        assert_eq!(kind, "authentication.failed");
        assert_eq!(data["happened"].as_array().expect("a list").len(), THINGS_MAX);
        assert_eq!(data["happened"][0], json!({ "address": "10.0.0.0", "count": 100 }));
        assert_eq!(data["others"], 100 * (256 - THINGS_MAX));
        let refused = json!({
            "principal": "reader", "verb": "admin", "ledger": "shop", "count": 1,
        });
        assert_eq!((first[1].0.as_str(), &first[1].1["happened"][0]), ("right.refused", &refused));
        for _ in 0..10_000 {
            audit.authentication_failed(IpAddr::from([10, 0, 0, 1]));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(recorded(&ledger).await.len() <= 4);
        audit.administered("admin", "shop");
        end.send_replace(true);
        keeping.await.expect("ends");
        let last = recorded(&ledger).await.pop().expect("is recorded at the end");
        assert_eq!(last.0, "admin.used");
    }
}
