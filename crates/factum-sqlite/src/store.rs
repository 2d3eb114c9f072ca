//! [`SqliteViews`]: the views of one ledger, each in its own file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use factum_store::{
    Batch, BoxFuture, Bytes, Checkpoint, Keyframe, Position, RowsPage, RowsRequest, ScratchStore,
    ViewError, ViewName, ViewSpec, ViewStore,
};
use parking_lot::RwLock;

use crate::{keyframe::Keyframes, rows, view_file::ViewFile};

/// Views in SQLite files of one directory.
pub struct SqliteViews {
    /// `None` for a scratch copy in memory.
    dir: Option<PathBuf>,
    views: RwLock<BTreeMap<ViewName, Arc<ViewFile>>>,
}

impl SqliteViews {
    /// The views in `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// [`ViewError::Unavailable`] when the directory can't be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, ViewError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(|error| {
            ViewError::Unavailable(format!(
                "the directory {} can't be made: {error}",
                dir.display()
            ))
        })?;
        Ok(Self { dir: Some(dir), views: RwLock::default() })
    }

    /// Answers a question in SQL about one view, as JSON objects: read-only, at most `limit` rows.
    ///
    /// # Errors
    /// [`ViewError::Unknown`] for a view that is not open, [`ViewError::Statement`] for SQL that is
    /// wrong or does more than read.
    pub fn query(&self, view: &ViewName, sql: &str, limit: usize) -> Result<Vec<Bytes>, ViewError> {
        rows::question(&*self.view(view)?, sql, limit)
    }

    fn view(&self, name: &ViewName) -> Result<Arc<ViewFile>, ViewError> {
        let found = self.views.read().get(name).cloned();
        found.ok_or_else(|| ViewError::Unknown(name.to_string()))
    }

    fn open_view(&self, spec: &ViewSpec) -> Result<Checkpoint, ViewError> {
        if let Some(open) = self.views.read().get(&spec.name)
            && open.spec == *spec
        {
            return open.checkpoint();
        }
        let Some(dir) = &self.dir else {
            return Err(ViewError::Unknown(spec.name.to_string()));
        };
        let mut views = self.views.write();
        // The old connections go before the file is opened again.
        views.remove(&spec.name);
        let view = ViewFile::open(dir.join(format!("{}.sqlite", spec.name)), spec.clone())?;
        Keyframes::of(dir, spec).remove_others()?;
        let checkpoint = view.checkpoint()?;
        views.insert(spec.name.clone(), Arc::new(view));
        Ok(checkpoint)
    }

    fn keyframes_of(&self, view: &ViewFile) -> Result<Keyframes, ViewError> {
        let dir: Option<&Path> = self.dir.as_deref();
        let dir = dir.ok_or_else(|| {
            ViewError::Unavailable("a scratch copy keeps no keyframes of its own".into())
        })?;
        Ok(Keyframes::of(dir, &view.spec))
    }

    fn scratch_of(
        &self,
        name: &ViewName,
        at: Position,
    ) -> Result<(ScratchStore, Checkpoint), ViewError> {
        let view = self.view(name)?;
        let (scratch, checkpoint) = self.keyframes_of(&view)?.scratch(&view.spec, at)?;
        let views = RwLock::new(BTreeMap::from([(name.clone(), Arc::new(scratch))]));
        Ok((Box::new(Self { dir: None, views }), checkpoint))
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl ViewStore for SqliteViews {
    fn open(&self, spec: &ViewSpec) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        ready(self.open_view(spec))
    }

    fn apply(&self, view: &ViewName, batch: Batch) -> BoxFuture<'_, Result<(), ViewError>> {
        ready(self.view(view).and_then(|view| view.apply(&batch)))
    }

    fn checkpoint(&self, view: &ViewName) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        ready(self.view(view).and_then(|view| view.checkpoint()))
    }

    fn rows(
        &self,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'_, Result<RowsPage, ViewError>> {
        ready(self.view(view).and_then(|view| rows::list(&view, &request)))
    }

    fn count(&self, view: &ViewName) -> BoxFuture<'_, Result<u64, ViewError>> {
        ready(self.view(view).and_then(|view| view.count()))
    }

    fn reset(&self, view: &ViewName) -> BoxFuture<'_, Result<(), ViewError>> {
        ready(self.view(view).and_then(|view| {
            self.keyframes_of(&view)?.clear()?;
            view.reset()
        }))
    }

    fn keep_keyframe(&self, view: &ViewName) -> BoxFuture<'_, Result<Keyframe, ViewError>> {
        ready(self.view(view).and_then(|view| self.keyframes_of(&view)?.keep(&view)))
    }

    fn keyframes(&self, view: &ViewName) -> BoxFuture<'_, Result<Vec<Keyframe>, ViewError>> {
        ready(self.view(view).and_then(|view| self.keyframes_of(&view)?.list()))
    }

    fn scratch(
        &self,
        view: &ViewName,
        at: Position,
    ) -> BoxFuture<'_, Result<(ScratchStore, Checkpoint), ViewError>> {
        ready(self.scratch_of(view, at))
    }
}
