//! How many parts a request may have, counted on its bytes before anything is made of them (G12).

use factum_proto::{Part, Shape, Unfit};

use super::{status::Refused, wire::Malformed};

/// Events in a request. The ledger's own limit may be lower.
const EVENTS_MAX: u32 = 65_536;
/// Tags of an event, and types or tags of an item of a query.
const NAMES_MAX: u32 = 256;
/// Pairs of an event's metadata.
const ENTRIES_MAX: u32 = 256;
/// Items of a query.
const ITEMS_MAX: u32 = 65_536;

pub(super) static APPEND: Shape = Shape(&[
    list(1, "events", EVENTS_MAX, &EVENT),
    Part { field: 2, name: "condition", at_most: None, of: &CONDITION },
]);
pub(super) static READ: Shape = Shape(&[query("query")]);
pub(super) static SUBSCRIBE: Shape = Shape(&[query("query")]);

static CONDITION: Shape = Shape(&[query("fail_if_events_match")]);
static EVENT: Shape =
    Shape(&[list(2, "tags", NAMES_MAX, &PLAIN), list(5, "metadata", ENTRIES_MAX, &PLAIN)]);
static QUERY: Shape = Shape(&[list(1, "items", ITEMS_MAX, &ITEM)]);
static ITEM: Shape =
    Shape(&[list(1, "types", NAMES_MAX, &PLAIN), list(2, "tags", NAMES_MAX, &PLAIN)]);
static PLAIN: Shape = Shape::PLAIN;

const fn list(field: u32, name: &'static str, at_most: u32, of: &'static Shape) -> Part {
    Part { field, name, at_most: Some(at_most), of }
}

/// A query is the first part of whatever has one.
const fn query(name: &'static str) -> Part {
    Part { field: 1, name, at_most: None, of: &QUERY }
}

impl From<Unfit> for Refused {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::TooMany(invalid) => invalid.into(),
            Unfit::Malformed(problem) => Malformed(problem).into(),
        }
    }
}
