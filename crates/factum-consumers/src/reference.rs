//! [`Reference`]: an event that is not settled, without its payload: where it is, what it may not
//! overtake, and what became of it so far.

use std::sync::Arc;

use factum_store::{Position, Timestamp};
use serde::{Deserialize, Serialize};

/// Events that share one do not overtake each other: a stream's name, or a whole tag.
pub type Key = Arc<str>;

/// An event that is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Where it is.
    pub position: Position,
    /// What it is.
    #[serde(rename = "type")]
    pub event_type: Arc<str>,
    /// What it may not overtake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    /// Deliveries that failed since it was last asked for anew.
    #[serde(default)]
    pub attempts: u32,
    /// Why the last of them failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Arc<str>>,
    /// How it stands.
    #[serde(default)]
    pub standing: Standing,
}

/// How an event that is not settled stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It may be delivered, as soon as it is its turn.
    #[default]
    Waiting,
    /// It may be delivered again from this moment on.
    RetryAt(Timestamp),
    /// It was parked at this moment, and waits for somebody to decide.
    Parked(Timestamp),
}

impl Reference {
    /// Bytes of an error that are kept.
    pub const ERROR_BYTES_MAX: usize = 512;
    /// Bytes of names that one unit of room stands for.
    const UNIT_BYTES: usize = 128;

    /// Whether it is parked.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        matches!(self.standing, Standing::Parked(_))
    }

    /// How much room it takes, in units: bounds are counted in them, so that long names do not make
    /// large memory.
    #[must_use]
    pub fn units(&self) -> usize {
        let bytes = self.event_type.len() + self.keys.iter().map(|key| key.len()).sum::<usize>();
        1 + bytes / Self::UNIT_BYTES
    }
}

/// An error, short and in one line, as it is kept.
pub(crate) fn short(error: &str) -> Arc<str> {
    let mut end = error.len().min(Reference::ERROR_BYTES_MAX);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    error[..end].chars().map(plain).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_short_line() {
        assert_eq!(&*short("a\nb\u{7}c"), "a b c");
        let long = "é".repeat(400);
        assert_eq!(short(&long).len(), Reference::ERROR_BYTES_MAX);
        assert_eq!(short(&format!("x{long}")).len(), Reference::ERROR_BYTES_MAX - 1);
    }
}
