//! [`Runtime`]: where the connection's work is done. The port `Ledger` is futures without a runtime,
//! which may be awaited anywhere; a connection needs one. On a runtime of several threads its work is
//! done there; otherwise on a thread of its own, so that whoever blocks on a future of the port never
//! waits for themselves.

use std::{future::Future, io};

use tokio::{
    runtime::{self, Handle, RuntimeFlavor},
    task::{JoinError, JoinHandle},
};

pub(crate) struct Runtime {
    handle: Handle,
    own: Option<runtime::Runtime>,
}

impl Runtime {
    pub(crate) fn here() -> io::Result<Self> {
        let multi = |handle: &Handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread;
        if let Some(handle) = Handle::try_current().ok().filter(multi) {
            return Ok(Self { handle, own: None });
        }
        let own = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("factum-client")
            .enable_all()
            .build()?;
        Ok(Self { handle: own.handle().clone(), own: Some(own) })
    }

    pub(crate) fn enter<T>(&self, make: impl FnOnce() -> T) -> T {
        let _entered = self.handle.enter();
        make()
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(work)
    }

    /// Does the work there; it is finished even when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        self.spawn(work).await
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // The last use may end on a thread that must not wait.
        if let Some(own) = self.own.take() {
            own.shutdown_background();
        }
    }
}
