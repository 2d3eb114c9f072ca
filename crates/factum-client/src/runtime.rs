//! [`Runtime`]: where the connection's work is done. The port `Ledger` is futures without a runtime,
//! which may be awaited anywhere; a connection needs one. On a runtime of several threads its work is
//! done there; otherwise on one thread that all such clients of the process share, so that whoever
//! blocks on a future of the port never waits for themselves. That thread stays: what was begun by a
//! client goes on when the client is gone.

use std::{
    future::Future,
    io,
    sync::{Mutex, PoisonError},
};

use tokio::{
    runtime::{self, Handle, RuntimeFlavor},
    task::{JoinError, JoinHandle},
};

/// The shared thread, from its first use on.
static SHARED: Mutex<Option<runtime::Runtime>> = Mutex::new(None);

pub(crate) struct Runtime(Handle);

impl Runtime {
    pub(crate) fn here() -> io::Result<Self> {
        let multi = |handle: &Handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread;
        if let Some(handle) = Handle::try_current().ok().filter(multi) {
            return Ok(Self(handle));
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = &*shared {
            return Ok(Self(shared.handle().clone()));
        }
        let one = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("factum-client")
            .enable_all()
            .build()?;
        let handle = one.handle().clone();
        *shared = Some(one);
        Ok(Self(handle))
    }

    pub(crate) fn enter<T>(&self, make: impl FnOnce() -> T) -> T {
        let _entered = self.0.enter();
        make()
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.spawn(work)
    }

    /// Does the work there; it is finished even when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        self.spawn(work).await
    }
}
