//! [`MemoryViewStore`]: maps behind a lock. It keeps documents only; it does not speak SQL.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{
    Batch, BoxFuture, Change, Checkpoint, Invalid, Keyframe, Position, Row, RowsPage, RowsRequest,
    ScratchStore, Shape, ViewError, ViewName, ViewSpec, ViewStore,
};

/// Views in memory.
#[derive(Clone, Default)]
pub struct MemoryViewStore {
    views: Arc<Mutex<BTreeMap<ViewName, View>>>,
}

#[derive(Clone, Default)]
struct View {
    fingerprint: u64,
    now: Kept,
    keyframes: Vec<Kept>,
}

#[derive(Clone, Default)]
struct Kept {
    checkpoint: Checkpoint,
    documents: BTreeMap<String, Bytes>,
}

impl MemoryViewStore {
    /// A store without views.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ViewName, View>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        name: &ViewName,
        act: impl FnOnce(&mut View) -> Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        let mut views = self.lock();
        act(views.get_mut(name).ok_or_else(|| ViewError::Unknown(name.to_string()))?)
    }
}

impl View {
    fn apply(&mut self, name: &ViewName, batch: Batch) -> Result<(), ViewError> {
        let (view, actual) = (name.to_string(), self.now.checkpoint.position);
        if batch.from != actual {
            return Err(ViewError::Checkpoint { view, expected: batch.from, actual });
        }
        let mut next = self.now.clone();
        for change in batch.changes {
            match change {
                Change::Put { key, document } => drop(next.documents.insert(key, document)),
                Change::Delete { key } => drop(next.documents.remove(&key)),
                Change::Execute(_) => {
                    let problem = "the memory store does not speak SQL".into();
                    return Err(ViewError::Statement { view, problem });
                }
            }
        }
        next.checkpoint = batch.to;
        self.now = next;
        Ok(())
    }

    fn rows(&self, request: &RowsRequest) -> RowsPage {
        let fits = |key: &str| {
            request.key.as_deref().is_none_or(|wanted| wanted == key)
                && request.cursor.as_deref().is_none_or(|cursor| cursor < key)
        };
        let mut rows: Vec<_> = (self.now.documents.iter())
            .filter(|(key, _)| fits(key))
            .take(request.limit.saturating_add(1))
            .map(|(key, document)| Row { key: key.clone(), document: document.clone() })
            .collect();
        let more = rows.len() > request.limit;
        rows.truncate(request.limit);
        let next = rows.last().filter(|_| more).map(|row| row.key.clone());
        RowsPage { rows, next, checkpoint: self.now.checkpoint }
    }
}

impl Kept {
    fn keyframe(&self) -> Keyframe {
        Keyframe { checkpoint: self.checkpoint, rows: self.documents.len() as u64 }
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl ViewStore for MemoryViewStore {
    fn open(&self, spec: &ViewSpec) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        if let Shape::Rows { .. } = spec.shape {
            let problem = "the memory store keeps documents only".into();
            return ready(Err(ViewError::Statement { view: spec.name.to_string(), problem }));
        }
        let mut views = self.lock();
        let view = views.entry(spec.name.clone()).or_default();
        if view.fingerprint != spec.fingerprint {
            *view = View { fingerprint: spec.fingerprint, ..View::default() };
        }
        ready(Ok(view.now.checkpoint))
    }

    fn apply(&self, view: &ViewName, batch: Batch) -> BoxFuture<'_, Result<(), ViewError>> {
        ready(self.with(view, |kept| kept.apply(view, batch)))
    }

    fn checkpoint(&self, view: &ViewName) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        ready(self.with(view, |view| Ok(view.now.checkpoint)))
    }

    fn rows(
        &self,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'_, Result<RowsPage, ViewError>> {
        if request.limit == 0 {
            return ready(Err(Invalid::new("limit", "is 0; it must be at least 1").into()));
        }
        ready(self.with(view, |view| Ok(view.rows(&request))))
    }

    fn count(&self, view: &ViewName) -> BoxFuture<'_, Result<u64, ViewError>> {
        ready(self.with(view, |view| Ok(view.now.documents.len() as u64)))
    }

    fn reset(&self, view: &ViewName) -> BoxFuture<'_, Result<(), ViewError>> {
        ready(self.with(view, |view| {
            view.now = Kept::default();
            view.keyframes.clear();
            Ok(())
        }))
    }

    fn keep_keyframe(&self, view: &ViewName) -> BoxFuture<'_, Result<Keyframe, ViewError>> {
        ready(self.with(view, |view| {
            view.keyframes.retain(|kept| kept.checkpoint != view.now.checkpoint);
            view.keyframes.push(view.now.clone());
            view.keyframes.sort_by_key(|kept| kept.checkpoint.position);
            Ok(view.now.keyframe())
        }))
    }

    fn keyframes(&self, view: &ViewName) -> BoxFuture<'_, Result<Vec<Keyframe>, ViewError>> {
        ready(self.with(view, |view| Ok(view.keyframes.iter().map(Kept::keyframe).collect())))
    }

    fn scratch(
        &self,
        view: &ViewName,
        at: Position,
    ) -> BoxFuture<'_, Result<(ScratchStore, Checkpoint), ViewError>> {
        ready(self.with(view, |kept| {
            let mut earlier = kept.keyframes.iter().rev();
            let now = earlier.find(|kept| kept.checkpoint.position <= at).cloned();
            let now = now.unwrap_or_default();
            let checkpoint = now.checkpoint;
            let scratch = View { fingerprint: kept.fingerprint, now, keyframes: Vec::new() };
            let views = BTreeMap::from([(view.clone(), scratch)]);
            let store = Self { views: Arc::new(Mutex::new(views)) };
            Ok((Box::new(store) as ScratchStore, checkpoint))
        }))
    }
}
