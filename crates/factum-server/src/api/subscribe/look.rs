//! [`Looking`]: a ledger's signals, look by look. A ledger looks at its files when it is asked for the
//! next signal. So each look is made on a thread that may block, few at a time, and only when what
//! the last one found was taken: however many catch up, commands go on (G11), and memory is bounded.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use factum_store::{BoxStream, Ledger, Position, Query, ReadError, Signal, Subscribe};
use tokio::{
    sync::{Notify, Semaphore},
    task::{JoinHandle, spawn_blocking},
};

/// What one look takes at most.
const SIGNALS_MAX: usize = 64;
/// A look ends with the event that takes it beyond this many bytes of payload.
const BYTES_MAX: usize = 256 << 10;

type Signals = BoxStream<Result<Signal, ReadError>>;

/// The signals of a ledger from a position on.
pub(crate) struct Looking {
    /// Absent while a look is being made, and after the end.
    signals: Option<Signals>,
    /// A look that is being made. It is kept here so that nothing is lost when whoever waits for
    /// it stops waiting.
    looking: Option<JoinHandle<Look>>,
    bell: Arc<Bell>,
    /// Whether there is something to look at: the bell has rung, or the last look was cut short.
    rung: bool,
    looks: Arc<Semaphore>,
}

/// Rung by the ledger when there is more.
#[derive(Default)]
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Kept until somebody waits: a ring between two looks is not missed.
        self.0.notify_one();
    }
}

/// What a look found.
struct Look {
    found: Vec<Result<Signal, ReadError>>,
    /// The stream again, unless it has ended.
    signals: Option<Signals>,
    cut_short: bool,
}

impl Looking {
    pub(super) fn new(
        ledger: &dyn Ledger,
        query: Query,
        after: Position,
        looks: Arc<Semaphore>,
    ) -> Self {
        Self::over(ledger.subscribe(Subscribe { query, after }), looks)
    }

    /// These signals, looked at with others' turns.
    pub(crate) fn over(signals: Signals, looks: Arc<Semaphore>) -> Self {
        Self { signals: Some(signals), looking: None, bell: Arc::default(), rung: true, looks }
    }

    /// The next signals, at least one; `None` at the end. Waiting for them can be given up and
    /// begun again without losing any.
    pub(crate) async fn next(&mut self) -> Option<Vec<Result<Signal, ReadError>>> {
        loop {
            let look = match &mut self.looking {
                Some(looking) => looking.await,
                None => {
                    self.begin_look().await?;
                    continue;
                }
            };
            self.looking = None;
            // A look that panicked was reported by the panic itself; the stream is lost with it.
            let look = look.ok()?;
            self.signals = look.signals;
            self.rung = look.cut_short;
            if !look.found.is_empty() {
                return Some(look.found);
            }
        }
    }

    async fn begin_look(&mut self) -> Option<()> {
        self.signals.as_ref()?;
        if !self.rung {
            self.bell.0.notified().await;
            self.rung = true;
        }
        let turn = Arc::clone(&self.looks).acquire_owned().await.ok()?;
        let (signals, waker) = (self.signals.take()?, Waker::from(Arc::clone(&self.bell)));
        self.looking = Some(spawn_blocking(move || {
            let look = look(signals, &waker);
            drop(turn);
            look
        }));
        Some(())
    }
}

/// Takes what there is, a bounded amount.
fn look(mut signals: Signals, waker: &Waker) -> Look {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut context = Context::from_waker(waker);
    while found.len() < SIGNALS_MAX && bytes < BYTES_MAX {
        match signals.as_mut().poll_next(&mut context) {
            Poll::Pending => return Look { found, signals: Some(signals), cut_short: false },
            Poll::Ready(None) => return Look { found, signals: None, cut_short: false },
            Poll::Ready(Some(signal)) => {
                if let Ok(Signal::Event(event)) = &signal {
                    bytes += event.data.len() + event.metadata.len();
                }
                found.push(signal);
            }
        }
    }
    Look { found, signals: Some(signals), cut_short: true }
}
