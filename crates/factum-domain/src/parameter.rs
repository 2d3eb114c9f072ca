//! What a decider's parameter may be, and what its `#[by(…)]` may name.
//!
//! | parameter | `#[by(…)]` |
//! |---|---|
//! | `&F` | a key, a reference to one, or an `Option` of either |
//! | [`&Each<F>`](Each) | anything that iterates over those |

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{Fold, Key, Pending, ReadModel, Reads};

/// The states of a fold at several keys: a decider's parameter `cards: &Each<GiftCard>`.
pub type Each<F> = BTreeMap<<F as Fold>::By, Arc<F>>;

/// The type behind the reference of a decider's parameter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a decider's parameter",
    label = "not a fold",
    note = "a parameter is `&SomeFold`, or `&Each<SomeFold>` for several keys"
)]
pub trait Parameter: Send + Sync + 'static {
    /// The fold that is read.
    type Fold: Fold;
    /// Whether several keys are.
    const MANY: bool;
}

impl<F: Fold> Parameter for F {
    type Fold = F;
    const MANY: bool = false;
}

impl<F: Fold> Parameter for BTreeMap<F::By, Arc<F>> {
    type Fold = F;
    const MANY: bool = true;
}

/// How a parameter is read with the keys that its `#[by(…)]` names.
#[diagnostic::on_unimplemented(
    message = "`#[by(…)]` gives a `{Keys}`, which is not what `{Self}` is keyed by",
    label = "not a key of `{Self}`",
    note = "give the fold's `by` type, a reference to it or an `Option` of it; for `&Each<Fold>` something that iterates over those"
)]
pub trait Read<Keys>: Parameter {
    /// The parameter.
    ///
    /// # Errors
    /// [`Pending`] when it is not loaded yet.
    fn read(reads: &mut Reads, keys: Keys, ignoring: &[&'static str])
    -> Result<Arc<Self>, Pending>;
}

impl<F: Fold, Q: OneKey<F::By>> Read<Q> for F {
    /// Without a key: the state before any event, and nothing is read or guarded.
    fn read(reads: &mut Reads, keys: Q, ignoring: &[&'static str]) -> Result<Arc<F>, Pending> {
        match keys.one() {
            Some(key) => reads.fold(&key, ignoring),
            None => Ok(Arc::default()),
        }
    }
}

impl<F: Fold, Q> Read<Q> for BTreeMap<F::By, Arc<F>>
where
    Q: IntoIterator,
    Q::Item: OneKey<F::By>,
{
    fn read(reads: &mut Reads, keys: Q, ignoring: &[&'static str]) -> Result<Arc<Self>, Pending> {
        let keys: BTreeSet<F::By> = keys.into_iter().filter_map(OneKey::one).collect();
        reads.folds(keys, ignoring).map(Arc::new)
    }
}

/// At most one key.
#[diagnostic::on_unimplemented(
    message = "`#[by(…)]` gives `{Self}`, but the fold is keyed by `{K}`",
    label = "this fold is keyed by `{K}`",
    note = "give a `{K}`, a reference to one, or an `Option` of either; for `&Each<Fold>` something that iterates over those"
)]
pub trait OneKey<K> {
    /// The key.
    fn one(self) -> Option<K>;
}

impl<K: Key> OneKey<K> for K {
    fn one(self) -> Option<K> {
        Some(self)
    }
}

impl<K: Key> OneKey<K> for &K {
    fn one(self) -> Option<K> {
        Some(self.clone())
    }
}

impl<K: Key> OneKey<K> for Option<K> {
    fn one(self) -> Option<K> {
        self
    }
}

impl<K: Key> OneKey<K> for &Option<K> {
    fn one(self) -> Option<K> {
        self.clone()
    }
}

impl<K: Key> OneKey<K> for Option<&K> {
    fn one(self) -> Option<K> {
        self.cloned()
    }
}

/// What a parameter of type `P` reads.
#[doc(hidden)]
#[must_use]
pub fn read_model<P: Parameter>(
    parameter: &'static str,
    by: &'static str,
    ignoring: &[&'static str],
) -> ReadModel {
    let heeds = <P::Fold as Fold>::HEEDS.iter().map(|model| model.event_type);
    ReadModel {
        parameter,
        fold: <P::Fold as Fold>::NAME,
        by,
        many: P::MANY,
        heeds: heeds.filter(|name| !ignoring.contains(name)).collect(),
        ignoring: ignoring.to_vec(),
    }
}
