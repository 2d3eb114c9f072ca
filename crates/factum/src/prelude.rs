//! Everything that an application's source usually names: `use factum::prelude::*;`.

pub use crate::{
    App, AsOf, Command, Domain, Each, Event, Fault, Fold, Id, Refusal, RunError, Store, decide,
    document, ensure, fold, id, new_id, rows, testing::given,
};
