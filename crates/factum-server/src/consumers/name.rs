//! [`GroupName`]: what a group is called, within its ledger, and the stream that its journal is.

use std::{fmt, str::FromStr};

use factum_store::{Invalid, StreamName};

use crate::plain_name::plain_name;

/// A checked name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupName(String);

impl GroupName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream of a group's journal: no two groups of a server share one.
    pub(super) fn stream(&self, ledger: &str) -> Result<StreamName, Invalid> {
        StreamName::new(format!("group-{ledger}/{self}"))
    }

    /// The ledger and the name that a stream belongs to.
    pub(super) fn of_stream(stream: &str) -> Option<(String, Self)> {
        let (ledger, name) = stream.strip_prefix("group-")?.split_once('/')?;
        Some((ledger.to_owned(), name.parse().ok()?))
    }
}

impl FromStr for GroupName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        plain_name("group", text).map(Self)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_again_by_its_stream() {
        let name: GroupName = "mail-out".parse().expect("a name");
        let stream = name.stream("tenant-7").expect("a stream");
        assert_eq!(GroupName::of_stream(stream.as_str()), Some(("tenant-7".to_owned(), name)));
        for text in ["", "-a", "a/b", "A", "ä", &"a".repeat(65)] {
            assert!(text.parse::<GroupName>().is_err(), "{text:?}");
        }
    }
}
