//! [`Key`]: what a fold is keyed by. One id, two ids (events that carry both tags), or `()` for
//! the whole ledger.

use std::{fmt::Debug, hash::Hash};

use factum_store::{Invalid, Tag};

use crate::Id;

/// What a fold is keyed by: which tags an event must carry to concern it.
///
/// [`Key::text`] is injective, and [`Key::parse`] undoes it: the text is the key of a document.
#[diagnostic::on_unimplemented(
    message = "nothing can be keyed by `{Self}`",
    label = "not an id, not a pair of ids and not `()`",
    note = "a fold is keyed by an id (`by = AccountId`), by two (`by = (A, B)`: events that carry both tags), or by `()`: the whole ledger"
)]
pub trait Key: Clone + Debug + Eq + Ord + Hash + Send + Sync + 'static {
    /// The tags that an event of this key carries, all of them.
    fn tags(&self) -> Vec<Tag>;

    /// The key as text.
    fn text(&self) -> String;

    /// The key of a text.
    ///
    /// # Errors
    /// [`Invalid`] when the text is not one that [`Key::text`] makes.
    fn parse(text: &str) -> Result<Self, Invalid>;

    /// The kinds of its ids, in order; of the whole ledger there is none.
    fn kinds() -> Vec<&'static str>;

    /// The keys that an event with these tags concerns.
    fn found_in(tags: &[Tag]) -> Vec<Self>;
}

impl<I: Id> Key for I {
    fn tags(&self) -> Vec<Tag> {
        vec![self.tag()]
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }

    fn kinds() -> Vec<&'static str> {
        vec![I::KIND]
    }

    fn found_in(tags: &[Tag]) -> Vec<Self> {
        // A tag of this kind that is no id of this type was written by somebody else: not ours.
        let values = tags.iter().filter_map(|tag| {
            let (kind, value) = tag.as_str().split_once(':')?;
            (kind == I::KIND).then_some(value)
        });
        values.filter_map(|value| value.parse().ok()).collect()
    }
}

/// The text is `a,b`, with `,` and `\` of the first escaped by `\`.
impl<A: Id, B: Id> Key for (A, B) {
    fn tags(&self) -> Vec<Tag> {
        let mut tags = vec![self.0.tag(), self.1.tag()];
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    fn text(&self) -> String {
        let first = self.0.to_string().replace('\\', "\\\\").replace(',', "\\,");
        format!("{first},{}", self.1)
    }

    fn parse(text: &str) -> Result<Self, Invalid> {
        let mut first = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                ',' => return Ok((first.parse()?, rest.as_str().parse()?)),
                '\\' => first.extend(rest.next()),
                c => first.push(c),
            }
        }
        Err(Invalid::new("key", format!("{text:?} has no comma between its two ids")))
    }

    fn kinds() -> Vec<&'static str> {
        vec![A::KIND, B::KIND]
    }

    fn found_in(tags: &[Tag]) -> Vec<Self> {
        let seconds = B::found_in(tags);
        let firsts = A::found_in(tags).into_iter();
        firsts.flat_map(|a| seconds.iter().map(move |b| (a.clone(), b.clone()))).collect()
    }
}

/// The whole ledger; its text is `all`.
impl Key for () {
    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    fn text(&self) -> String {
        "all".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "all" => Ok(()),
            _ => Err(Invalid::new("key", format!("{text:?} is not `all`, the only key there is"))),
        }
    }

    fn kinds() -> Vec<&'static str> {
        Vec::new()
    }

    fn found_in(_: &[Tag]) -> Vec<Self> {
        vec![()]
    }
}
