//! The derives and attributes of the framework: `Event`, `Command`, `Refusal`, `#[fold]` and
//! `#[decide]`.
//!
//! They are sugar over traits that can be implemented by hand. Each keeps the item that it stands
//! on and adds implementations, shown in its documentation; nothing gets a name that the source
//! does not have. The code they write names the crate `::factum`.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;

mod command;
mod decide;
mod event;
mod fields;
mod fold;
mod refusal;
mod source;

/// Makes a struct an event.
///
/// ```text
/// #[derive(Event)]
/// #[event("account.opened", version = 2, from = OpenedV1)]
/// pub struct Opened {
///     #[tag] pub account: AccountId,
///     #[personal] pub owner: String,
///     #[serde(default)] pub note: String,
/// }
/// ```
///
/// * `#[event("type")]`: the type, and optionally `version = N` (1 unless given); `from = Older`
///   when older versions are read as the event `Older` and turned into this one by
///   `From<Older>`; or `upcast = function`, a `fn(u32, Value) -> Result<Value, String>` over the
///   JSON of any older version; `stream = "category"` to name the stream `category-id` after the
///   `#[stream]` field (or the only `#[tag]`).
/// * `#[tag]`: the field is an id, or an `Option`, `Vec` or `BTreeSet` of ids, and becomes a tag.
/// * `#[stream]`: the field is an id and names the stream, `kind-id`.
/// * `#[personal]`: the field is about a person; noted in the model.
/// * `#[serde(…)]` on a field works as with serde's own derives, which must not be added.
///
/// Writes:
///
/// ```text
/// impl Serialize for Opened { … }              // as serde derives them
/// impl<'de> Deserialize<'de> for Opened { … }
/// impl Event for Opened {
///     const MODEL: EventModel = EventModel::new("account.opened", 2, &[…])
///         .after(&<OpenedV1 as Event>::MODEL);
///     fn tags(&self) -> Vec<Tag> { … }         // one for each id in a `#[tag]` field
///     fn decode(version: u32, data: &[u8]) -> Result<Self, DecodeError> {
///         if version <= OpenedV1::VERSION {
///             return OpenedV1::decode(version, data).map(Self::from);
///         }
///         decode_json(version, data)
///     }
/// }
/// impl Carries<AccountId> for Opened {}        // once for each id type of a `#[tag]` field
/// ```
#[proc_macro_derive(Event, attributes(event, tag, stream, personal, serde))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| event::expand(&input)))
}

/// Makes a struct a command.
///
/// ```text
/// #[derive(Command)]                           // named `transfer`
/// pub struct Transfer { pub from: AccountId, pub to: AccountId, pub cents: i64 }
/// ```
///
/// * `#[command("name")]`: another name than the struct's in snake case.
/// * `#[personal]` and `#[serde(…)]` on a field as with `Event`.
///
/// Writes:
///
/// ```text
/// impl Serialize for Transfer { … }
/// impl<'de> Deserialize<'de> for Transfer { … }   // unknown fields are refused
/// impl Command for Transfer {
///     const MODEL: CommandModel = CommandModel { name: "transfer", fields: &[…] };
/// }
/// ```
#[proc_macro_derive(Command, attributes(command, personal, serde))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| command::expand(&input)))
}

/// Makes an enum a refusal.
///
/// ```text
/// #[derive(Refusal)]
/// pub enum No {
///     #[say("{0} is not open")] NotOpen(AccountId),
///     #[say("only {have} left")] Short { have: i64 },
/// }
/// ```
///
/// * `#[say("…")]` on each variant: the sentence, a format string over the variant's fields.
/// * `#[code("…")]` on a variant: another code than the variant's name in snake case.
///
/// Writes:
///
/// ```text
/// impl Display for No { … }
/// impl Refusal for No {
///     fn code(&self) -> &'static str { … }     // "not_open", "short"
///     fn data(&self) -> Value { … }            // {"0": …}, {"have": …}, null without fields
///     fn from_parts(code: &str, data: &Value) -> Option<Self> { … }
///     fn catalogue() -> Vec<RefusalModel> { … }
/// }
/// ```
#[proc_macro_derive(Refusal, attributes(say, code))]
pub fn derive_refusal(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| refusal::expand(&input)))
}

/// Makes a type with one method for each event a fold.
///
/// ```text
/// #[derive(Default)]
/// pub struct Account { open: bool, cents: i64 }
///
/// #[fold(by = AccountId, version = 1)]
/// impl Account {
///     fn opened(&mut self, _: &Opened) { self.open = true }
///     fn deposited(&mut self, e: &Deposited, at: &RecordedEvent) { self.cents += e.cents }
/// }
/// ```
///
/// * `by = Id`, `by = (A, B)` for events that carry both tags, or `by = ()` for all events.
/// * `version = N`, 1 unless given. A change of the block throws snapshots and views away by itself;
///   raise the version when code outside it changes what the state is.
/// * `name = "…"`, the type's in snake case unless given.
/// * `snapshot`: the state is `Serialize + Deserialize`, and may be kept as a snapshot.
///
/// A method `fn x(&mut self, e: &E)` heeds the event `E`; with a second parameter
/// `at: &RecordedEvent` it also sees position, time and the rest. Methods of another form are
/// left alone.
///
/// Keeps the `impl` block as it is, and writes:
///
/// ```text
/// impl Fold for Account {
///     type By = AccountId;
///     const NAME: &'static str = "account";
///     const VERSION: u32 = 1;
///     const CODE: u64 = …;                     // a digest of the block without its comments
///     const HEEDS: &'static [EventModel] = &[Opened::MODEL, Deposited::MODEL];
///     fn apply(&mut self, event: &RecordedEvent) -> Result<(), ApplyError> {
///         if let Some(e) = read::<Opened>(event)? { self.opened(&e) }
///         if let Some(e) = read::<Deposited>(event)? { self.deposited(&e, event) }
///         Ok(())
///     }
/// }
/// // and, for each event, that it `Carries<AccountId>`
/// ```
#[proc_macro_attribute]
pub fn fold(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand(fold::expand(attribute.into(), item.into()))
}

/// Makes a function the decider of its command.
///
/// ```text
/// #[decide]
/// fn transfer(
///     c: &Transfer,
///     #[by(c.from)] from: &Account,
///     #[by(c.to, ignoring(Deposited, Withdrawn))] to: &Account,
/// ) -> Result<(Withdrawn, Deposited), No> { … }
/// ```
///
/// * The first parameter is the command. Each other one is `&Fold` (or `&Each<Fold>`, a map of
///   several) with `#[by(key)]`: an expression over the command and earlier parameters. `(a, b)`
///   is a pair of ids; an `Option` without a key reads nothing and is the state before any event.
/// * `ignoring(A, B)`: these events are neither read into this parameter nor guarded for it.
/// * The function returns `Result<events, refusal>`; the type is the catalogue of what may be
///   emitted.
///
/// Keeps the function without the `#[by]` attributes, and writes:
///
/// ```text
/// impl Decide for Transfer {
///     type Emits = (Withdrawn, Deposited);
///     type Refusal = No;
///     fn decide(&self, reads: &mut Reads) -> Result<Result<…>, Pending> {
///         let c = self;
///         let from = reads.fold::<Account>(&c.from, &[]);
///         let to = reads.fold::<Account>(&c.to, &[Deposited::TYPE, Withdrawn::TYPE]);
///         let (from, to) = (from?, to?);       // earlier, when a later key needs it
///         Ok(transfer(c, &from, &to))
///     }
///     fn model() -> DeciderModel { … }
/// }
/// ```
#[proc_macro_attribute]
pub fn decide(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand(decide::expand(&attribute.into(), item.into()))
}

fn expand(written: syn::Result<Tokens>) -> TokenStream {
    written.unwrap_or_else(|e| e.into_compile_error()).into()
}
