//! Bulkheads: commands, queries and subscriptions each have places of their own, so a surge of one
//! kind neither stops nor slows another (G11).

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::timeout,
};

use super::{ApiError, query_threads::QueryThreads, room::Room};
use crate::{Config, metrics::PlacesNow};

/// Looks of subscriptions at a time: each is short, and all subscriptions take turns.
const LOOKS_MAX: usize = 8;
/// Looks at how the server is at a time.
const CHECKS_MAX: usize = 2;

/// One for each kind of request.
pub(crate) struct Bulkheads {
    pub(crate) commands: Bulkhead,
    pub(crate) queries: Bulkhead,
    /// Queries that wait for a view to have seen something.
    pub(crate) waiting_queries: Bulkhead,
    pub(crate) subscriptions: Bulkhead,
    /// Consumers that wait for events of their group.
    pub(crate) consumers: Bulkhead,
    pub(crate) compactions: Bulkhead,
    pub(crate) verifications: Bulkhead,
    pub(crate) backups: Bulkhead,
    /// Looks at how the server is: whoever watches it must be answered while all else is full.
    pub(crate) checks: Bulkhead,
    /// Bytes of requests.
    pub(crate) room: Arc<Room>,
    /// Looks that subscriptions make at the ledger's files.
    pub(crate) looks: Arc<Semaphore>,
}

impl Bulkheads {
    pub(crate) fn new(config: &Config) -> Self {
        let of = |what, places| Bulkhead::new(what, places, config.patience);
        let threads = match QueryThreads::new() {
            Ok(threads) => Some(Arc::new(threads)),
            Err(error) => {
                tracing::warn!(%error, "queries have no threads of their own: a flood of them slows commands");
                None
            }
        };
        let on_theirs = |bulkhead| Bulkhead { threads: threads.clone(), ..bulkhead };
        Self {
            commands: of("commands", config.commands_max),
            queries: on_theirs(of("queries", config.queries_max)),
            waiting_queries: on_theirs(of("queries", config.queries_max)),
            subscriptions: of("subscriptions", config.subscriptions_max),
            consumers: of("consumers", config.consumers_max),
            compactions: of("compactions", 1),
            verifications: of("verifications", 1),
            backups: of("backups", 1),
            checks: of("checks", CHECKS_MAX),
            room: Arc::new(Room::new(config)),
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
        }
    }

    /// How many places there are, and how many are taken.
    pub(crate) fn now(&self) -> Vec<PlacesNow> {
        let waiting = PlacesNow { of: "waiting_queries", ..self.waiting_queries.now() };
        let (commands, queries) = (self.commands.now(), self.queries.now());
        let (subscriptions, consumers) = (self.subscriptions.now(), self.consumers.now());
        let jobs = [self.compactions.now(), self.verifications.now(), self.backups.now()];
        let all = [commands, queries, waiting, subscriptions, consumers];
        all.into_iter().chain(jobs).chain([self.room.now()]).collect()
    }
}

/// A bounded number of places.
pub(crate) struct Bulkhead {
    what: &'static str,
    all: usize,
    places: Arc<Semaphore>,
    patience: Duration,
    /// How many found no place in time.
    refused: AtomicU64,
    /// Where its work waits; the server's own threads unless it has some.
    threads: Option<Arc<QueryThreads>>,
}

impl Bulkhead {
    pub(super) fn new(what: &'static str, places: usize, patience: Duration) -> Self {
        let all = places.clamp(1, Semaphore::MAX_PERMITS);
        let (places, refused) = (Arc::new(Semaphore::new(all)), AtomicU64::new(0));
        Self { what, all, places, patience, refused, threads: None }
    }

    pub(super) fn now(&self) -> PlacesNow {
        let (of, all) = (self.what, self.all);
        let taken = all.saturating_sub(self.places.available_permits());
        PlacesNow { of, all, taken, refused: self.refused.load(Ordering::Relaxed) }
    }

    /// A place, kept until it is dropped.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.enter_with(1).await
    }

    /// So many places at once.
    pub(super) async fn enter_with(&self, many: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        // Nearly always there is one: then no timer is wanted.
        if let Some(places) = self.enter_now(many) {
            return Ok(places);
        }
        let wanted = u32::try_from(many).unwrap_or(u32::MAX);
        if many > self.all {
            return Err(self.refuse());
        }
        match timeout(self.patience, Arc::clone(&self.places).acquire_many_owned(wanted)).await {
            Ok(Ok(places)) => Ok(places),
            Ok(Err(_)) | Err(_) => Err(self.refuse()),
        }
    }

    /// So many places, if they are free.
    pub(super) fn enter_now(&self, many: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(many).unwrap_or(u32::MAX);
        Arc::clone(&self.places).try_acquire_many_owned(wanted).ok()
    }

    pub(super) fn refuse(&self) -> ApiError {
        self.refused.fetch_add(1, Ordering::Relaxed);
        ApiError::Busy { what: self.what }
    }

    /// Does work that waits without holding up its thread.
    pub(crate) async fn run_here<T>(&self, work: impl Future<Output = T>) -> Result<T, ApiError> {
        let _place = self.enter().await?;
        Ok(work.await)
    }

    /// Does work that may wait for a disk: on a thread that may, so that it never holds up those
    /// that answer others. Queries share a few, and take turns where their work is long. Work that
    /// has begun is finished even when the asker goes away.
    pub(crate) async fn run<T, W>(&self, work: W) -> Result<T, ApiError>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let Some(own) = &self.threads else { return self.run_long(work).await };
        let place = self.enter().await?;
        ended(own.handle().spawn(async move { (work.await, drop(place)).0 })).await
    }

    /// The same for work that may hold its thread for long, such as a replay of the past.
    pub(crate) async fn run_long<T, W>(&self, work: W) -> Result<T, ApiError>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let (place, runtime) = (self.enter().await?, Handle::current());
        let threads = self.threads.as_ref().map_or(&runtime, |own| own.handle()).clone();
        let working = move || (runtime.block_on(work), drop(place)).0;
        ended(threads.spawn_blocking(working)).await
    }
}

/// What a task came to; a panic in it goes on here.
async fn ended<T>(task: JoinHandle<T>) -> Result<T, ApiError> {
    task.await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => ApiError::Stopping,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_a_place_one_is_told_so_and_the_place_comes_back() {
        let bulkhead = Bulkhead::new("queries", 1, Duration::from_secs(2));
        let place = bulkhead.enter().await.expect("is free");
        assert!(matches!(bulkhead.enter().await, Err(ApiError::Busy { what: "queries" })));
        drop(place);
        assert!(bulkhead.enter().await.is_ok());
    }
}
