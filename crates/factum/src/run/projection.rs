//! Events in, changes out: what both the live view and a scratch copy are made with.
//!
//! Protects G7 and G8: live rows, rebuilt rows and rows as of a moment come from the same code.

use std::{collections::BTreeMap, sync::Arc};

use factum_domain::{AnyDocument, Documents, Projection, View};
use factum_store::{Change, RecordedEvent, RowsRequest, ViewStore};

use crate::Fault;

/// Documents kept in memory between batches. More than this and all are let go.
const DOCUMENTS_MAX: usize = 4_096;

/// Turns a view's events into changes of its rows.
pub(crate) struct Projecting {
    view: Arc<View>,
    /// The documents as the store has them, and those of the batch being made.
    documents: BTreeMap<String, Box<dyn AnyDocument>>,
}

impl Projecting {
    pub(crate) fn new(view: Arc<View>) -> Self {
        Self { view, documents: BTreeMap::new() }
    }

    /// The changes of some events. When they are not applied after all, or an error is returned,
    /// [`Projecting::forget`] must be called.
    pub(crate) async fn changes(
        &mut self,
        store: &dyn ViewStore,
        events: &[RecordedEvent],
    ) -> Result<Vec<Change>, Fault> {
        let view = Arc::clone(&self.view);
        match view.projection() {
            Projection::Rows(rows) => {
                let changes = events.iter().map(|event| rows.changes(event));
                Ok(changes.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
            Projection::Documents(documents) => self.documents(store, documents, events).await,
        }
    }

    /// Lets go of what is only in memory.
    pub(crate) fn forget(&mut self) {
        self.documents.clear();
    }

    async fn documents(
        &mut self,
        store: &dyn ViewStore,
        documents: &Documents,
        events: &[RecordedEvent],
    ) -> Result<Vec<Change>, Fault> {
        if self.documents.len() > DOCUMENTS_MAX {
            self.forget();
        }
        let mut touched = BTreeMap::new();
        for event in events {
            for key in documents.keys(event) {
                if !self.documents.contains_key(&key) {
                    let kept = self.kept(store, &key).await?;
                    let document = documents.document(&key, kept.as_deref())?;
                    self.documents.insert(key.clone(), document);
                }
                let document = self.documents.get_mut(&key);
                let document = document.ok_or_else(|| Fault::Bug("a document is lost".into()))?;
                document.apply(event)?;
                touched.insert(key, ());
            }
        }
        let put = |key: String| {
            let document = self.documents[&key].json()?;
            Ok(Change::Put { key, document })
        };
        touched.into_keys().map(put).collect()
    }

    async fn kept(&self, store: &dyn ViewStore, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let request = RowsRequest { key: Some(key.to_owned()), cursor: None, limit: 1 };
        let page = store.rows(self.view.name(), request).await?;
        Ok(page.rows.first().map(|row| row.document.to_vec()))
    }
}
