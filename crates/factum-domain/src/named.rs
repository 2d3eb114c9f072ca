//! [`NamedFold`]: a fold that is asked for by its name, at a key that is a text, with its state as
//! JSON. So whoever knows no type of the application can ask for all of its state.

use std::any::TypeId;

use factum_store::{Bytes, Invalid};
use serde::Serialize;

use crate::{AnyFold, Fold, Key, Need};

/// A fold by its name.
#[derive(Clone)]
pub struct NamedFold {
    model: FoldModel,
    fold: TypeId,
    need: fn(&str) -> Result<Need, Invalid>,
    json: fn(Box<dyn AnyFold>) -> Result<Bytes, Invalid>,
}

/// What a fold is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoldModel {
    /// Its name: `account`.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
    /// The kinds of the ids that it is keyed by: one, two, or none for the whole ledger.
    pub by: Vec<&'static str>,
    /// The types of the events that it heeds.
    pub heeds: Vec<&'static str>,
}

impl NamedFold {
    pub(crate) fn of<F: Fold + Serialize>() -> Self {
        let mut heeds: Vec<_> = F::HEEDS.iter().map(|model| model.event_type).collect();
        heeds.sort_unstable();
        heeds.dedup();
        let model = FoldModel { name: F::NAME, version: F::VERSION, by: F::By::kinds(), heeds };
        Self { model, fold: TypeId::of::<F>(), need: need::<F>, json: json::<F> }
    }

    /// What it is.
    #[must_use]
    pub fn model(&self) -> &FoldModel {
        &self.model
    }

    /// What is to be loaded to know its state at a key.
    ///
    /// # Errors
    /// [`Invalid`] when the text is no key of it.
    pub fn at(&self, key: &str) -> Result<Need, Invalid> {
        (self.need)(key)
    }

    /// The state of a need of its own that was loaded, as JSON.
    ///
    /// # Errors
    /// [`Invalid`] when it can't be written as JSON, or is another fold's.
    pub fn json(&self, loaded: Need) -> Result<Bytes, Invalid> {
        (self.json)(loaded.fold)
    }

    /// Whether it is the same fold, and not only of the same name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.fold == other.fold
    }
}

fn need<F: Fold>(key: &str) -> Result<Need, Invalid> {
    let parsed = F::By::parse(key).map_err(|invalid| {
        Invalid::new("key", format!("{key:?} is no key of {}: {invalid}", F::NAME))
    })?;
    Ok(Need::of::<F>(&parsed))
}

fn json<F: Fold + Serialize>(state: Box<dyn AnyFold>) -> Result<Bytes, Invalid> {
    let bad = |problem: String| Invalid::new(format!("fold {}", F::NAME), problem);
    let state = state.into_any().downcast::<F>().map_err(|_| bad("is another one".to_owned()))?;
    let json = serde_json::to_vec(&*state);
    json.map(Bytes::from).map_err(|error| bad(format!("can't be written as JSON: {error}")))
}
