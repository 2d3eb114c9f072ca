//! [`Streams`]: how many requests of a connection are being answered. One over HTTP/2 that has none
//! for long is ended in order; otherwise it would be there for as long as its client answers pings
//! (G12). Over HTTP/1.1 the time for the next head does the same.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::rt::Executor;
use tokio::time::{Instant, sleep_until};

/// The requests of one connection, each of them a task of its own over HTTP/2.
#[derive(Clone)]
pub(crate) struct Streams(Arc<State>);

struct State {
    begun: Instant,
    open: AtomicUsize,
    /// When the last one ended, in milliseconds since it began.
    ended_at: AtomicU64,
    /// Whether they are not tasks: then nothing is known of them.
    take_turns: AtomicBool,
}

impl Streams {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            begun: Instant::now(),
            open: AtomicUsize::new(0),
            ended_at: AtomicU64::new(0),
            take_turns: AtomicBool::new(false),
        }))
    }

    /// The connection speaks HTTP/1.1.
    pub(crate) fn take_turns(&self) {
        self.0.take_turns.store(true, Ordering::Relaxed);
    }

    /// Resolves when there was none for so long. It looks now and then, and so may be late by as much.
    pub(crate) async fn idle(&self, patience: Duration) {
        let mut look_at = Instant::now() + patience;
        loop {
            sleep_until(look_at).await;
            if self.0.take_turns.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            let since = Duration::from_millis(self.0.ended_at.load(Ordering::Relaxed));
            let idle = self.0.begun.elapsed().saturating_sub(since);
            let open = self.0.open.load(Ordering::Relaxed) > 0;
            match (open, patience.checked_sub(idle)) {
                (false, None | Some(Duration::ZERO)) => return,
                (false, Some(rest)) => look_at = Instant::now() + rest,
                (true, _) => look_at = Instant::now() + patience,
            }
        }
    }
}

/// One request that is being answered.
struct Open(Arc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        let now = self.0.begun.elapsed().as_millis();
        self.0.ended_at.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, request: F) {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(&self.0));
        tokio::spawn(async move {
            request.await;
            drop(open);
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_without_requests_is_idle() {
        let (streams, begun) = (Streams::new(), Instant::now());
        streams.execute(sleep(Duration::from_secs(600)));
        streams.execute(sleep(Duration::from_secs(1)));
        streams.idle(PATIENCE).await;
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(660) && took <= Duration::from_secs(720), "{took:?}");
        let (silent, begun) = (Streams::new(), Instant::now());
        silent.idle(PATIENCE).await;
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_known_of_requests_that_take_turns() {
        let streams = Streams::new();
        streams.take_turns();
        assert!(timeout(100 * PATIENCE, streams.idle(PATIENCE)).await.is_err());
    }
}
