//! Everything that an application's source usually names: `use factum::prelude::*;`.

pub use crate::{
    App, AsOf, Command, Domain, Each, Event, Fault, Fold, Id, Refusal, RunError, decide, document,
    ensure, fold, id, new_id, rows, testing::given,
};

#[cfg(all(feature = "embedded", feature = "sqlite"))]
pub use crate::Store;
