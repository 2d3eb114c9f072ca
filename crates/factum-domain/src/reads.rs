//! [`Reads`]: what a decision has read, which is exactly what is guarded.
//!
//! Protects G4. A decider asks for folds; what is not there yet is noted as a [`Need`] and the
//! decision says [`Pending`]. Whoever runs it loads the needs, all up to one head, and asks again;
//! a decision is pure, so asking twice is harmless. [`Reads::guard`] is then the union of all that
//! was read: "no event after that head matches it" is the condition of the append.
//!
//! ```text
//!   decide ──► Pending, needs [account a, account b] ──► load ──► provide ──► decide ──► events
//! ```

use std::{
    any::{Any, TypeId},
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use factum_store::{Query, QueryItem};

use crate::{AnyFold, Fingerprint, Fold, Key, fold::fold_query};

/// Something that the decision reads is not there yet: load [`Reads::take_needs`], provide them,
/// and decide again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending;

/// One fold at one key: the events that make its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The fold's name.
    pub fold: &'static str,
    /// A digest of all that decides its state: the fold's code and events, and what is ignored.
    pub fingerprint: u64,
    /// The key, as text.
    pub key: String,
    /// Its events.
    pub query: Query,
}

impl Slice {
    /// The slice of `F` at `key`, all heeded types included.
    #[must_use]
    pub fn of<F: Fold>(key: &F::By) -> Self {
        Self::ignoring::<F>(key, &[])
    }

    /// The slice of `F` at `key`, without the types in `ignoring`.
    #[must_use]
    pub fn ignoring<F: Fold>(key: &F::By, ignoring: &[&'static str]) -> Self {
        let ignored: BTreeSet<_> = ignoring.iter().copied().collect();
        let digest = Fingerprint::new().number(F::FINGERPRINT);
        let fingerprint = ignored.iter().fold(digest, |digest, name| digest.text(name)).finish();
        Self { fold: F::NAME, fingerprint, key: key.text(), query: fold_query::<F>(key, ignoring) }
    }
}

/// Two folds may share a name, so the type tells them apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SliceId {
    fold: TypeId,
    fingerprint: u64,
    key: String,
}

/// A slice that is to be loaded: apply its events, oldest first, to `fold`, and hand it back to
/// [`Reads::provide`].
pub struct Need {
    /// What to read.
    pub slice: Slice,
    /// The state before any event.
    pub fold: Box<dyn AnyFold>,
    id: SliceId,
}

impl Need {
    /// All of `F` at a key.
    pub(crate) fn of<F: Fold>(key: &F::By) -> Self {
        Self::ignoring::<F>(key, &[])
    }

    fn ignoring<F: Fold>(key: &F::By, ignoring: &[&'static str]) -> Self {
        let slice = Slice::ignoring::<F>(key, ignoring);
        let id = SliceId {
            fold: TypeId::of::<F>(),
            fingerprint: slice.fingerprint,
            key: slice.key.clone(),
        };
        Self { slice, fold: Box::new(F::default()), id }
    }
}

/// What a decision has read so far.
#[derive(Default)]
pub struct Reads {
    loaded: BTreeMap<SliceId, Arc<dyn Any + Send + Sync>>,
    needs: Vec<Need>,
    asked: BTreeSet<SliceId>,
    slices: Vec<Slice>,
}

impl Reads {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state of `F` at `key`, without the events whose type is in `ignoring`.
    ///
    /// # Errors
    /// [`Pending`] when it is not loaded yet; it is then among the needs, once.
    pub fn fold<F: Fold>(
        &mut self,
        key: &F::By,
        ignoring: &[&'static str],
    ) -> Result<Arc<F>, Pending> {
        let need = Need::ignoring::<F>(key, ignoring);
        if let Some(state) = self.loaded.get(&need.id) {
            return Arc::clone(state).downcast().map_err(|_| Pending);
        }
        if self.asked.insert(need.id.clone()) {
            self.needs.push(need);
        }
        Err(Pending)
    }

    /// The states of `F` at each of `keys`; equal keys are one.
    ///
    /// # Errors
    /// [`Pending`] when one of them is not loaded yet; all that are missing are then needs.
    pub fn folds<F: Fold>(
        &mut self,
        keys: BTreeSet<F::By>,
        ignoring: &[&'static str],
    ) -> Result<BTreeMap<F::By, Arc<F>>, Pending> {
        let mut states = BTreeMap::new();
        let mut pending = false;
        for key in keys {
            match self.fold::<F>(&key, ignoring) {
                Ok(state) => drop(states.insert(key, state)),
                Err(Pending) => pending = true,
            }
        }
        if pending { Err(Pending) } else { Ok(states) }
    }

    /// What is to be loaded before the decision can be asked again.
    pub fn take_needs(&mut self) -> Vec<Need> {
        std::mem::take(&mut self.needs)
    }

    /// Hands in what was loaded.
    pub fn provide(&mut self, need: Need) {
        let Need { slice, fold, id } = need;
        self.slices.push(slice);
        self.loaded.insert(id, Arc::from(fold.into_any()));
    }

    /// What was loaded, in order.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// Every event that was, or could have been, among those read: the union of the slices'
    /// queries, with items of the same tags merged. It matches nothing when nothing was read.
    #[must_use]
    pub fn guard(&self) -> Query {
        let mut merged: BTreeMap<Vec<_>, BTreeSet<_>> = BTreeMap::new();
        for item in self.slices.iter().flat_map(|slice| &slice.query.items) {
            merged.entry(item.tags.clone()).or_default().extend(item.types.iter().cloned());
        }
        let items = merged.into_iter().map(|(tags, types)| QueryItem {
            types: types.into_iter().collect(),
            tags,
            ..QueryItem::default()
        });
        Query { items: items.collect() }
    }
}
