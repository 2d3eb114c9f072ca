//! [`Groups`]: all the groups of a server, each with its keeper. The journal's ledger is made with
//! the first group, so a server without groups keeps nothing for them.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use factum::{App, Fault, Store};
use factum_consumers::{Definition, Durable, Group, Pace};
use factum_store::{Ledger, Position, Timestamp, memory::MemoryLedger};
use tokio::{
    sync::{Mutex, Notify, OnceCell, RwLock, Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::Instant,
};

use super::{
    Drawn, GroupName,
    clock::Clock,
    draw::Draw,
    drawing::Drawing,
    journal::{GROUPS_LEDGER, Journal, blocking},
    keeper::{Ask, Keeper, Owed, Step},
    room::keep_small,
};
use crate::api::{ApiError, GroupError};

/// Groups of one ledger.
const GROUPS_MAX: usize = 64;
/// What may wait for one keeper.
const INBOX: usize = 1_024;
/// Looks that all groups make at files at a time.
const LOOKS_MAX: usize = 4;

/// A group that is to be made.
pub(crate) struct NewGroup {
    pub(crate) name: GroupName,
    pub(crate) definition: Definition,
    pub(crate) pace: Pace,
    /// Only events after this one.
    pub(crate) start: Position,
}

/// How a group is asked, and what it has delivered.
#[derive(Clone)]
struct Kept {
    ask: mpsc::Sender<Ask>,
    tally: Arc<Tally>,
}

/// What a group has delivered since the server began.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) deliveries: AtomicU64,
    /// Those that were not an event's first.
    pub(crate) retries: AtomicU64,
}

/// All the groups of a server.
pub(crate) struct Groups {
    /// Where the journal is to be; without a store it lives as long as the server.
    store: Option<Store>,
    journal: OnceCell<Journal>,
    kept: RwLock<BTreeMap<(String, GroupName), Kept>>,
    /// Held while a group is made or deleted.
    changing: Mutex<()>,
    keepers: Mutex<JoinSet<()>>,
    looks: Arc<Semaphore>,
    clock: Clock,
    /// Told when something in the journal is no longer needed.
    truncated: Arc<Notify>,
    stopping: watch::Receiver<bool>,
}

impl Groups {
    /// The groups of these ledgers, kept from now on.
    pub(crate) async fn open(
        store: Option<Store>,
        apps: &BTreeMap<String, App>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, Fault> {
        let groups = Self {
            store,
            journal: OnceCell::new(),
            kept: RwLock::default(),
            changing: Mutex::default(),
            keepers: Mutex::default(),
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
            clock: Clock::new(),
            truncated: Arc::default(),
            stopping: stopping.clone(),
        };
        if let Some(store) = groups.store.clone() {
            let truncated = Arc::clone(&groups.truncated);
            groups.keepers.lock().await.spawn(keep_small(store, truncated, stopping));
        }
        if groups.has_journal()? {
            for (ledger, name) in groups.journal().await?.names().await? {
                match apps.get(&ledger) {
                    Some(app) => groups.keep(ledger, name, Arc::clone(app.ledger())).await?,
                    None => tracing::warn!(ledger, %name, "a group of a ledger that is not there"),
                }
            }
        }
        Ok(groups)
    }

    /// Keeps groups there.
    #[cfg(test)]
    pub(super) fn journal_is(&self, ledger: Arc<dyn Ledger>) {
        let journal = Journal::over(ledger, Arc::clone(&self.truncated));
        self.journal.set(journal).ok().expect("it is set once, and first");
    }

    fn has_journal(&self) -> Result<bool, Fault> {
        let Some(store) = &self.store else { return Ok(false) };
        Ok(store.ledgers()?.iter().any(|name| name == GROUPS_LEDGER))
    }

    async fn journal(&self) -> Result<&Journal, Fault> {
        let store = self.store.clone();
        let open = async move {
            let Some(store) = store else { return Ok(Arc::new(MemoryLedger::new()) as _) };
            match store.create(GROUPS_LEDGER) {
                Ok(()) | Err(Fault::Exists { .. }) => store.ledger(GROUPS_LEDGER),
                Err(fault) => Err(fault),
            }
        };
        let truncated = Arc::clone(&self.truncated);
        let open = || async { Ok(Journal::over(blocking(open).await?, truncated)) };
        self.journal.get_or_try_init(open).await
    }

    /// Starts the keeper of a group that is in the journal.
    async fn keep(
        &self,
        ledger_name: String,
        name: GroupName,
        ledger: Arc<dyn Ledger>,
    ) -> Result<(), Fault> {
        let (ask, inbox) = mpsc::channel(INBOX);
        let tally = Arc::new(Tally::default());
        let keeper = Keeper {
            ledger_name: ledger_name.clone(),
            name: name.clone(),
            ledger,
            journal: self.journal().await?.clone(),
            inbox,
            looks: Arc::clone(&self.looks),
            stopping: self.stopping.clone(),
            clock: self.clock,
            tally: Arc::clone(&tally),
        };
        let mut keepers = self.keepers.lock().await;
        // Those that have ended are forgotten.
        while keepers.try_join_next().is_some() {}
        keepers.spawn(keeper.run());
        self.kept.write().await.insert((ledger_name, name), Kept { ask, tally });
        Ok(())
    }

    /// Makes a group.
    pub(crate) async fn create(
        &self,
        ledger_name: &str,
        ledger: Arc<dyn Ledger>,
        new: NewGroup,
    ) -> Result<(), ApiError> {
        let NewGroup { name, definition, pace, start } = new;
        let _changing = self.changing.lock().await;
        let names = self.names(ledger_name).await;
        if names.contains(&name) {
            return Err(GroupError::Exists { group: name.to_string() }.into());
        }
        if names.len() >= GROUPS_MAX {
            let ledger = ledger_name.to_owned();
            return Err(GroupError::Full { ledger, max: GROUPS_MAX }.into());
        }
        let durable = Durable::new(definition, pace, start);
        self.journal().await?.make(ledger_name, &name, &durable).await?;
        Ok(self.keep(ledger_name.to_owned(), name, ledger).await?)
    }

    /// Ends a group for ever; its name can be used again.
    pub(crate) async fn delete(&self, ledger: &str, name: &GroupName) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        let (answer, deleted) = oneshot::channel();
        self.ask(ledger, name, Ask::Delete(answer)).await?;
        heard(deleted.await)?;
        self.kept.write().await.remove(&(ledger.to_owned(), name.clone()));
        Ok(())
    }

    /// The groups of a ledger, sorted.
    pub(crate) async fn names(&self, ledger: &str) -> Vec<GroupName> {
        let kept = self.kept.read().await;
        let of_ledger = kept.keys().filter(|(of, _)| of == ledger);
        of_ledger.map(|(_, name)| name.clone()).collect()
    }

    /// Makes a step on a group; what it says is heard when what it changed is durable.
    pub(crate) async fn step<T: Send + 'static>(
        &self,
        ledger: &str,
        name: &GroupName,
        step: impl FnOnce(&mut Group, Timestamp) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (answer, said) = oneshot::channel();
        let step: Step = Box::new(move |found| match found {
            Err(why) => {
                // Whoever asked may have gone.
                let _ = answer.send(Err(why.to_owned()));
                None
            }
            Ok((group, now)) => {
                let said = step(group, now);
                let owed: Owed = Box::new(move |durable| drop(answer.send(durable.map(|()| said))));
                Some(owed)
            }
        });
        self.ask(ledger, name, Ask::Step(step)).await?;
        heard(said.await)
    }

    /// Every group of every ledger, with what it has delivered.
    pub(crate) async fn tallies(&self) -> Vec<(String, GroupName, Arc<Tally>)> {
        let kept = self.kept.read().await;
        let one = |((ledger, name), kept): (&(String, GroupName), &Kept)| {
            (ledger.clone(), name.clone(), Arc::clone(&kept.tally))
        };
        kept.iter().map(one).collect()
    }

    /// Waits for events of a group.
    pub(crate) async fn draw(
        self: &Arc<Self>,
        ledger: &str,
        name: &GroupName,
        consumer: String,
        max: usize,
        wait: Duration,
    ) -> Result<Drawn, ApiError> {
        let (answer, drawn) = oneshot::channel();
        let until = Instant::now() + wait;
        let groups = Arc::clone(self);
        let (of, group, answered) = (ledger.to_owned(), name.clone(), Some(drawn));
        let drawing = Drawing { groups, ledger: of, name: group, answer: answered };
        self.ask(ledger, name, Ask::Draw(Draw { consumer, max, until, answer })).await?;
        heard(drawing.await)
    }

    async fn ask(&self, ledger: &str, name: &GroupName, ask: Ask) -> Result<(), ApiError> {
        let unknown = || GroupError::Unknown { ledger: ledger.to_owned(), group: name.to_string() };
        let key = (ledger.to_owned(), name.clone());
        let kept = self.kept.read().await.get(&key).cloned().ok_or_else(unknown)?;
        kept.ask.send(ask).await.map_err(|_| unknown().into())
    }

    /// Ends the keepers, when nobody asks any more, and waits for them.
    pub(crate) async fn close(&self) {
        self.kept.write().await.clear();
        let mut keepers = std::mem::take(&mut *self.keepers.lock().await);
        while keepers.join_next().await.is_some() {}
    }
}

/// What a keeper said. When it says nothing, the group was deleted meanwhile.
fn heard<T>(said: Result<Result<T, String>, oneshot::error::RecvError>) -> Result<T, ApiError> {
    let ended = || "the group ended meanwhile".to_owned();
    let said = said.unwrap_or_else(|_| Err(ended()));
    said.map_err(|why| Fault::Unavailable(why).into())
}
