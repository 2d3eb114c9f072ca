//! Ports with a twist: everything is passed on, but for what a test changes on the way.

use std::sync::Arc;

use factum::store::{
    Append, AppendError, Batch, BoxFuture, BoxStream, Checkpoint, EventId, Head, IdempotencyKey,
    Keyframe, Ledger, Page, Position, Read, ReadError, Receipt, RecordedEvent, RowsPage,
    RowsRequest, ScratchStore, Signal, StreamInfo, StreamName, Subscribe, Timestamp, ViewError,
    ViewName, ViewSpec, ViewStore,
};

/// What is different about a ledger.
pub(crate) trait LedgerTwist: Send + Sync + 'static {
    fn append<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        append: Append,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        inner.append(append)
    }

    fn read<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        read: Read,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        inner.read(read)
    }

    fn receipt<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        key: IdempotencyKey,
    ) -> BoxFuture<'a, Result<Option<Receipt>, AppendError>> {
        inner.receipt(key)
    }
}

/// A ledger with a twist.
pub(crate) struct TwistedLedger<T> {
    pub(crate) inner: Arc<dyn Ledger>,
    pub(crate) twist: T,
}

impl<T: LedgerTwist> TwistedLedger<T> {
    pub(crate) fn new(inner: impl Ledger, twist: T) -> Arc<Self> {
        Arc::new(Self { inner: Arc::new(inner), twist })
    }
}

impl<T: LedgerTwist> Ledger for TwistedLedger<T> {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        self.twist.append(&*self.inner, append)
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.twist.read(&*self.inner, read)
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>> {
        self.inner.subscribe(subscribe)
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>> {
        self.inner.head()
    }

    fn stream(&self, stream: StreamName) -> BoxFuture<'_, Result<StreamInfo, ReadError>> {
        self.inner.stream(stream)
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>> {
        self.inner.event(id)
    }

    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>> {
        self.twist.receipt(&*self.inner, key)
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.inner.position_at(time)
    }
}

/// What is different about a view store.
pub(crate) trait StoreTwist: Send + Sync + 'static {
    fn apply<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        batch: Batch,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        inner.apply(view, batch)
    }

    fn rows<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'a, Result<RowsPage, ViewError>> {
        inner.rows(view, request)
    }

    fn reset<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        inner.reset(view)
    }

    fn scratch<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        at: Position,
    ) -> BoxFuture<'a, Result<(ScratchStore, Checkpoint), ViewError>> {
        inner.scratch(view, at)
    }
}

/// A view store with a twist.
pub(crate) struct TwistedStore<T> {
    pub(crate) inner: Arc<dyn ViewStore>,
    pub(crate) twist: T,
}

impl<T: StoreTwist> TwistedStore<T> {
    pub(crate) fn new(inner: impl ViewStore, twist: T) -> Arc<Self> {
        Arc::new(Self { inner: Arc::new(inner), twist })
    }
}

impl<T: StoreTwist> ViewStore for TwistedStore<T> {
    fn open(&self, spec: &ViewSpec) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        self.inner.open(spec)
    }

    fn apply(&self, view: &ViewName, batch: Batch) -> BoxFuture<'_, Result<(), ViewError>> {
        self.twist.apply(&*self.inner, view, batch)
    }

    fn checkpoint(&self, view: &ViewName) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        self.inner.checkpoint(view)
    }

    fn rows(
        &self,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'_, Result<RowsPage, ViewError>> {
        self.twist.rows(&*self.inner, view, request)
    }

    fn count(&self, view: &ViewName) -> BoxFuture<'_, Result<u64, ViewError>> {
        self.inner.count(view)
    }

    fn reset(&self, view: &ViewName) -> BoxFuture<'_, Result<(), ViewError>> {
        self.twist.reset(&*self.inner, view)
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
        self.twist.scratch(&*self.inner, view, at)
    }
}
