//! One API in Rust, a file for each operation: typed requests, typed answers. Faces translate into
//! it and out of it; what may be asked, and how much of it, is decided here and nowhere else.

mod append;
mod bulkhead;
mod command;
mod compact;
mod error;
mod events;
mod health;
mod ledgers;
mod streams;
mod subscribe;
mod view;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use factum::{App, Store};
use factum_store::Ledger;

pub(crate) use append::AppendEvents;
use bulkhead::Bulkheads;
pub(crate) use command::RunCommand;
pub(crate) use error::ApiError;
pub(crate) use events::{Next, ReadEvents};
pub(crate) use ledgers::LedgerStatus;
pub(crate) use streams::{Change, ChangeStream};
pub(crate) use subscribe::{SubscribeEvents, Subscription};
pub(crate) use view::AskView;

use crate::{
    Config,
    access::{Principal, Verb},
};

/// Everything that can be asked of a server.
pub(crate) struct Api {
    /// Each ledger's application, by the ledger's name.
    apps: BTreeMap<String, App>,
    /// Where the ledgers are kept, when the server opened them itself.
    store: Option<Store>,
    bulkheads: Bulkheads,
    view_deadline: Duration,
}

impl Api {
    pub(crate) fn new(apps: BTreeMap<String, App>, store: Option<Store>, config: &Config) -> Self {
        Self { apps, store, bulkheads: Bulkheads::new(config), view_deadline: config.view_deadline }
    }

    /// The application on a ledger, if this may be done to it. Who may not learns no more than who
    /// asks for a ledger that is not there.
    fn app(&self, principal: &Principal, verb: Verb, ledger: &str) -> Result<App, ApiError> {
        let app = self.apps.get(ledger).filter(|_| principal.may(verb, ledger));
        app.cloned().ok_or_else(|| ApiError::UnknownLedger { ledger: ledger.to_owned() })
    }

    fn ledger(
        &self,
        principal: &Principal,
        verb: Verb,
        name: &str,
    ) -> Result<Arc<dyn Ledger>, ApiError> {
        self.app(principal, verb, name).map(|app| Arc::clone(app.ledger()))
    }
}
