//! [`Pattern`]: names that a right is for. A `*` stands for any text, everything else for itself.

use std::{fmt, str::FromStr};

use factum_store::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Names of ledgers, types or tags: `shop`, `shop-*`, `order.*`, `tenant:7`, `*`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "schema::Name")]
pub struct Pattern(String);

impl Pattern {
    /// As long as a name may be.
    const BYTES_MAX: usize = 256;

    /// The pattern `*`.
    #[must_use]
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether the name is one of those meant.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        // Where to go on when what follows the last `*` does not fit: each `*` takes one byte more.
        let mut star = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p + 1, n));
                    p += 1;
                }
                Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
                _ => match star {
                    None => return false,
                    Some((after, taken)) => {
                        star = Some((after, taken + 1));
                        (p, n) = (after, taken + 1);
                    }
                },
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }

    /// The one name that it is for, if it has no `*`.
    pub(crate) fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&self.0)
    }

    /// Whether it is for every name.
    pub(crate) fn is_any(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = |problem: String| Err(Invalid::new("pattern", problem));
        match text {
            "" => bad("is empty; * stands for every name".into()),
            text if text.len() > Self::BYTES_MAX => {
                bad(format!("has {} bytes; the limit is {}", text.len(), Self::BYTES_MAX))
            }
            text if text.contains(char::is_control) => bad("has a control character".into()),
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        let fits = |pattern: &str, name: &str| pattern.parse::<Pattern>().expect("one").fits(name);
        for (pattern, name) in [
            ("*", ""),
            ("*", "shop"),
            ("shop", "shop"),
            ("shop-*", "shop-"),
            ("shop-*", "shop-eu"),
            ("*-eu", "shop-eu-eu"),
            ("a*b*c", "a--b-b--c"),
            ("tenant:7", "tenant:7"),
            ("**", "x"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("shop", "shop2"),
            ("shop", "Shop"),
            ("shop-*", "shop"),
            ("*-eu", "shop-eu2"),
            ("a*b*c", "a--c--b"),
            ("tenant:7", "tenant:77"),
            ("order.?", "order.x"),
            ("order.*", "orderx"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for text in ["", "a\nb", &"x".repeat(257)] {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
    }
}
