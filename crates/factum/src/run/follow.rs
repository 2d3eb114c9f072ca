//! The thread of a projector: it follows the ledger and applies what concerns its view.
//!
//! Protects G7 (a batch's rows and checkpoint commit together; an event that can't be applied stops
//! the view just before it, nothing is skipped) and G8 (keyframes are kept on the way).

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use factum_domain::View;
use factum_store::{
    Batch, Checkpoint, Ledger, Position, ReadError, RecordedEvent, Signal, Subscribe, ViewStore,
};
use futures_lite::{FutureExt, StreamExt, future};
use tokio::sync::watch;

use crate::{
    Ending, FailingEvent, Fault, Observer, Step,
    observe::Doing,
    run::{
        as_of::checkpoint_at,
        projection::Projecting,
        projector::{Orders, Status},
    },
};

/// Events applied in one batch at most.
const BATCH_MAX: usize = 512;
/// A checkpoint that moved without any change of rows is written after so many positions.
const SILENT_MAX: u64 = 4_096;
/// The pause before the first retry of what failed; it doubles up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

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
pub(crate) struct Work {
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
    /// Whether the rows are still to be thrown away.
    reset_due: bool,
    /// So many events are applied one by one, because a batch with one of them failed.
    careful: usize,
    /// The event that is being applied, when it is a single one.
    trying: Option<FailingEvent>,
    still: Still,
    /// Up to which order to try again it has.
    retries: u64,
    observer: Option<Arc<dyn Observer>>,
}

/// Why a view stands still, if it does; until it moves.
#[derive(Default)]
struct Still {
    error: Option<String>,
    /// The event that it stands still before.
    failing: Option<FailingEvent>,
    failures: u64,
}

impl Work {
    pub(crate) fn new(
        ledger: Arc<dyn Ledger>,
        store: Arc<dyn ViewStore>,
        view: Arc<View>,
        ordered: watch::Receiver<Orders>,
        told: watch::Sender<Status>,
    ) -> Self {
        Self {
            ledger,
            store,
            projecting: Projecting::new(Arc::clone(&view)),
            view,
            ordered,
            told,
            at: Checkpoint::default(),
            stored: Position::START,
            keyframe: Keyframes::default(),
            rebuilds: 0,
            reset_due: false,
            careful: 0,
            trying: None,
            still: Still::default(),
            retries: 0,
            observer: None,
        }
    }

    /// The same, with who is told of it.
    pub(crate) fn observed_by(self, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { observer, ..self }
    }

    /// Follows the ledger until it is told to stop; what fails is tried again.
    pub(crate) async fn run(mut self) {
        let mut pause = RETRY;
        loop {
            let before = self.at;
            match self.follow_unless_stopped().await {
                Ok(()) if self.ordered.borrow().stop => return,
                Ok(()) => pause = RETRY,
                Err(fault) => {
                    tracing::warn!(view = %self.view.name(), %fault, "a view stands still");
                    self.projecting.forget();
                    self.stand_still(&fault);
                    pause = if self.at == before { (pause * 2).min(RETRY_MAX) } else { RETRY };
                    if self.stopped_within(pause) {
                        return;
                    }
                }
            }
        }
    }

    /// Says why nothing moves. When it may be an event, those that come are tried one by one.
    fn stand_still(&mut self, fault: &Fault) {
        let tried = self.trying.take();
        let failing = match fault {
            Fault::Unavailable(_) | Fault::Full(_) => None,
            fault => {
                self.careful = BATCH_MAX;
                tried.or_else(|| named(fault))
            }
        };
        let failures = self.still.failures + 1;
        self.still = Still { error: Some(fault.to_string()), failing, failures };
        self.tell();
    }

    /// Follows the ledger. A panic, such as one of a fold, is an error like others; an order to
    /// stop ends it even while a store does not answer.
    async fn follow_unless_stopped(&mut self) -> Result<(), Fault> {
        let mut ordered = self.ordered.clone();
        let stopped = async {
            let _ = ordered.wait_for(|orders| orders.stop).await;
            Ok(())
        };
        let followed = AssertUnwindSafe(self.follow()).catch_unwind();
        // What can be finished at once is: following is looked at first.
        let followed = async { followed.await.unwrap_or_else(|panic| Err(panicked(&*panic))) };
        future::or(followed, stopped).await
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
    pub(crate) async fn start(&mut self) -> Result<(), Fault> {
        let (name, orders) = (self.view.name().clone(), *self.ordered.borrow_and_update());
        if orders.rebuilds > self.rebuilds {
            (self.rebuilds, self.reset_due) = (orders.rebuilds, true);
            self.still = Still::default();
        }
        self.retries = orders.retries;
        self.reset_if_due().await?;
        let kept = self.store.checkpoint(&name).await?;
        self.at = checkpoint_at(&*self.ledger, kept.position).await?;
        if self.at != kept {
            tracing::warn!(view = %name, "the view is of another ledger; building it anew");
            self.reset_due = true;
            self.reset_if_due().await?;
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

    /// Throws the rows away. First it is said that nothing is applied, then they go: a reader that
    /// sees rows missing sees that too, and asks again.
    async fn reset_if_due(&mut self) -> Result<(), Fault> {
        if self.reset_due {
            self.at = Checkpoint::default();
            self.tell();
            self.store.reset(self.view.name()).await?;
            self.projecting.forget();
            self.reset_due = false;
        }
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
            let most = if self.careful > 0 { 1 } else { events.len() };
            let until_due = events.partition_point(|event| event.position <= due);
            let rest = events.split_off(until_due.min(most));
            let Some(last) = events.last() else { break };
            let to = Checkpoint { position: last.position, recorded_at: last.recorded_at };
            self.trying = (events.len() == 1).then(|| FailingEvent {
                position: last.position,
                event_type: last.event_type.to_string(),
            });
            let step = Step::Project { view: self.view.name().as_str(), events: &events };
            let doing = Doing::begin(self.observer.as_deref(), step, None);
            let changes = self.projecting.changes(&*self.store, &events).await?;
            let batch = Batch { from: self.stored, to, changes };
            self.store.apply(self.view.name(), batch).await?;
            doing.end(Ending::Done);
            (self.at, self.stored, self.keyframe.changed) = (to, to.position, true);
            self.careful = self.careful.saturating_sub(events.len());
            (self.trying, self.still) = (None, Still::default());
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
        self.still = Still::default();
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
        let Self { at: checkpoint, rebuilds, retries, .. } = *self;
        let Still { error, failing, failures } = &self.still;
        let (error, failing, failures) = (error.clone(), failing.clone(), *failures);
        self.told.send_replace(Status { checkpoint, error, failing, failures, rebuilds, retries });
    }
}

/// The event that an error speaks of.
fn named(fault: &Fault) -> Option<FailingEvent> {
    match fault {
        Fault::Unreadable(error) => {
            Some(FailingEvent { position: error.position, event_type: error.event_type.clone() })
        }
        _ => None,
    }
}

/// What a panic says.
fn panicked(panic: &(dyn Any + Send)) -> Fault {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Fault::Bug(format!("it panicked: {text}"))
}
