//! Ports that misbehave: what the framework must cope with, and deliberate bugs that the checks
//! must catch.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use factum::store::{
    Append, AppendError, Batch, BoxFuture, Checkpoint, EventId, IdempotencyKey, Ledger, Page, Read,
    ReadError, Receipt, Timestamp, ViewError, ViewName, ViewStore,
};

use crate::ports::{LedgerTwist, StoreTwist, TwistedLedger};

/// What an append is answered instead of being appended, or after it was.
type Before = Box<dyn Fn(u64, &Append) -> Option<AppendError> + Send + Sync>;

/// A ledger that counts what is read of it, forgets keys, or answers appends with something else.
/// Identities are random, as a real ledger's are.
#[derive(Default)]
pub(crate) struct Odd {
    pub(crate) appends: AtomicU64,
    pub(crate) read: AtomicU64,
    /// Breaks G5.
    pub(crate) forgets_keys: bool,
    /// Breaks G4.
    pub(crate) ignores_conditions: bool,
    pub(crate) before: Option<Before>,
    pub(crate) after: Option<Before>,
}

impl Odd {
    pub(crate) fn over(self, inner: Arc<dyn Ledger>) -> Arc<TwistedLedger<Self>> {
        Arc::new(TwistedLedger { inner, twist: self })
    }
}

impl LedgerTwist for Odd {
    fn append<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        mut append: Append,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        Box::pin(async move {
            let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(error) = self.before.as_ref().and_then(|before| before(number, &append)) {
                return Err(error);
            }
            if self.forgets_keys {
                append.key = None;
            }
            if self.ignores_conditions {
                // Long enough for the others to have read the same.
                tokio::time::sleep(Duration::from_millis(5)).await;
                append.conditions.clear();
            }
            for event in &mut append.events {
                event.id.get_or_insert_with(|| EventId(uuid::Uuid::now_v7()));
            }
            let error = self.after.as_ref().and_then(|after| after(number, &append));
            let receipt = inner.append(append).await?;
            error.map_or(Ok(receipt), Err)
        })
    }

    fn read<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        read: Read,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        Box::pin(async move {
            let page = inner.read(read).await?;
            self.read.fetch_add(page.events.len() as u64, Ordering::SeqCst);
            Ok(page)
        })
    }

    fn receipt<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        key: IdempotencyKey,
    ) -> BoxFuture<'a, Result<Option<Receipt>, AppendError>> {
        match self.forgets_keys {
            true => Box::pin(std::future::ready(Ok(None))),
            false => inner.receipt(key),
        }
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
    pub(crate) habit: Habit,
    pub(crate) on: Arc<Mutex<bool>>,
    /// Only this view is treated so.
    pub(crate) view: &'static str,
}

impl StoreTwist for Unreliable {
    fn apply<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        batch: Batch,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        if view.as_str() != self.view || !*self.on.lock().unwrap() {
            return inner.apply(view, batch);
        }
        match self.habit {
            Habit::Fails => {
                let error = ViewError::Unavailable("the store is down".into());
                Box::pin(std::future::ready(Err(error)))
            }
            Habit::LosesCheckpoints => {
                // Rows in one transaction, and the checkpoint of before in the next.
                let back = Checkpoint { position: batch.from, recorded_at: Timestamp::default() };
                inner.apply(view, Batch { to: back, ..batch })
            }
            Habit::Pretends => inner.apply(view, Batch { changes: Vec::new(), ..batch }),
        }
    }
}
