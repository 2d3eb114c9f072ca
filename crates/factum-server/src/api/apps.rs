//! [`Apps`]: the ledgers that are served, each with its application. They come and go while the
//! server runs; who has one when it goes is told, so that nothing holds it for ever.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use factum::App;
use tokio::sync::{Mutex, MutexGuard, watch};

type ByName = BTreeMap<String, Arc<Served>>;

/// The ledgers that are served, by name.
pub(crate) struct Apps {
    all: ArcSwap<ByName>,
    /// Held by whoever makes or deletes a ledger.
    changing: Mutex<()>,
}

/// A ledger that is served, and its application.
pub(crate) struct Served {
    pub(crate) app: App,
    /// Told when the ledger is served no more.
    gone: watch::Sender<bool>,
}

/// Tells when a ledger is served no more.
#[derive(Clone)]
pub(crate) struct Gone(watch::Receiver<bool>);

impl Apps {
    pub(crate) fn new(apps: BTreeMap<String, App>) -> Self {
        let served = apps.into_iter().map(|(name, app)| (name, Served::new(app)));
        Self { all: ArcSwap::from_pointee(served.collect()), changing: Mutex::default() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Served>> {
        self.all.load().get(name).cloned()
    }

    /// All of them as they are now.
    pub(crate) fn all(&self) -> BTreeMap<String, App> {
        self.all.load().iter().map(|(name, served)| (name.clone(), served.app.clone())).collect()
    }

    /// One change at a time.
    pub(crate) async fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Serves a ledger from now on.
    pub(crate) fn insert(&self, _: &MutexGuard<'_, ()>, name: &str, app: App) {
        let mut all = ByName::clone(&self.all.load());
        all.insert(name.to_owned(), Served::new(app));
        self.all.store(Arc::new(all));
    }

    /// Serves a ledger no more. Who follows it is told; what has begun goes on.
    pub(crate) fn remove(&self, _: &MutexGuard<'_, ()>, name: &str) -> Option<App> {
        let mut all = ByName::clone(&self.all.load());
        let served = all.remove(name)?;
        self.all.store(Arc::new(all));
        served.gone.send_replace(true);
        Some(served.app.clone())
    }
}

impl Served {
    fn new(app: App) -> Arc<Self> {
        Arc::new(Self { app, gone: watch::Sender::new(false) })
    }

    pub(crate) fn gone(&self) -> Gone {
        Gone(self.gone.subscribe())
    }
}

impl Gone {
    /// Resolves when the ledger is served no more.
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(|gone| *gone).await.is_err() {
            // Nobody is left who could say so.
            std::future::pending().await
        }
    }
}
