//! A projector: one thread that follows the ledger and keeps one view.
//!
//! Protects G7 (a batch's rows and checkpoint commit together; an event that can't be applied stops
//! the view, nothing is skipped) and G11 (each view has its own thread: one that stands still slows
//! neither commands nor other views).

use std::{
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use factum_domain::View;
use factum_store::{
    Batch, Checkpoint, Ledger, Position, ReadError, RecordedEvent, Signal, Subscribe, ViewName,
    ViewStore,
};
use futures_lite::{StreamExt, future};
use tokio::sync::watch;

use crate::{
    Fault,
    run::{as_of::checkpoint_at, projection::Projecting},
};

/// Events applied in one batch at most.
const BATCH_MAX: usize = 512;
/// A checkpoint that moved without any change of rows is written after so many positions.
const SILENT_MAX: u64 = 4_096;
/// The pause before the first retry of what failed; it doubles up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What a projector says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// What it has applied. The store's own checkpoint may be behind while nothing concerns it.
    pub(crate) checkpoint: Checkpoint,
    /// Why it stands still, if it does.
    pub(crate) error: Option<String>,
    /// How many rebuilds it has begun.
    pub(crate) rebuilds: u64,
}

/// What a projector is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Orders {
    stop: bool,
    rebuilds: u64,
}

/// The handle of a view's thread, which stops when this is dropped.
pub(crate) struct Projector {
    view: Arc<View>,
    orders: watch::Sender<Orders>,
    status: watch::Receiver<Status>,
    /// Taken when it is stopped.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Projector {
    /// Opens the view and starts its thread.
    pub(crate) async fn start(
        ledger: Arc<dyn Ledger>,
        store: Arc<dyn ViewStore>,
        view: Arc<View>,
    ) -> Result<Self, Fault> {
        store.open(view.spec()).await?;
        let (orders, ordered) = watch::channel(Orders::default());
        let (told, status) = watch::channel(Status::default());
        let mut work = Work {
            ledger,
            store,
            projecting: Projecting::new(Arc::clone(&view)),
            view: Arc::clone(&view),
            ordered,
            told,
            at: Checkpoint::default(),
            stored: Position::START,
            keyframe: Keyframes::default(),
            rebuilds: 0,
            error: None,
        };
        // Before anybody asks: rows of another ledger must not be shown, not even once.
        work.start().await?;
        let name = format!("view {}", view.name());
        let thread = std::thread::Builder::new().name(name);
        let thread = thread.spawn(move || future::block_on(work.run()));
        let thread = thread.map_err(|error| Fault::Unavailable(error.to_string()))?;
        Ok(Self { view, orders, status, thread: Mutex::new(Some(thread)) })
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

    /// Tells the thread to write its checkpoint and stop, and hands it out to be joined.
    pub(crate) fn stop(&self) -> Option<JoinHandle<()>> {
        self.orders.send_modify(|orders| orders.stop = true);
        self.thread.lock().ok().and_then(|mut thread| thread.take())
    }

    async fn changed(&self, status: &mut watch::Receiver<Status>) -> Result<(), Fault> {
        let stopped = || Fault::Unavailable(format!("view {} is not kept any more", self.name()));
        status.changed().await.map_err(|_| stopped())
    }
}

impl Drop for Projector {
    /// Waits for the batch that is being applied: whoever opens the same ledger next finds it free.
    fn drop(&mut self) {
        // The last handle may be dropped by the projector's own thread.
        if let Some(thread) = self.stop()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// What comes next to a projector.
enum Turn {
    Signal(Result<Signal, ReadError>),
    Order,
    End,
}

/// The keyframes of a view: when the next one is due.
#[derive(Default)]
struct Keyframes {
    /// Where the last one is, or would be if the view had changed since.
    last: Position,
    /// How many rows the last one has.
    rows: u64,
    /// Whether rows have changed since.
    changed: bool,
}

/// What the thread works with.
struct Work {
    ledger: Arc<dyn Ledger>,
    store: Arc<dyn ViewStore>,
    view: Arc<View>,
    projecting: Projecting,
    ordered: watch::Receiver<Orders>,
    told: watch::Sender<Status>,
    /// What is applied.
    at: Checkpoint,
    /// What the store has as its checkpoint.
    stored: Position,
    keyframe: Keyframes,
    rebuilds: u64,
    /// Why it stands still; until it moves.
    error: Option<String>,
}

impl Work {
    /// Follows the ledger until it is told to stop; what fails is tried again.
    async fn run(mut self) {
        let mut pause = RETRY;
        loop {
            let before = self.at;
            match self.follow().await {
                Ok(()) if self.ordered.borrow().stop => return,
                Ok(()) => pause = RETRY,
                Err(fault) => {
                    tracing::warn!(view = %self.view.name(), %fault, "a view stands still");
                    self.projecting.forget();
                    self.error = Some(fault.to_string());
                    self.tell();
                    pause = if self.at == before { (pause * 2).min(RETRY_MAX) } else { RETRY };
                    if self.stopped_within(pause) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits; `true` when an order to stop came meanwhile. Any order ends the wait.
    fn stopped_within(&mut self, pause: Duration) -> bool {
        let mut left = pause;
        while !left.is_zero() && !self.ordered.has_changed().unwrap_or(true) {
            std::thread::sleep(RETRY.min(left));
            left = left.saturating_sub(RETRY);
        }
        self.ordered.borrow().stop
    }

    /// Follows the ledger until an order comes.
    async fn follow(&mut self) -> Result<(), Fault> {
        self.start().await?;
        if self.ordered.borrow().stop {
            return Ok(());
        }
        let (query, after) = (self.view.query().clone(), self.at.position);
        let mut signals = self.ledger.subscribe(Subscribe { query, after });
        let mut batch = Vec::new();
        loop {
            let ordered = async {
                let _ = self.ordered.changed().await;
                Turn::Order
            };
            let told = async { signals.next().await.map_or(Turn::End, Turn::Signal) };
            let signal = match future::or(ordered, told).await {
                Turn::Signal(signal) => signal,
                Turn::Order => return self.settle().await,
                Turn::End => {
                    return Err(Fault::Unavailable("the ledger ended the subscription".into()));
                }
            };
            match signal? {
                Signal::Event(event) => {
                    batch.push(*event);
                    if batch.len() == BATCH_MAX {
                        self.apply(std::mem::take(&mut batch)).await?;
                    }
                }
                Signal::CaughtUp(head) => {
                    self.apply(std::mem::take(&mut batch)).await?;
                    let (position, recorded_at) = (head.position, head.recorded_at);
                    self.move_to(Checkpoint { position, recorded_at }).await?;
                }
                Signal::Progress(position) => {
                    self.apply(std::mem::take(&mut batch)).await?;
                    let to = checkpoint_at(&*self.ledger, position).await?;
                    self.move_to(to).await?;
                }
            }
        }
    }

    /// Where the store says the view stands, or at the start when that is not of this ledger.
    async fn start(&mut self) -> Result<(), Fault> {
        let (name, orders) = (self.view.name().clone(), *self.ordered.borrow_and_update());
        if orders.rebuilds > self.rebuilds {
            // First it is said that nothing is applied, then the rows go: a reader that sees rows
            // missing sees that too, and asks again.
            self.at = Checkpoint::default();
            self.tell();
            self.store.reset(&name).await?;
            self.projecting.forget();
            self.rebuilds = orders.rebuilds;
        }
        let kept = self.store.checkpoint(&name).await?;
        self.at = checkpoint_at(&*self.ledger, kept.position).await?;
        if self.at != kept {
            tracing::warn!(view = %name, "the view is of another ledger; building it anew");
            self.at = Checkpoint::default();
            self.tell();
            self.store.reset(&name).await?;
        }
        self.stored = self.at.position;
        let keyframes = self.store.keyframes(&name).await?;
        let earlier = keyframes.iter().rev().find(|k| k.checkpoint.position <= self.at.position);
        self.keyframe = earlier.map_or_else(Keyframes::default, |kept| Keyframes {
            last: kept.checkpoint.position,
            rows: kept.rows,
            changed: self.at != kept.checkpoint,
        });
        self.keyframe.changed |= self.at.position > self.keyframe.last;
        self.tell();
        Ok(())
    }

    /// Applies events, in batches that end where a keyframe is due.
    async fn apply(&mut self, mut events: Vec<RecordedEvent>) -> Result<(), Fault> {
        while let Some(first) = events.first() {
            let mut due = self.keyframe_due();
            if first.position > due {
                self.keep_keyframe(due).await?;
                due = self.keyframe_due();
                if first.position > due {
                    // Nothing in between concerned the view.
                    self.keyframe.last = first.position.prev();
                    due = self.keyframe_due();
                }
            }
            let rest = events.split_off(events.partition_point(|event| event.position <= due));
            let Some(last) = events.last() else { break };
            let to = Checkpoint { position: last.position, recorded_at: last.recorded_at };
            let changes = self.projecting.changes(&*self.store, &events).await?;
            let batch = Batch { from: self.stored, to, changes };
            self.store.apply(self.view.name(), batch).await?;
            (self.at, self.stored, self.keyframe.changed) = (to, to.position, true);
            self.error = None;
            self.tell();
            events = rest;
        }
        Ok(())
    }

    /// The position after which a keyframe is kept: the interval, or as many positions as the view
    /// has rows, so that keeping copies never costs more than a row for each event.
    fn keyframe_due(&self) -> Position {
        let interval = self.view.keyframe_every().max(self.keyframe.rows);
        Position(self.keyframe.last.0.saturating_add(interval))
    }

    async fn keep_keyframe(&mut self, due: Position) -> Result<(), Fault> {
        if self.keyframe.changed {
            let kept = self.store.keep_keyframe(self.view.name()).await?;
            self.keyframe.rows = kept.rows;
        }
        (self.keyframe.last, self.keyframe.changed) = (due, false);
        Ok(())
    }

    /// Nothing that concerns the view is between `at` and `to`.
    async fn move_to(&mut self, to: Checkpoint) -> Result<(), Fault> {
        if to.position > self.at.position {
            self.at = to;
            if to.position.0 - self.stored.0 >= SILENT_MAX {
                self.settle().await?;
            }
        }
        self.error = None;
        self.tell();
        Ok(())
    }

    /// Writes the checkpoint if it has moved.
    async fn settle(&mut self) -> Result<(), Fault> {
        if self.at.position > self.stored {
            let batch = Batch { from: self.stored, to: self.at, changes: Vec::new() };
            self.store.apply(self.view.name(), batch).await?;
            self.stored = self.at.position;
        }
        Ok(())
    }

    fn tell(&self) {
        let (checkpoint, rebuilds, error) = (self.at, self.rebuilds, self.error.clone());
        self.told.send_replace(Status { checkpoint, error, rebuilds });
    }
}
