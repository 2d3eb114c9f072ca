//! [`QueryThreads`]: where queries wait for the disk and make something of what they find. The kernel
//! lets these threads wait while others have work, so a flood of queries slows commands little (G11).

use rustix::{
    process::{getpriority_process, setpriority_process},
    thread::gettid,
};
use tokio::runtime::{Builder, Handle, Runtime};

/// How far behind the others: a third of their share of a processor, when all of them want one.
const NICE: i32 = 5;
/// Further behind is nobody.
const NICE_MAX: i32 = 19;

/// Threads that only queries have.
pub(crate) struct QueryThreads(Option<Runtime>);

impl QueryThreads {
    /// At most so many; they are made when they are wanted.
    pub(crate) fn new(most: usize) -> Self {
        let threads = Builder::new_current_thread()
            .thread_name("query")
            .max_blocking_threads(most.max(1))
            .on_thread_start(step_back)
            .build();
        Self(threads.ok())
    }

    /// Where work is handed in; without threads of their own, those of the server.
    pub(crate) fn handle(&self) -> Handle {
        self.0.as_ref().map_or_else(Handle::current, |threads| threads.handle().clone())
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        // Whoever drops it must not wait: it may be a thread that others wait for.
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

/// A thread may always have less.
fn step_back() {
    let this = Some(gettid());
    let nicer = |now: i32| setpriority_process(this, (now + NICE).min(NICE_MAX));
    if let Err(error) = getpriority_process(this).and_then(nicer) {
        tracing::debug!(%error, "a query thread is as important as all others");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn g11_queries_wait_while_others_have_work() {
        let nice = || getpriority_process(Some(gettid())).expect("a priority");
        let (threads, here) = (QueryThreads::new(2), nice());
        let there = threads.handle().spawn_blocking(nice).await.expect("no panic");
        assert_eq!(there, (here + NICE).min(NICE_MAX));
        assert_eq!(nice(), here, "and nobody else is");
    }
}
