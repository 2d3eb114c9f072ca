//! Subscribe: every matching event once, in order, and what is recorded from then on (G6).
//!
//! A ledger looks at its files when it is asked for the next signal. So each look is made on a
//! thread that may block, few at a time, and only when the subscriber has taken what the last one
//! found: however many streams catch up, commands go on (G11), and a slow reader costs no memory.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use factum_store::{BoxStream, Position, Query, ReadError, Signal, Subscribe};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, spawn_blocking},
};

use super::{Api, ApiError, apps::Gone};
use crate::access::{Principal, Verb};

/// What one look takes at most.
const SIGNALS_MAX: usize = 64;
/// A look ends with the event that takes it beyond this many bytes of payload.
const BYTES_MAX: usize = 256 << 10;

type Signals = BoxStream<Result<Signal, ReadError>>;

/// What to follow.
#[derive(Debug)]
pub(crate) struct SubscribeEvents {
    pub(crate) ledger: String,
    pub(crate) query: Query,
    pub(crate) after: Position,
}

/// The signals of one subscriber. Its place is free again when it is dropped.
pub(crate) struct Subscription {
    /// Absent while a look is being made, and after the end.
    signals: Option<Signals>,
    /// A look that is being made. It is kept here so that nothing is lost when whoever waits for
    /// it stops waiting.
    looking: Option<JoinHandle<Look>>,
    bell: Arc<Bell>,
    /// Whether there is something to look at: the bell has rung, or the last look was cut short.
    rung: bool,
    looks: Arc<Semaphore>,
    /// Of a ledger that can be deleted meanwhile.
    gone: Option<Gone>,
    _place: Option<OwnedSemaphorePermit>,
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

impl Api {
    pub(crate) async fn subscribe(
        &self,
        principal: &Principal,
        request: SubscribeEvents,
    ) -> Result<Subscription, ApiError> {
        let (served, _) = self.reach(principal, Verb::Read, &request.ledger)?;
        let ledger = self.ledger(principal, Verb::Read, &request.ledger)?;
        let SubscribeEvents { query, after, .. } = request;
        let place = self.bulkheads.subscriptions.enter().await?;
        let signals = ledger.subscribe(Subscribe { query, after });
        let subscription = Subscription::over(signals, Arc::clone(&self.bulkheads.looks));
        Ok(Subscription { _place: Some(place), gone: Some(served.gone()), ..subscription })
    }
}

impl Api {
    /// A place for an answer that is taken bit by bit, as those of subscribers.
    pub(crate) async fn long_answer(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.bulkheads.subscriptions.enter().await
    }
}

impl Subscription {
    /// The server's own, which takes nobody's place and keeps its ledger from being deleted.
    pub(crate) fn over(signals: Signals, looks: Arc<Semaphore>) -> Self {
        let (signals, bell) = (Some(signals), Arc::default());
        Self { signals, looking: None, bell, rung: true, looks, gone: None, _place: None }
    }

    /// The next signals, at least one; `None` at the end, or when the ledger is deleted. Waiting for
    /// them can be given up and begun again without losing any.
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
            tokio::select! {
                () = self.bell.0.notified() => self.rung = true,
                () = gone(&mut self.gone) => {}
            }
        }
        if self.gone.as_ref().is_some_and(Gone::is) {
            self.signals = None;
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

/// Resolves when the ledger is served no more, if that can be.
async fn gone(gone: &mut Option<Gone>) {
    match gone {
        Some(gone) => gone.wait().await,
        None => std::future::pending().await,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use factum::App;
    use factum_store::{
        Append, EventType, Ledger, NewEvent,
        memory::{MemoryLedger, MemoryViewStore},
    };
    use futures_lite::future::block_on;
    use tokio::time::timeout;

    use super::*;
    use crate::Config;

    async fn followed() -> (Arc<dyn Ledger>, Subscription) {
        let app = App::over(Arc::new(MemoryLedger::new()), Arc::new(MemoryViewStore::new()));
        let app = app.await.expect("an application");
        let ledger = Arc::clone(app.ledger());
        let api = Api::new([("l".to_owned(), app)].into(), None, &Config::default());
        let (query, after) = (Query::all(), Position::START);
        let follow = SubscribeEvents { ledger: "l".into(), query, after };
        (ledger, api.subscribe(&Principal::everybody(), follow).await.expect("is followed"))
    }

    fn one() -> Append {
        Append::new([NewEvent::new(EventType::new("a").expect("a name"), "1")])
    }

    #[tokio::test(start_paused = true)]
    async fn g6_what_is_recorded_while_nobody_waits_is_not_missed() {
        let (ledger, mut subscription) = followed().await;
        let caught_up = subscription.next().await.expect("goes on");
        assert!(matches!(caught_up[..], [Ok(Signal::CaughtUp(_))]));
        ledger.append(one()).await.expect("appends");
        // When nothing is left to do, the clock jumps to this end.
        let found = timeout(Duration::from_secs(1), subscription.next()).await;
        let found = found.expect("is told").expect("goes on");
        assert!(matches!(found[0], Ok(Signal::Event(_))));
    }

    /// Waiting is given up again and again, while another thread appends: each event comes once.
    #[tokio::test]
    async fn g6_nothing_is_lost_when_waiting_is_given_up() {
        const EVENTS: u64 = 2_000;
        let (ledger, mut subscription) = followed().await;
        let writing = std::thread::spawn(move || {
            for _ in 0..EVENTS {
                block_on(ledger.append(one())).expect("appends");
            }
        });
        let mut next = 1;
        while next <= EVENTS {
            let Ok(found) = timeout(Duration::ZERO, subscription.next()).await else {
                tokio::task::yield_now().await;
                continue;
            };
            for signal in found.expect("goes on") {
                if let Signal::Event(event) = signal.expect("can be read") {
                    assert_eq!(event.position, Position(next));
                    next += 1;
                }
            }
        }
        writing.join().expect("writes");
    }
}
