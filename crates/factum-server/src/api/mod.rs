//! One API in Rust, a file for each operation: typed requests, typed answers. Faces translate into
//! it and out of it; what may be asked, and how much of it, is decided here and nowhere else.

mod append;
mod apps;
mod boundary;
mod bulkhead;
mod command;
mod compact;
mod error;
mod event;
mod events;
mod find_event;
mod find_receipt;
mod fold;
mod given;
mod groups;
mod head;
mod health;
mod jobs;
mod ledgers;
mod ledgers_change;
mod metrics;
mod page;
mod position_at;
mod projectors;
mod query_threads;
mod ready;
mod receipt;
mod remote_append;
mod room;
mod scan;
mod settings;
mod streams;
mod subscribe;
mod tokens;
mod traces;
mod tracking;
mod view;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use factum::{App, Domain, Fault, Store};
use factum_store::{ByteString, Ledger};

pub(crate) use append::AppendEvents;
use apps::{Apps, Served};
pub(crate) use boundary::{AppendInBoundary, AppendRefused, Boundary};
use bulkhead::Bulkheads;
pub(crate) use command::RunCommand;
pub(crate) use error::{ApiError, GroupError};
pub(crate) use event::Which;
pub(crate) use events::{EventsPage, Next, ReadEvents};
pub(crate) use fold::AskFold;
pub(crate) use given::GIVEN_ID;
pub(crate) use groups::{
    Answer, Became, ChangePace, CreateGroup, Draw, GroupId, GroupState, GroupStatus, ParkedPage,
    Start, Staying,
};
pub(crate) use jobs::{BackupKept, JOB_WAIT_MAX, Job, JobId, MakeBackup, Outcome, Task};
pub(crate) use ledgers::LedgerStatus;
pub(crate) use ready::Concern;
pub(crate) use receipt::KeyUse;
pub(crate) use remote_append::{RemoteAppend, RemoteKey};
pub(crate) use room::{Room, Share};
pub(crate) use scan::{Scan, ScanEvents};
pub(crate) use streams::{Change, ChangeStream, version};
use subscribe::Heads;
pub(crate) use subscribe::{Looking, SubscribeEvents, Subscription};
pub(crate) use tracking::Tracking;
pub(crate) use view::AskView;

use crate::{
    Config, Setting,
    access::{Audit, Extent, Limited, Principal, Scope, Tokens, Verb},
    consumers::Groups,
    metrics::Metrics,
    observe::{ExportCounts, Tracer},
    rates::Rates,
};

/// Everything that can be asked of a server.
pub(crate) struct Api {
    /// Each ledger's application, by the ledger's name.
    apps: Apps,
    /// What can run on ledgers that are made later.
    domains: Vec<Domain>,
    /// Where the ledgers are kept, when the server opened them itself.
    store: Option<Store>,
    /// Who may what.
    tokens: Option<Arc<Tokens>>,
    groups: Option<Arc<Groups>>,
    jobs: jobs::Jobs,
    /// Below which clients may have backups made.
    backup_dir: Option<PathBuf>,
    /// The configuration as it holds.
    settings: Vec<Setting>,
    bulkheads: Bulkheads,
    patience: Duration,
    view_deadline: Duration,
    /// Free room on the disk below which the server is not ready.
    disk_free_min: u64,
    metrics: Arc<Metrics>,
    heads: Arc<Heads>,
    /// How long a reader of a stream may take nothing.
    slowest: Duration,
    /// How many requests a principal may make.
    rates: Rates<ByteString>,
    tracer: Option<Arc<Tracer>>,
}

impl Api {
    pub(crate) fn new(apps: BTreeMap<String, App>, store: Option<Store>, config: &Config) -> Self {
        Self {
            apps: Apps::new(apps),
            domains: Vec::new(),
            store,
            tokens: None,
            groups: None,
            jobs: jobs::Jobs::default(),
            backup_dir: config.backup_dir.clone(),
            settings: Vec::new(),
            bulkheads: Bulkheads::new(config),
            patience: config.patience,
            view_deadline: config.view_deadline,
            disk_free_min: config.disk_free_bytes_min,
            metrics: Arc::default(),
            heads: Arc::default(),
            slowest: config.write_timeout,
            rates: Rates::new(config.principal_requests_per_second),
            tracer: None,
        }
    }

    /// The same, with spans of what it does, and counts of log lines that are sent. To be said before
    /// anything is counted.
    pub(crate) fn traced(self, tracer: Option<Arc<Tracer>>, lines: ExportCounts) -> Self {
        let spans = tracer.as_ref().map(|tracer| tracer.counts().clone()).unwrap_or_default();
        Self { tracer, metrics: Arc::new(Metrics::with_exported(spans, lines)), ..self }
    }

    /// The same, with the consumer groups of its ledgers.
    pub(crate) fn with_groups(self, groups: Arc<Groups>) -> Self {
        Self { groups: Some(groups), ..self }
    }

    /// The same, with the configuration that it shows.
    pub(crate) fn showing(self, settings: Vec<Setting>) -> Self {
        Self { settings, ..self }
    }

    /// The same, with domains for ledgers of their names, whenever these are made.
    pub(crate) fn knowing(self, domains: Vec<Domain>) -> Self {
        Self { domains, ..self }
    }

    /// Ends the jobs, which were told so, and the applications, their views' checkpoints written.
    pub(crate) async fn close(&self) {
        self.jobs.close().await;
        for app in self.apps.all().into_values() {
            app.close().await;
        }
    }

    /// Where requests find room.
    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.bulkheads.room
    }

    /// What is counted.
    pub(crate) fn counted(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The same, with the tokens that it is steered with.
    pub(crate) fn with_tokens(self, tokens: Arc<Tokens>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// The ledger that is served under a name, and how much of it this may be done to. Who may do
    /// nothing there learns no more than who asks for a ledger that is not there.
    fn reach(
        &self,
        principal: &Principal,
        verb: Verb,
        ledger: &str,
    ) -> Result<(Arc<Served>, Extent), ApiError> {
        if !self.rates.allow(|| principal.name().clone()) {
            self.metrics.limited.inc();
            return Err(ApiError::Busy { what: "requests of yours" });
        }
        let unknown = || ApiError::UnknownLedger { ledger: ledger.to_owned() };
        let served = self.apps.get(ledger).ok_or_else(unknown)?;
        match principal.extent(verb, ledger) {
            Extent::Nothing => {
                self.audit(|audit| audit.right_refused(principal.name(), verb, ledger));
                Err(unknown())
            }
            Extent::Otherwise => Err(self.forbidden(principal, verb, ledger, "")),
            extent => {
                if verb == Verb::Admin {
                    self.audit(|audit| audit.administered(principal.name(), ledger));
                }
                Ok((served, extent))
            }
        }
    }

    /// The application on a ledger, if this may be done to all of it: what an application does and
    /// shows is made of all events.
    fn app(&self, principal: &Principal, verb: Verb, ledger: &str) -> Result<App, ApiError> {
        match self.reach(principal, verb, ledger)? {
            (served, Extent::All) => Ok(served.app.clone()),
            _ => Err(self.forbidden(principal, verb, ledger, " all of")),
        }
    }

    /// The ledger, with the events that are the principal's to see and to write.
    fn ledger(
        &self,
        principal: &Principal,
        verb: Verb,
        name: &str,
    ) -> Result<Arc<dyn Ledger>, ApiError> {
        let (served, extent) = self.reach(principal, verb, name)?;
        let ledger = Arc::clone(served.app.ledger());
        let (reads, appends) =
            (Scope::of(principal, Verb::Read, name), Scope::of(principal, Verb::Append, name));
        let whole = match verb {
            Verb::Append => reads.is_all() && appends.is_all(),
            Verb::Read | Verb::Command | Verb::Admin => extent == Extent::All,
        };
        match whole {
            true => Ok(ledger),
            false => {
                let tokens = self.tokens.clone();
                let (name, asked) = (principal.name().clone(), name.to_owned());
                let on_refusal = Box::new(move || {
                    if let Some(tokens) = &tokens {
                        tokens.audit().right_refused(&name, verb, &asked);
                    }
                });
                let principal = principal.name().clone();
                Ok(Arc::new(Limited { ledger, principal, reads, appends, on_refusal }))
            }
        }
    }

    /// Goes on for who may administer all of the server: `what` is for nobody else.
    fn steering(&self, principal: &Principal, what: &str) -> Result<(), ApiError> {
        if principal.may_steer() {
            return Ok(());
        }
        self.audit(|audit| audit.right_refused(principal.name(), Verb::Admin, "*"));
        let problem = format!("{what} for who has the right admin on *");
        Err(ApiError::Forbidden { problem })
    }

    /// The data directory, of a server that opened one.
    fn store_of_its_own(&self) -> Result<&Store, ApiError> {
        let none = "this server has applications only, and no data directory of its own";
        Ok(self.store.as_ref().ok_or_else(|| Fault::Unavailable(none.to_owned()))?)
    }

    /// Has something recorded of who asks, where that is kept.
    fn audit(&self, note: impl FnOnce(&Audit)) {
        if let Some(tokens) = &self.tokens {
            note(tokens.audit());
        }
    }

    /// What is said to somebody who may do something else.
    fn forbidden(&self, principal: &Principal, verb: Verb, ledger: &str, what: &str) -> ApiError {
        let name = principal.name();
        self.audit(|audit| audit.right_refused(name, verb, ledger));
        let verb = verb.name();
        ApiError::Forbidden { problem: format!("{name} has no right to {verb}{what} {ledger}") }
    }
}
