//! [`Right`]: which verbs, on which ledgers, for which types and tags of events. Nothing is allowed
//! that no right names.

use std::{fmt, str::FromStr};

use factum_store::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

/// What is done to a ledger.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Append events.
    Append,
    /// Read events, views, folds and what there is.
    Read,
    /// Run commands.
    Command,
    /// Create and delete ledgers, compact, back up, steer. On every ledger (`*`): tokens, too.
    Admin,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Append, Self::Read, Self::Command, Self::Admin];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Read => "read",
            Self::Command => "command",
            Self::Admin => "admin",
        }
    }
}

/// One thing that is allowed. `read,append on shop-* types order.* tags tenant:7` as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// To do any of these,
    pub verbs: Vec<Verb>,
    /// on any of these ledgers,
    pub ledgers: Vec<Pattern>,
    /// with events (or commands) of these types; all when empty,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<Pattern>,
    /// that carry a tag for each of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pattern>,
}

impl Right {
    /// Patterns of each kind.
    const PATTERNS_MAX: usize = 64;

    /// Everything, on every ledger.
    #[must_use]
    pub fn everything() -> Self {
        let (types, tags) = (Vec::new(), Vec::new());
        Self { verbs: Verb::ALL.to_vec(), ledgers: vec![Pattern::any()], types, tags }
    }

    pub(crate) fn is_for(&self, verb: Verb, ledger: &str) -> bool {
        self.verbs.contains(&verb) && self.ledgers.iter().any(|pattern| pattern.fits(ledger))
    }

    /// Whether some events are left out.
    pub(crate) fn is_limited(&self) -> bool {
        !self.types.is_empty() || !self.tags.is_empty()
    }

    /// # Errors
    /// When it allows nothing, is too long, or names a limit that could not be kept.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let bad = |field: &str, problem: &str| Err(Invalid::new(field, problem));
        if self.verbs.is_empty() {
            return bad("verbs", "is empty; name some of append, read, command, admin");
        }
        if self.ledgers.is_empty() {
            return bad("ledgers", "is empty; * stands for every ledger");
        }
        for (field, patterns) in
            [("ledgers", &self.ledgers), ("types", &self.types), ("tags", &self.tags)]
        {
            if patterns.len() > Self::PATTERNS_MAX {
                let problem = format!("has more than {} patterns", Self::PATTERNS_MAX);
                return Err(Invalid::new(field, problem));
            }
        }
        if self.verbs.contains(&Verb::Command) && !self.tags.is_empty() {
            let problem = "can't limit commands: a command itself decides which events it touches";
            return bad("tags", problem);
        }
        if self.verbs.contains(&Verb::Admin) && self.is_limited() {
            return bad("verbs", "has admin, which can't be limited to types or tags");
        }
        Ok(())
    }
}

impl FromStr for Right {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = |problem: String| Invalid::new("right", problem);
        let mut words = text.split_whitespace();
        let verbs = words.next().unwrap_or_default().split(',').map(|name| {
            let known = Verb::ALL.into_iter().find(|verb| verb.name() == name);
            known.ok_or_else(|| {
                bad(format!("has {name:?}, which is none of append, read, command, admin"))
            })
        });
        let (verbs, ledgers) = (verbs.collect::<Result<_, _>>()?, Vec::new());
        let mut right = Self { verbs, ledgers, types: Vec::new(), tags: Vec::new() };
        while let Some(word) = words.next() {
            let patterns = match word {
                "on" => &mut right.ledgers,
                "types" => &mut right.types,
                "tags" => &mut right.tags,
                word => return Err(bad(format!("has {word:?} where on, types or tags may stand"))),
            };
            let named = words.next().ok_or_else(|| bad(format!("ends after {word:?}")))?;
            for pattern in named.split(',') {
                patterns.push(pattern.parse::<Pattern>()?);
            }
        }
        right.check()?;
        Ok(right)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |patterns: &[Pattern]| {
            patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join(",")
        };
        let verbs = self.verbs.iter().map(|verb| verb.name()).collect::<Vec<_>>().join(",");
        write!(f, "{verbs} on {}", list(&self.ledgers))?;
        for (word, patterns) in [("types", &self.types), ("tags", &self.tags)] {
            if !patterns.is_empty() {
                write!(f, " {word} {}", list(patterns))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_written_as_it_is_read() {
        for text in [
            "read on shop",
            "append,read on shop-*,test",
            "read on * types order.*,invoice.sent tags tenant:7,region:eu",
            "append,read,command,admin on *",
        ] {
            let right: Right = text.parse().expect("a right");
            assert_eq!(right.to_string(), text);
            let json = serde_json::to_string(&right).expect("JSON");
            assert_eq!(serde_json::from_str::<Right>(&json).expect("a right"), right);
        }
    }

    #[test]
    fn what_is_no_right_is_said_with_what_is_wrong() {
        for (text, says) in [
            ("", "none of append"),
            ("read", "every ledger"),
            ("write on shop", "\"write\""),
            ("read on", "ends after"),
            ("read shop", "\"shop\""),
            ("read on shop,,x", "is empty"),
            ("command on shop tags a:1", "decides"),
            ("admin on shop types a", "admin"),
        ] {
            let refused = text.parse::<Right>().expect_err(text).to_string();
            assert!(refused.contains(says), "{text:?}: {refused}");
        }
    }

    #[test]
    fn nothing_is_allowed_that_is_not_named() {
        let right: Right = "read,append on shop-*".parse().expect("a right");
        assert!(right.is_for(Verb::Read, "shop-1") && right.is_for(Verb::Append, "shop-"));
        assert!(!right.is_for(Verb::Admin, "shop-1") && !right.is_for(Verb::Read, "shop"));
    }
}
