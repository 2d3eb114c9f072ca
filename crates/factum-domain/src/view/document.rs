//! [`document`]: a fold kept as one JSON document for each key, its own serialization.

use std::marker::PhantomData;

use factum_store::{Bytes, Invalid, RecordedEvent, Shape, ViewName, ViewSpec};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    ApplyError, Fingerprint, Fold, Key, NamedFold,
    view::{IntoView, KEYFRAME_EVERY, Projection, View},
};

/// The view `name`: one document of `F` for each key, under the key's text.
#[must_use]
pub fn document<F: Fold + Serialize + DeserializeOwned>(name: &'static str) -> DocumentBuilder<F> {
    DocumentBuilder { name, keyframe_every: KEYFRAME_EVERY, fold: PhantomData }
}

/// A document view under construction.
pub struct DocumentBuilder<F> {
    name: &'static str,
    keyframe_every: u64,
    fold: PhantomData<fn() -> F>,
}

impl<F> DocumentBuilder<F> {
    /// At least so many positions lie between two keyframes.
    #[must_use]
    pub fn keyframe_every(mut self, positions: u64) -> Self {
        self.keyframe_every = positions;
        self
    }
}

impl<F: Fold + Serialize + DeserializeOwned> IntoView for DocumentBuilder<F> {
    fn into_view(self) -> Result<View, Invalid> {
        let name = ViewName::new(self.name)?;
        let fingerprint = Fingerprint::new().text("document").number(F::FINGERPRINT).finish();
        if F::HEEDS.is_empty() {
            let problem = format!("keeps the fold {}, which heeds no event", F::NAME);
            return Err(Invalid::new(format!("view {name}"), problem));
        }
        let projection = Projection::Documents(Documents {
            keys: |event| F::By::found_in(&event.tags).iter().map(Key::text).collect(),
            open: open::<F>,
            view: name.clone(),
            fold: NamedFold::of::<F>(),
        });
        let spec = ViewSpec { name, fingerprint, shape: Shape::Documents };
        Ok(View::new(spec, F::heeds(), self.keyframe_every, projection))
    }
}

/// What events do to a view of documents.
pub struct Documents {
    view: ViewName,
    keys: fn(&RecordedEvent) -> Vec<String>,
    open: Open,
    fold: NamedFold,
}

type Open = fn(Option<&[u8]>) -> Result<Box<dyn AnyDocument>, serde_json::Error>;

impl Documents {
    /// The fold that is kept.
    #[must_use]
    pub fn fold(&self) -> &NamedFold {
        &self.fold
    }

    /// The keys of the documents that an event of the view's query concerns.
    #[must_use]
    pub fn keys(&self, event: &RecordedEvent) -> Vec<String> {
        (self.keys)(event)
    }

    /// The document that was kept as `json`; without one, the state before any event.
    ///
    /// # Errors
    /// [`Invalid`] when it can't be read: the view must be rebuilt.
    pub fn document(
        &self,
        key: &str,
        json: Option<&[u8]>,
    ) -> Result<Box<dyn AnyDocument>, Invalid> {
        (self.open)(json).map_err(|e| {
            let problem = format!("has a document {key:?} that can't be read: {e}; rebuild it");
            Invalid::new(format!("view {}", self.view), problem)
        })
    }
}

/// A document whose fold is not known: applied to many times, written once.
pub trait AnyDocument: Send + Sync {
    /// Applies one event.
    ///
    /// # Errors
    /// [`ApplyError`] when it can't be read.
    fn apply(&mut self, event: &RecordedEvent) -> Result<(), ApplyError>;

    /// The document as JSON.
    ///
    /// # Errors
    /// [`Invalid`] when the fold can't be written as JSON.
    fn json(&self) -> Result<Bytes, Invalid>;
}

struct Document<F>(F);

impl<F: Fold + Serialize> AnyDocument for Document<F> {
    fn apply(&mut self, event: &RecordedEvent) -> Result<(), ApplyError> {
        self.0.apply(event)
    }

    fn json(&self) -> Result<Bytes, Invalid> {
        let json = serde_json::to_vec(&self.0);
        let problem = |e| format!("can't be written as JSON: {e}");
        json.map(Bytes::from).map_err(|e| Invalid::new(format!("fold {}", F::NAME), problem(e)))
    }
}

fn open<F: Fold + Serialize + DeserializeOwned>(
    json: Option<&[u8]>,
) -> Result<Box<dyn AnyDocument>, serde_json::Error> {
    let state: F = json.map_or(Ok(F::default()), serde_json::from_slice)?;
    Ok(Box::new(Document(state)))
}
