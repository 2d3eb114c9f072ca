//! [`QueryThreads`]: where queries wait for the disk and make something of what they find. They are
//! few, take turns, and the kernel lets them wait while others have work, so a flood of queries slows
//! commands little (G11).

use std::{io, thread::available_parallelism};

use rustix::{process::setpriority_process, thread::gettid};
use tokio::runtime::{Builder, Handle, Runtime};

/// One for each processor, and never one alone: it may wait for the disk. More would not answer
/// sooner, and whoever answers commands would have to share its processor with all of them.
const THREADS_MIN: usize = 2;
/// As far behind as one can be with a share of a processor still, a seventieth of that of the others
/// when all of them want one: with a tenth (10) commands took 15 % longer, and queries no less.
const NICE: i32 = 19;

/// Threads that only queries have: some for short ones, and as many for those that go through the
/// past, which would hold up the others.
pub(crate) struct QueryThreads {
    handle: Handle,
    /// Absent while it is being dropped.
    runtime: Option<Runtime>,
}

impl QueryThreads {
    /// # Errors
    /// When there are no more threads to be had.
    pub(crate) fn new() -> io::Result<Self> {
        let processors = available_parallelism().map_or(THREADS_MIN, usize::from);
        let threads = processors.max(THREADS_MIN);
        let runtime = Builder::new_multi_thread()
            .thread_name("query")
            .worker_threads(threads)
            .max_blocking_threads(threads)
            .on_thread_start(step_back)
            .enable_time()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Where work is handed in.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        // Whoever drops it must not wait: it may be a thread that others wait for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A thread may always have less.
fn step_back() {
    if let Err(error) = setpriority_process(Some(gettid()), NICE) {
        tracing::debug!(%error, "a query thread is as important as all others");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[tokio::test]
    async fn g11_queries_wait_while_others_have_work() {
        let nice = || getpriority_process(Some(gettid())).expect("a priority");
        let (threads, here) = (QueryThreads::new().expect("threads"), nice());
        let there = threads.handle().spawn(async move { nice() }).await.expect("no panic");
        let past = threads.handle().spawn_blocking(nice).await.expect("no panic");
        assert_eq!([there, past], [NICE; 2]);
        assert_eq!(nice(), here, "and nobody else is");
    }
}
