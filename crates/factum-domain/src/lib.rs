//! Pure decisions: events, commands, deciders, folds, views, upcasting, given/when/then.
//!
//! Nothing here knows a clock, randomness, a file, a network or an async runtime, so every rule of
//! an application can be tested without a store. The traits can be implemented by hand; the macros
//! of `factum-macros` write them, and their documentation shows what they write.
//!
//! | word | here |
//! |---|---|
//! | event | [`Event`], [`Carries`], [`EventModel`] |
//! | fold | [`Fold`], keyed by a [`Key`]: an [`Id`], two, or `()` |
//! | command, decision | [`Command`], [`Decide`]; what it reads is [`Reads`], and guarded |
//! | refusal | [`Refusal`] |
//! | view | [`View`]: [`document`] or [`rows`] |
//!
//! ```
//! # extern crate factum_domain as factum; // an application says `use factum::prelude::*;`
//! use factum::{Command, Event, Refusal, decide, ensure, fold, id, testing::given};
//!
//! id!(pub DoorId(String), "door");
//!
//! #[derive(Event)]
//! #[event("door.opened")]
//! pub struct Opened {
//!     #[tag]
//!     pub door: DoorId,
//! }
//!
//! #[derive(Default)]
//! pub struct Door {
//!     open: bool,
//! }
//! #[fold(by = DoorId, version = 1)]
//! impl Door {
//!     fn opened(&mut self, _: &Opened) {
//!         self.open = true;
//!     }
//! }
//!
//! #[derive(Refusal)]
//! pub enum No {
//!     #[say("{0} is open")]
//!     IsOpen(DoorId),
//! }
//! #[derive(Command)]
//! pub struct Open {
//!     pub door: DoorId,
//! }
//!
//! #[decide]
//! fn open(c: &Open, #[by(c.door)] door: &Door) -> Result<Opened, No> {
//!     ensure!(!door.open, No::IsOpen(c.door.clone()));
//!     Ok(Opened { door: c.door.clone() })
//! }
//!
//! # fn main() -> Result<(), factum::Invalid> {
//! let front = DoorId::new("front")?;
//! let open = || Open { door: front.clone() };
//! let opened = || Opened { door: front.clone() };
//! given(()).when(open()).then(opened());
//! given(opened()).when(open()).refused(No::IsOpen(front.clone()));
//! # Ok(())
//! # }
//! ```

mod command;
mod domain;
mod emits;
mod event;
mod fingerprint;
mod fold;
mod id;
mod key;
mod lock;
mod model;
mod named;
mod parameter;
mod reads;
mod refusal;
mod view;

pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use command::{AnyCommand, Command, Decide, Undecided};
pub use domain::{Decider, Domain, parse_command};
pub use emits::Emits;
pub use event::{
    Carries, DecodeError, EncodeError, Event, decode_json, new_event, read_event, version_of,
};
pub use fingerprint::Fingerprint;
pub use fold::{AnyFold, ApplyError, Fold, fold_query};
pub use id::{ID_BYTES_MAX, Id, KIND_BYTES_MAX};
pub use key::Key;
pub use lock::{LockProblem, compare_locks, events_lock};
pub use model::{CommandModel, DeciderModel, EventModel, FieldModel, ReadModel, RefusalModel};
pub use named::{FoldModel, NamedFold};
pub use parameter::{Each, OneKey, Parameter, Read};
pub use reads::{Need, Pending, Reads, Slice};
pub use refusal::{Refusal, Refused};
pub use view::{
    AnyDocument, DocumentBuilder, Documents, IntoView, KEYFRAME_EVERY, Projection, Rows,
    RowsBuilder, View, document, rows,
};

pub use factum_macros::{Command, Event, Refusal, decide, fold};
pub use factum_store::{Invalid, Tag};
