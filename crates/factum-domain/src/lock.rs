//! `events.lock`: the shape of every event that may be in a ledger, as a committed text.
//!
//! Protects G8: what was recorded under yesterday's shapes must be readable today, so a shape that
//! was released changes by adding (a field that may be missing), or by a new version.
//!
//! It sees the fields of events and the names of their types; it does not see into those types.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use crate::EventModel;

const PREAMBLE: &str = "\
# The shape of every event that may be in a ledger. A test compares it with the code.
# `UPDATE_EVENTS_LOCK=1 cargo test` adds what is new; commit the file with the change.
";

/// The text of `events.lock` for some events, sorted by type and version.
pub fn events_lock<'a>(models: impl IntoIterator<Item = &'a EventModel>) -> String {
    let mut models: Vec<_> = models.into_iter().collect();
    models.sort_unstable_by_key(|model| (model.event_type, model.version));
    let mut text = PREAMBLE.to_owned();
    for model in models {
        let _ = write!(text, "\n{} v{}\n", model.event_type, model.version);
        for field in model.fields {
            let tag = field.tag.map(|kind| format!(", tag {kind}")).unwrap_or_default();
            let personal = if field.personal { PERSONAL } else { "" };
            let optional = if field.optional { OPTIONAL } else { "" };
            let _ =
                writeln!(text, "  {}: {}{tag}{personal}{optional}", field.name, field.rust_type);
        }
    }
    text
}

const PERSONAL: &str = ", personal";
const OPTIONAL: &str = ", optional";

/// Where the code and `events.lock` differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockProblem {
    /// Recorded events could no longer be read as they were meant.
    Breaking(String),
    /// The file does not have it yet.
    Stale(String),
}

impl fmt::Display for LockProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breaking(what) | Self::Stale(what) => f.write_str(what),
        }
    }
}

/// Compares the text of a committed `events.lock` with the text of the code's.
#[must_use]
pub fn compare_locks(locked: &str, code: &str) -> Vec<LockProblem> {
    let (locked_events, code_events) = (parse(locked), parse(code));
    let mut problems = Vec::new();
    for (event, fields) in &locked_events {
        match code_events.get(event) {
            Some(now) => compare_fields(event, fields, now, &mut problems),
            None => problems.push(LockProblem::Breaking(format!(
                "{event} is no longer in the code, so recorded ones would be ignored: keep the struct and register it with `.event::<…>()`, or take its lines out of the file"
            ))),
        }
    }
    let new = code_events.keys().filter(|event| !locked_events.contains_key(*event));
    problems.extend(new.map(|event| LockProblem::Stale(format!("{event} is new"))));
    problems
}

/// A field's line, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct LockedField<'a> {
    name: &'a str,
    /// Type and tag: what must stay.
    shape: &'a str,
    personal: bool,
    optional: bool,
}

fn parse(text: &str) -> BTreeMap<&str, Vec<LockedField<'_>>> {
    let mut events: BTreeMap<&str, Vec<LockedField<'_>>> = BTreeMap::new();
    let mut event = "";
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if let Some(field) = line.strip_prefix("  ") {
            events.entry(event).or_default().push(parse_field(field));
        } else {
            event = line.trim_end();
            events.entry(event).or_default();
        }
    }
    events
}

fn parse_field(line: &str) -> LockedField<'_> {
    let (name, rest) = line.trim_end().split_once(": ").unwrap_or((line, ""));
    let (rest, optional) = rest.strip_suffix(OPTIONAL).map_or((rest, false), |rest| (rest, true));
    let (shape, personal) = rest.strip_suffix(PERSONAL).map_or((rest, false), |rest| (rest, true));
    LockedField { name, shape, personal, optional }
}

fn compare_fields(
    event: &str,
    locked: &[LockedField<'_>],
    code: &[LockedField<'_>],
    problems: &mut Vec<LockProblem>,
) {
    let breaking = |what: String| {
        LockProblem::Breaking(format!(
            "{event} was changed without a new version: {what}; keep the old struct under another name, raise `version` and add `from = …`"
        ))
    };
    for old in locked {
        let name = old.name;
        let problem = match code.iter().find(|new| new.name == name) {
            None => breaking(format!("field `{name}` is gone")),
            Some(new) if new.shape != old.shape => {
                breaking(format!("field `{name}` was `{}` and is `{}`", old.shape, new.shape))
            }
            Some(new) if old.optional && !new.optional => {
                breaking(format!("field `{name}` might be missing and now must be there"))
            }
            Some(new) if new != old => {
                LockProblem::Stale(format!("{event}: what is said of field `{name}` has changed"))
            }
            Some(_) => continue,
        };
        problems.push(problem);
    }
    for new in code.iter().filter(|new| !locked.iter().any(|old| old.name == new.name)) {
        let name = new.name;
        problems.push(if new.optional {
            LockProblem::Stale(format!("{event} has a new field `{name}`"))
        } else {
            breaking(format!(
                "field `{name}` is new and must be there (or add `#[serde(default)]`)"
            ))
        });
    }
}
