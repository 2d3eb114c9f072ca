//! [`Command`], [`Decide`], and [`AnyCommand`]: the same when the type is not known.

use factum_store::NewEvent;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    CommandModel, DeciderModel, Emits, EncodeError, Pending, Reads, Refusal, Refused, fold::same,
    refusal::canonical,
};

/// The request to change state. `#[derive(Command)]` writes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "a command is expected here",
    note = "write `#[derive(Command)]` above `struct {Self}`"
)]
pub trait Command: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its shape.
    const MODEL: CommandModel;
    /// Its name: `transfer`.
    const NAME: &'static str = Self::MODEL.name;
}

/// A command that has a decider. `#[decide]` on a function writes it.
#[diagnostic::on_unimplemented(
    message = "nobody decides `{Self}`",
    label = "this command has no decider",
    note = "write `#[decide] fn name(c: &{Self}, #[by(c.id)] state: &SomeFold) -> Result<SomeEvent, SomeRefusal>`"
)]
pub trait Decide: Command {
    /// What it may come to.
    type Emits: Emits;
    /// How it may be refused.
    type Refusal: Refusal;

    /// Decides, purely, from the command and what `reads` has.
    ///
    /// # Errors
    /// [`Pending`] when something that it reads is not there yet.
    fn decide(&self, reads: &mut Reads) -> Result<Result<Self::Emits, Self::Refusal>, Pending>;

    /// What it reads, emits and refuses.
    fn model() -> DeciderModel;
}

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// Something that it reads is not there yet: provide [`Reads::take_needs`] and ask again.
    #[error("what the decision reads is not loaded yet")]
    Pending,
    /// An event that was decided can't be written.
    #[error("{0}")]
    Encode(#[from] EncodeError),
}

impl From<Pending> for Undecided {
    fn from(_: Pending) -> Self {
        Self::Pending
    }
}

/// A command whose type is not known.
pub trait AnyCommand: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// The command as JSON with sorted keys: what is recorded, and what a key is a promise about.
    ///
    /// # Errors
    /// [`EncodeError`] when it can't be written as JSON.
    fn input(&self) -> Result<Value, EncodeError>;

    /// The events that it comes to, or the refusal.
    ///
    /// # Errors
    /// [`Undecided`].
    fn decide(&self, reads: &mut Reads) -> Result<Result<Vec<NewEvent>, Refused>, Undecided>;
}

impl<C: Decide> AnyCommand for C {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn input(&self) -> Result<Value, EncodeError> {
        let value = serde_json::to_value(self)
            .map_err(|e| EncodeError { name: C::NAME, problem: e.to_string() })?;
        Ok(canonical(value))
    }

    fn decide(&self, reads: &mut Reads) -> Result<Result<Vec<NewEvent>, Refused>, Undecided> {
        match Decide::decide(self, reads)? {
            Ok(emits) => {
                let mut events = Vec::new();
                emits.emit(&mut events)?;
                Ok(Ok(events))
            }
            Err(refusal) => Ok(Err(Refused::of(&refusal))),
        }
    }
}

/// Says, at the place where it is called, that a key names no field of its command.
#[doc(hidden)]
#[track_caller]
pub const fn check_by<C: Command>(decider: &str, parameter: &str, command: &str, field: &str) {
    let fields = C::MODEL.fields;
    let mut at = 0;
    while at < fields.len() {
        if same(fields[at].rust_name, field) {
            return;
        }
        at += 1;
    }
    let text = Sentence::new();
    let text = text.add("`").add(decider).add("` reads by `").add(parameter).add(".").add(field);
    let mut text = text.add("`, but `").add(command).add("` has no field `").add(field).add("`; ");
    let mut at = 0;
    text = text.add(if fields.is_empty() { "it has no fields" } else { "it has " });
    while at < fields.len() {
        let lead = if at == 0 { "`" } else { ", `" };
        text = text.add(lead).add(fields[at].rust_name).add("`");
        at += 1;
    }
    text.panic()
}

/// A sentence that is put together in a constant; what is too long is cut.
struct Sentence {
    bytes: [u8; 512],
    length: usize,
}

impl Sentence {
    const fn new() -> Self {
        Self { bytes: [0; 512], length: 0 }
    }

    const fn add(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        if self.length + text.len() <= self.bytes.len() {
            let mut at = 0;
            while at < text.len() {
                self.bytes[self.length] = text[at];
                self.length += 1;
                at += 1;
            }
        }
        self
    }

    #[track_caller]
    const fn panic(self) -> ! {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(sentence) => panic!("{}", sentence),
            Err(_) => panic!("a key names no field of its command"),
        }
    }
}
