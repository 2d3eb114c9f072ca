//! Opening what a command needs, and how what can go wrong there becomes a [`Failure`].

use std::{path::Path, sync::Arc};

use factum::{
    App, Domain, Fault, LedgerFacts, Store, StoreOptions,
    store::{AppendError, Conflict, Ledger, ReadError, StreamState},
};
use serde_json::json;

use crate::{
    args::{Application, Place},
    failure::{Exit, Failure},
};

/// The ledger that is meant when none is named; it is made when it is first written to.
pub(crate) const DEFAULT_LEDGER: &str = "default";

/// The data directory, to be written; it is made if it is missing.
pub(crate) fn store(dir: &Path) -> Result<Store, Failure> {
    Store::open(url(dir)?).map_err(failure)
}

/// The same, with what it may take of the machine.
pub(crate) fn store_with(dir: &Path, options: StoreOptions) -> Result<Store, Failure> {
    Store::open_with(url(dir)?, options).map_err(failure)
}

/// The data directory, to be written, if there is one.
fn store_that_exists(dir: &Path) -> Result<Store, Failure> {
    // An empty directory would be made a data directory: a question must not do that.
    store_as_it_is(dir)?;
    store(dir)
}

/// The data directory, of which nothing is to be changed: it need not be writable.
pub(crate) fn store_to_read(dir: &Path) -> Result<Store, Failure> {
    let as_it_is = store_as_it_is(dir)?;
    match Store::open(url(dir)?) {
        Err(Fault::ReadOnly(_) | Fault::IsABackup(_)) => Ok(as_it_is),
        opened => opened.map_err(failure),
    }
}

/// The data directory, to be looked at whoever else has it.
pub(crate) fn store_to_verify(dir: &Path) -> Result<Store, Failure> {
    let as_it_is = store_as_it_is(dir)?;
    match Store::open(url(dir)?) {
        Err(Fault::ReadOnly(_) | Fault::IsABackup(_) | Fault::Locked { .. }) => Ok(as_it_is),
        opened => opened.map_err(failure),
    }
}

/// The data directory without its lock: what a process that holds it is writing may not be seen.
pub(crate) fn store_as_it_is(dir: &Path) -> Result<Store, Failure> {
    let hint = "--dir DIR; `factum demo` and `factum append` make one";
    if !dir.exists() {
        return Err(Failure::not_found(format!("there is no directory {}", dir.display()), hint));
    }
    if !dir.is_dir() {
        let what = format!("{} is a file, not a data directory of Factum", dir.display());
        return Err(Failure::new(Exit::Format, what, hint));
    }
    Store::open_read_only(url(dir)?).map_err(failure)
}

fn url(dir: &Path) -> Result<&str, Failure> {
    dir.to_str().ok_or_else(|| {
        let what = format!("the path {} is not UTF-8", dir.display());
        Failure::invalid(what, "a directory with a plainer name")
    })
}

/// The ledger that is meant, to be read.
pub(crate) fn ledger(store: &Store, name: &str) -> Result<Arc<dyn Ledger>, Failure> {
    store.ledger(name).map_err(failure)
}

/// The ledger that is meant, to be written.
pub(crate) fn ledger_to_write(store: &Store, name: &str) -> Result<Arc<dyn Ledger>, Failure> {
    if name == DEFAULT_LEDGER {
        create(store, name)?;
    }
    ledger(store, name)
}

/// Makes a ledger, unless it is there.
pub(crate) fn create(store: &Store, name: &str) -> Result<(), Failure> {
    match store.create(name) {
        Err(Fault::Exists { .. }) => Ok(()),
        made => made.map_err(failure),
    }
}

/// The application on a ledger that exists.
pub(crate) async fn app(place: &Place, application: &Application) -> Result<App, Failure> {
    let domain = self::application(place, application)?;
    app_on(&store_that_exists(&place.dir)?, &place.ledger, domain).await
}

/// An application on a ledger of an opened directory.
pub(crate) async fn app_on(store: &Store, name: &str, domain: Domain) -> Result<App, Failure> {
    store.app(name).map_err(failure)?.domain(domain).await.map_err(failure)
}

/// The application that is meant.
pub(crate) fn application(place: &Place, application: &Application) -> Result<Domain, Failure> {
    let name = application.application.as_deref().unwrap_or(&place.ledger);
    let domain = retail::domain();
    if name == domain.name() {
        return Ok(domain);
    }
    let what = format!("this program has no application {name:?}; it has {}", domain.name());
    let hint = "--ledger retail, or --application retail for its views on another ledger";
    Err(Failure::not_found(what, hint))
}

/// A fault, and what to try from a command line.
pub(crate) fn failure(fault: Fault) -> Failure {
    let what = fault.to_string();
    match fault {
        Fault::Invalid(_) => Failure::invalid(what, "factum help COMMAND has examples"),
        Fault::Unknown { what: "ledger", .. } => {
            Failure::not_found(what, "--ledger NAME, or factum ledgers --create NAME")
        }
        Fault::Unknown { .. } => Failure::not_found(what, "one of those"),
        Fault::Exists { .. } => Failure::invalid(what, "another name"),
        Fault::KeyReused { .. } => Failure::new(Exit::Refused, what, "another --key"),
        Fault::StreamEnded(_) => Failure::new(Exit::Refused, what, "another stream"),
        Fault::Conflict { last, .. } => conflict(&last),
        Fault::Locked { dir, holder } => locked(&dir, &holder),
        Fault::NewerFormat { .. } => Failure::new(Exit::Format, what, "a newer factum"),
        Fault::Unsupported { problem, .. } if problem.contains("backup") => {
            Failure::new(Exit::Format, what, "a directory that factum backup made, or a new one")
        }
        Fault::NotADataDirectory(_) | Fault::Unsupported { .. } => {
            Failure::new(Exit::Format, what, "--dir with a new or empty directory")
        }
        Fault::Corrupt(_) | Fault::Unreadable(_) => {
            Failure::new(Exit::Damaged, what, "factum verify names every damaged place")
        }
        Fault::Full(_) => Failure::new(Exit::Full, what, "make room, then run it again"),
        Fault::IsABackup(_) => {
            Failure::new(Exit::ReadOnly, what, "factum restore BACKUP --dir DIR")
        }
        Fault::ReadOnly(_) => {
            Failure::new(Exit::ReadOnly, what, "a directory that you may write, or only read it")
        }
        Fault::Unavailable(_) | Fault::Timeout { .. } => {
            Failure::new(Exit::Unavailable, what, "run it again")
        }
        Fault::OutcomeUnknown(_) => {
            Failure::new(Exit::Unavailable, what, "read back; with a --key, run it again")
        }
        Fault::View { .. } => Failure::new(Exit::Unavailable, what, "factum views says more"),
        other => Failure::new(Exit::Unexpected, other.to_string(), "please report it"),
    }
}

fn conflict(conflict: &Conflict) -> Failure {
    let offending = conflict.offending.iter();
    let offending =
        offending.map(|one| json!({ "position": one.position, "type": one.event_type }));
    let detail = json!({
        "condition": conflict.index, "head": conflict.head, "revision": conflict.revision,
        "state": conflict.state.map(StreamState::name),
        "offending": offending.collect::<Vec<_>>(),
    });
    let hint = "read what is there now (factum read), and decide again";
    Failure::new(Exit::Refused, conflict.to_string(), hint).with(detail)
}

/// The ledgers of a backup, for machines.
pub(crate) fn ledger_facts(ledgers: &[LedgerFacts]) -> Vec<serde_json::Value> {
    let one = |ledger: &LedgerFacts| {
        json!({
            "name": ledger.name, "head": ledger.head,
            "recorded_at": factum_server::json::time(ledger.recorded_at),
        })
    };
    ledgers.iter().map(one).collect()
}

/// The holder of a directory says who it is, and where it listens if it is a server.
fn locked(dir: &str, holder: &str) -> Failure {
    let url = holder
        .split([' ', ',', ';', ')'])
        .find(|word| word.starts_with("http://") || word.starts_with("https://"));
    let hint = match url {
        Some(url) => format!("ask the server that holds it: curl -s {url}/v1/ledgers"),
        None => "wait until it has ended, or end it".to_owned(),
    };
    let what = format!("{dir} is in use by {holder}");
    Failure::new(Exit::Locked, what, hint).with(json!({ "holder": holder, "url": url }))
}

pub(crate) fn read_failure(error: ReadError) -> Failure {
    failure(error.into())
}

pub(crate) fn append_failure(error: AppendError) -> Failure {
    failure(error.into())
}
