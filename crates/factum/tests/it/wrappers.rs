//! Ports that misbehave: what the framework must cope with, and deliberate bugs that the checks
//! must catch.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use factum::store::{
    Append, AppendError, Batch, BoxFuture, BoxStream, Checkpoint, EventId, Head, IdempotencyKey,
    Keyframe, Ledger, Page, Position, Read, ReadError, Receipt, RecordedEvent, RowsPage,
    RowsRequest, ScratchStore, Signal, Subscribe, Timestamp, ViewError, ViewName, ViewSpec,
    ViewStore,
};

/// What an append is answered instead of being appended, or after it was.
type Before = Box<dyn Fn(u64, &Append) -> Option<AppendError> + Send + Sync>;

/// A ledger that counts what is read of it, forgets keys, or answers appends with something else.
pub(crate) struct Odd {
    pub(crate) inner: Arc<dyn Ledger>,
    pub(crate) appends: AtomicU64,
    pub(crate) read: AtomicU64,
    pub(crate) forgets_keys: bool,
    pub(crate) before: Option<Before>,
    pub(crate) after: Option<Before>,
}

impl Odd {
    pub(crate) fn over(inner: Arc<dyn Ledger>) -> Self {
        let (appends, read) = Default::default();
        Self { inner, appends, read, forgets_keys: false, before: None, after: None }
    }
}

impl Ledger for Odd {
    fn append(&self, mut append: Append) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        Box::pin(async move {
            let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(error) = self.before.as_ref().and_then(|before| before(number, &append)) {
                return Err(error);
            }
            if self.forgets_keys {
                append.key = None;
            }
            let error = self.after.as_ref().and_then(|after| after(number, &append));
            let receipt = self.inner.append(append).await?;
            error.map_or(Ok(receipt), Err)
        })
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            let page = self.inner.read(read).await?;
            self.read.fetch_add(page.events.len() as u64, Ordering::SeqCst);
            Ok(page)
        })
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>> {
        self.inner.subscribe(subscribe)
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>> {
        self.inner.head()
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>> {
        self.inner.event(id)
    }

    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>> {
        match self.forgets_keys {
            true => Box::pin(std::future::ready(Ok(None))),
            false => self.inner.receipt(key),
        }
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.inner.position_at(time)
    }
}

/// How a view store misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Fails to apply while `on`.
    Fails,
    /// Writes the rows of a batch and forgets the checkpoint, as a crash between two transactions
    /// would (breaks G7).
    LosesCheckpoints,
    /// Says that a batch was applied without applying it (breaks G9).
    Pretends,
}

/// A view store with a bad habit.
pub(crate) struct Unreliable {
    pub(crate) inner: Arc<dyn ViewStore>,
    pub(crate) habit: Habit,
    pub(crate) on: Arc<Mutex<bool>>,
    /// Only this view is treated so.
    pub(crate) view: &'static str,
}

impl Unreliable {
    fn on(&self, view: &ViewName) -> bool {
        view.as_str() == self.view && *self.on.lock().unwrap()
    }
}

impl ViewStore for Unreliable {
    fn open(&self, spec: &ViewSpec) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        self.inner.open(spec)
    }

    fn apply(&self, view: &ViewName, batch: Batch) -> BoxFuture<'_, Result<(), ViewError>> {
        if !self.on(view) {
            return self.inner.apply(view, batch);
        }
        match self.habit {
            Habit::Fails => {
                let error = ViewError::Unavailable("the store is down".into());
                Box::pin(std::future::ready(Err(error)))
            }
            Habit::LosesCheckpoints => {
                // Rows in one transaction, and the checkpoint of before in the next.
                let back = Checkpoint { position: batch.from, recorded_at: Timestamp::default() };
                self.inner.apply(view, Batch { to: back, ..batch })
            }
            Habit::Pretends => self.inner.apply(view, Batch { changes: Vec::new(), ..batch }),
        }
    }

    fn checkpoint(&self, view: &ViewName) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        self.inner.checkpoint(view)
    }

    fn rows(
        &self,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'_, Result<RowsPage, ViewError>> {
        self.inner.rows(view, request)
    }

    fn count(&self, view: &ViewName) -> BoxFuture<'_, Result<u64, ViewError>> {
        self.inner.count(view)
    }

    fn reset(&self, view: &ViewName) -> BoxFuture<'_, Result<(), ViewError>> {
        self.inner.reset(view)
    }

    fn keep_keyframe(&self, view: &ViewName) -> BoxFuture<'_, Result<Keyframe, ViewError>> {
        self.inner.keep_keyframe(view)
    }

    fn keyframes(&self, view: &ViewName) -> BoxFuture<'_, Result<Vec<Keyframe>, ViewError>> {
        self.inner.keyframes(view)
    }

    fn scratch(
        &self,
        view: &ViewName,
        at: Position,
    ) -> BoxFuture<'_, Result<(ScratchStore, Checkpoint), ViewError>> {
        self.inner.scratch(view, at)
    }
}
