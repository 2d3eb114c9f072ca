//! [`Refusal`]: a typed business "no", part of a decider's contract; and [`Refused`], the same
//! when the type is not known.

use std::fmt::Display;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::RefusalModel;

/// Why a command was refused. `#[derive(Refusal)]` on an enum writes it.
///
/// Code and data say all of it, so a recorded refusal can be restored: two refusals are the same
/// when these are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a refusal",
    label = "a refusal is expected here",
    note = "write `#[derive(Refusal)]` above `enum {Self}`, with `#[say(\"…\")]` on each variant; `Infallible` is for a decider that never refuses"
)]
pub trait Refusal: Sized + Display + Send + Sync + 'static {
    /// What a program branches on.
    fn code(&self) -> &'static str;

    /// What it says beside the code.
    fn data(&self) -> Value;

    /// The refusal of this code and data; `None` when there is none.
    fn from_parts(code: &str, data: &Value) -> Option<Self>;

    /// All there are.
    fn catalogue() -> Vec<RefusalModel>;
}

/// A decider that never refuses.
impl Refusal for std::convert::Infallible {
    fn code(&self) -> &'static str {
        match *self {}
    }

    fn data(&self) -> Value {
        match *self {}
    }

    fn from_parts(_: &str, _: &Value) -> Option<Self> {
        None
    }

    fn catalogue() -> Vec<RefusalModel> {
        Vec::new()
    }
}

/// A refusal of any type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// What a program branches on.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// What it says beside the code.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl Refused {
    /// The parts of a typed refusal.
    pub fn of(refusal: &impl Refusal) -> Self {
        Self {
            code: refusal.code().to_owned(),
            message: refusal.to_string(),
            data: canonical(refusal.data()),
        }
    }

    /// The typed refusal again; `None` when it is not one of `R`.
    #[must_use]
    pub fn restore<R: Refusal>(&self) -> Option<R> {
        R::from_parts(&self.code, &self.data)
    }
}

/// The same JSON with the keys of every object sorted, whatever `serde_json` was built with.
pub(crate) fn canonical(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().map(|(k, v)| (k, canonical(v))).collect())
        }
        scalar => scalar,
    }
}

/// A field of a refusal as JSON; `null` when it can't be written as such.
#[doc(hidden)]
pub fn refusal_field<T: Serialize>(field: &T) -> Value {
    serde_json::to_value(field).unwrap_or(Value::Null)
}

/// The data of a refusal with fields.
#[doc(hidden)]
#[must_use]
pub fn refusal_data<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

/// A field of a refusal from its data.
#[doc(hidden)]
#[must_use]
pub fn read_refusal_field<T: DeserializeOwned>(data: &Value, name: &str) -> Option<T> {
    T::deserialize(data.get(name)?).ok()
}

/// Refuses unless a condition holds: `ensure!(account.open, No::NotOpen(c.account));`.
///
/// Expands to `if !condition { return Err(refusal); }`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $refusal:expr $(,)?) => {
        if !$condition {
            return ::core::result::Result::Err($refusal);
        }
    };
}
