//! A projector: one thread that follows the ledger and keeps one view.
//!
//! Protects G11 (each view has its own thread: one that stands still slows neither commands nor
//! other views, and holds up nobody who stops it) and G9 (where it stands can be waited for).

use std::{
    sync::{Arc, Mutex, mpsc},
    thread::ThreadId,
    time::Duration,
};

use factum_domain::View;
use factum_store::{Checkpoint, Ledger, Position, ViewName, ViewStore};
use futures_lite::future;
use tokio::sync::watch;

use crate::{FailingEvent, Fault, Observer, run::follow::Work};

/// How long whoever stops a projector waits for it.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What a projector says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// What it has applied. The store's own checkpoint may be behind while nothing concerns it.
    pub(crate) checkpoint: Checkpoint,
    /// Why it stands still, if it does.
    pub(crate) error: Option<String>,
    /// The event that it stands still before, if it is known to be one.
    pub(crate) failing: Option<FailingEvent>,
    /// How often it has been tried in vain since it stands still.
    pub(crate) failures: u64,
    /// How many rebuilds it has begun.
    pub(crate) rebuilds: u64,
    /// Up to which order to try again it has.
    pub(crate) retries: u64,
}

/// What a projector is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) stop: bool,
    /// How many rebuilds were asked for.
    pub(crate) rebuilds: u64,
    /// How often it was asked to try again at once.
    pub(crate) retries: u64,
}

/// The handle of a view's thread, which stops when this is dropped.
pub(crate) struct Projector {
    view: Arc<View>,
    orders: watch::Sender<Orders>,
    status: watch::Receiver<Status>,
    /// Taken when it is stopped.
    thread: Mutex<Option<Running>>,
}

/// A thread that runs, or ends.
pub(crate) struct Running {
    thread: ThreadId,
    /// Closed when the thread has let go of everything.
    ended: mpsc::Receiver<()>,
}

impl Running {
    /// Waits for the batch that is being applied, so that whoever opens the same ledger next finds
    /// it free; but not for a store that keeps the thread.
    pub(crate) fn end(self) {
        // The last handle may be dropped by the projector's own thread.
        if self.thread != std::thread::current().id()
            && self.ended.recv_timeout(STOP_MAX) == Err(mpsc::RecvTimeoutError::Timeout)
        {
            tracing::warn!(thread = ?self.thread, "a view's store does not answer; not waiting on");
        }
    }
}

impl Projector {
    /// Opens the view and starts its thread.
    pub(crate) async fn start(
        ledger: Arc<dyn Ledger>,
        store: Arc<dyn ViewStore>,
        view: Arc<View>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, Fault> {
        store.open(view.spec()).await?;
        let (orders, ordered) = watch::channel(Orders::default());
        let (told, status) = watch::channel(Status::default());
        let mut work =
            Work::new(ledger, store, Arc::clone(&view), ordered, told).observed_by(observer);
        // Before anybody asks: rows of another ledger must not be shown, not even once.
        work.start().await?;
        let (end, ended) = mpsc::channel::<()>();
        let name = format!("view {}", view.name());
        let thread = std::thread::Builder::new().name(name);
        let thread = thread.spawn(move || {
            future::block_on(work.run());
            drop(end);
        });
        let thread = thread.map_err(|error| Fault::Unavailable(error.to_string()))?;
        let running = Running { thread: thread.thread().id(), ended };
        Ok(Self { view, orders, status, thread: Mutex::new(Some(running)) })
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    pub(crate) fn name(&self) -> &ViewName {
        self.view.name()
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until the view has applied `goal`; a view that stands still is an error.
    pub(crate) async fn reach(
        &self,
        goal: Position,
        mut progress: impl FnMut(Position),
    ) -> Result<(), Fault> {
        let mut status = self.status.clone();
        loop {
            let now = status.borrow_and_update().clone();
            progress(now.checkpoint.position);
            if now.checkpoint.position >= goal {
                return Ok(());
            }
            if let Some(problem) = now.error {
                return Err(Fault::View { view: self.name().to_string(), problem });
            }
            self.changed(&mut status).await?;
        }
    }

    /// Waits until the view has applied `goal`, however often it fails meanwhile.
    pub(crate) async fn reach_patiently(&self, goal: Position) -> Result<(), Fault> {
        let mut status = self.status.clone();
        while status.borrow_and_update().checkpoint.position < goal {
            self.changed(&mut status).await?;
        }
        Ok(())
    }

    /// Has the view's rows thrown away; returns when that was begun.
    pub(crate) async fn rebuild(&self) -> Result<(), Fault> {
        let mut wanted = 0;
        self.orders.send_modify(|orders| {
            orders.rebuilds += 1;
            wanted = orders.rebuilds;
        });
        let mut status = self.status.clone();
        while status.borrow_and_update().rebuilds < wanted {
            self.changed(&mut status).await?;
        }
        Ok(())
    }

    /// Has it tried again at once; returns how it stands when it was.
    pub(crate) async fn retry(&self) -> Result<Status, Fault> {
        let mut wanted = 0;
        let before = self.status().failures;
        self.orders.send_modify(|orders| {
            orders.retries += 1;
            wanted = orders.retries;
        });
        let mut status = self.status.clone();
        loop {
            let now = status.borrow_and_update().clone();
            if now.retries >= wanted && (now.error.is_none() || now.failures > before) {
                return Ok(now);
            }
            self.changed(&mut status).await?;
        }
    }

    /// Tells the thread to write its checkpoint and stop, and hands it out to be waited for.
    pub(crate) fn stop(&self) -> Option<Running> {
        self.orders.send_modify(|orders| orders.stop = true);
        self.thread.lock().ok().and_then(|mut thread| thread.take())
    }

    async fn changed(&self, status: &mut watch::Receiver<Status>) -> Result<(), Fault> {
        let stopped = || Fault::Unavailable(format!("view {} is not kept any more", self.name()));
        status.changed().await.map_err(|_| stopped())
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        if let Some(running) = self.stop() {
            running.end();
        }
    }
}
