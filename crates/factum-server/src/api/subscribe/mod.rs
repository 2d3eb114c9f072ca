//! Subscribe: every matching event once, in order, and what is recorded from then on (G6).
//!
//! Who has to catch up looks on its own; who has caught up is told with all others that follow the
//! same. Nothing is sought for a reader before it has taken the last: a slow one costs no memory, and
//! one that takes nothing at all loses its place and is told where to go on (G11, G12).

mod head;
mod look;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use factum_store::{Ledger, Position, Query, ReadError, Signal};
use tokio::{
    sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{Api, ApiError, apps::Gone};
use crate::{
    access::{Principal, Verb},
    metrics::Metrics,
};
pub(crate) use head::Heads;
use head::{Member, upto};
pub(crate) use look::Looking;

/// What to follow.
#[derive(Debug)]
pub(crate) struct SubscribeEvents {
    pub(crate) ledger: String,
    pub(crate) query: Query,
    pub(crate) after: Position,
}

/// The signals of one subscriber. Its place is free again when it is dropped, and when nobody has
/// asked for the next ones for too long.
pub(crate) struct Subscription {
    kept: Arc<Mutex<Kept>>,
    /// Up to where the subscriber was told everything.
    told: Arc<AtomicU64>,
    watch: AbortHandle,
    /// When the ledger is deleted.
    gone: Gone,
}

struct Kept {
    /// Absent after the end.
    follower: Option<Follower>,
    /// Why it has ended, to be said once.
    problem: Option<ReadError>,
    /// When the subscriber last waited for something.
    waited: Instant,
}

/// Follows one query on one ledger.
struct Follower {
    ledger: Arc<dyn Ledger>,
    query: Query,
    told: Arc<AtomicU64>,
    heads: Arc<Heads>,
    looks: Arc<Semaphore>,
    source: Source,
    _place: OwnedSemaphorePermit,
}

enum Source {
    Own(Looking),
    Shared(Member),
}

impl Api {
    pub(crate) async fn subscribe(
        &self,
        principal: &Principal,
        request: SubscribeEvents,
    ) -> Result<Subscription, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, &request.ledger)?;
        let gone = self.gone(&request.ledger)?;
        let SubscribeEvents { query, after, .. } = request;
        let place = self.bulkheads.subscriptions.enter().await?;
        let looks = Arc::clone(&self.bulkheads.looks);
        let source = Source::Own(Looking::new(&*ledger, query.clone(), after, Arc::clone(&looks)));
        let (told, heads) = (Arc::new(AtomicU64::new(after.0)), Arc::clone(&self.heads));
        let follower = Follower {
            ledger,
            query,
            told: Arc::clone(&told),
            heads,
            looks,
            source,
            _place: place,
        };
        let kept = Kept { follower: Some(follower), problem: None, waited: Instant::now() };
        let kept = Arc::new(Mutex::new(kept));
        let (patience, metrics) = (self.slowest, Arc::clone(&self.metrics));
        let watching = watch(Arc::downgrade(&kept), gone.clone(), patience, metrics);
        let watch = tokio::spawn(watching).abort_handle();
        Ok(Subscription { kept, told, watch, gone })
    }

    /// A place for an answer that is taken bit by bit, as those of subscribers.
    pub(crate) async fn long_answer(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.bulkheads.subscriptions.enter().await
    }

    pub(super) fn gone(&self, ledger: &str) -> Result<Gone, ApiError> {
        let unknown = || ApiError::UnknownLedger { ledger: ledger.to_owned() };
        Ok(self.apps.get(ledger).ok_or_else(unknown)?.gone())
    }
}

impl Subscription {
    /// The next signals, at least one; `None` at the end, or when the ledger is deleted. Waiting for
    /// them can be given up and begun again without losing any.
    pub(crate) async fn next(&mut self) -> Option<Vec<Result<Signal, ReadError>>> {
        let mut waiting = Waiting(self.kept.lock().await);
        let kept = &mut *waiting.0;
        let found = match &mut kept.follower {
            Some(follower) => tokio::select! {
                found = follower.next() => found,
                () = self.gone.wait() => None,
            },
            None => kept.problem.take().map(|problem| vec![Err(problem)]),
        };
        if found.is_none() {
            kept.follower = None;
        }
        found
    }

    /// Up to where the subscriber was told everything: it goes on after that.
    pub(crate) fn told(&self) -> Position {
        Position(self.told.load(Ordering::Relaxed))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// As long as it is there somebody waits for the next signals.
struct Waiting<'a>(MutexGuard<'a, Kept>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waited = Instant::now();
    }
}

/// Ends a subscription that nobody has waited at for so long: its reader takes nothing. And one whose
/// ledger is deleted.
async fn watch(kept: Weak<Mutex<Kept>>, mut gone: Gone, patience: Duration, metrics: Arc<Metrics>) {
    let mut look_at = Instant::now() + patience;
    loop {
        let gone = tokio::select! {
            () = sleep_until(look_at) => false,
            () = gone.wait() => true,
        };
        let Some(kept) = kept.upgrade() else { return };
        if gone {
            // Who holds it waits, and is told there. Who was told something else at the same moment
            // may never ask again: its reader takes nothing, and the ledger would be in use for as
            // long as it takes nothing.
            kept.lock().await.follower = None;
            return;
        }
        // Who holds it waits for something.
        look_at = match kept.try_lock() {
            Err(_) => Instant::now() + patience,
            Ok(kept) if kept.follower.is_none() => return,
            Ok(kept) if kept.waited.elapsed() < patience => kept.waited + patience,
            Ok(mut kept) => {
                kept.follower = None;
                let seconds = patience.as_secs_f64();
                let why = format!("nothing of the stream was taken for {seconds} s; come back");
                kept.problem = Some(ReadError::Unavailable(why));
                metrics.slow_readers.inc();
                return;
            }
        };
    }
}

impl Follower {
    async fn next(&mut self) -> Option<Vec<Result<Signal, ReadError>>> {
        loop {
            match &mut self.source {
                Source::Own(looking) => {
                    let found = looking.next().await?;
                    self.tell(found.iter().flatten());
                    if let Some(Ok(Signal::CaughtUp(_))) = found.last() {
                        self.join();
                    }
                    return Some(found);
                }
                Source::Shared(member) => match member.next().await {
                    Some(found) => {
                        self.tell(&found);
                        return Some(found.into_iter().map(Ok).collect());
                    }
                    None => {
                        let (query, looks) = (self.query.clone(), Arc::clone(&self.looks));
                        let looking = Looking::new(&*self.ledger, query, self.told(), looks);
                        self.source = Source::Own(looking);
                    }
                },
            }
        }
    }

    /// From here on it is told with all others that follow the same, if that can be.
    fn join(&mut self) {
        if let Some(member) = self.heads.join(&self.ledger, &self.query, self.told()) {
            self.source = Source::Shared(member);
        }
    }

    fn tell<'a>(&self, signals: impl IntoIterator<Item = &'a Signal>) {
        let last = signals.into_iter().map(upto).max().unwrap_or_default();
        self.told.fetch_max(last.0, Ordering::Relaxed);
    }

    fn told(&self) -> Position {
        Position(self.told.load(Ordering::Relaxed))
    }
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
