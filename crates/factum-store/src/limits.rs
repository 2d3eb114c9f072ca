//! How large anything may be, in one place, and [`Invalid`]: what is said when it is larger.
//!
//! Everything is refused *before* a byte is written, so bad input changes nothing.

use std::collections::HashSet;

use crate::{Append, Condition, NewEvent, Query, retention::check_batch};

/// Input that can't be accepted: which field, and what is wrong with it (with the limit).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct Invalid {
    /// The path of the field, such as `events[2].tags[0]`.
    pub field: String,
    /// A sentence about it that follows the field's name.
    pub problem: String,
}

impl Invalid {
    /// `field` has `problem`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// The same problem, of a field that lies within `parent`.
    #[must_use]
    pub fn within(self, parent: &str) -> Self {
        Self { field: format!("{parent}.{}", self.field), problem: self.problem }
    }
}

/// The limits of a ledger. The defaults are DESIGN.md's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one event's payload. 8 MiB.
    pub data_bytes_max: usize,
    /// Bytes of one event's metadata. 64 KiB.
    pub metadata_bytes_max: usize,
    /// Labels on one event. 64.
    pub tags_max: usize,
    /// Causes of one event. 64.
    pub causes_max: usize,
    /// Bytes of each free text of the envelope (actor, correlation, key, trace). 256.
    pub text_bytes_max: usize,
    /// Events in one append. 4,096.
    pub batch_events_max: usize,
    /// Bytes of payload and metadata in one append. 16 MiB.
    pub batch_bytes_max: usize,
    /// Conditions of one append. 256.
    pub conditions_max: usize,
    /// Items of one query. 256.
    pub query_items_max: usize,
    /// Types or tags of one item of a query. 256.
    pub query_terms_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            data_bytes_max: 8 << 20,
            metadata_bytes_max: 64 << 10,
            tags_max: 64,
            causes_max: 64,
            text_bytes_max: 256,
            batch_events_max: 4_096,
            batch_bytes_max: 16 << 20,
            conditions_max: 256,
            query_items_max: 256,
            query_terms_max: 256,
        }
    }
}

fn at_most(field: &str, what: &str, has: usize, max: usize) -> Result<(), Invalid> {
    if has <= max {
        return Ok(());
    }
    Err(Invalid::new(field, format!("has {has} {what}; the limit is {max}")))
}

impl Limits {
    /// Checks an append as a whole.
    ///
    /// # Errors
    /// The first [`Invalid`] field.
    pub fn check_append(&self, append: &Append) -> Result<(), Invalid> {
        if append.events.is_empty() {
            return Err(Invalid::new("events", "is empty; an append needs at least one event"));
        }
        at_most("events", "events", append.events.len(), self.batch_events_max)?;
        at_most("conditions", "conditions", append.conditions.len(), self.conditions_max)?;
        let mut bytes = 0;
        let mut ids = HashSet::new();
        for (i, event) in append.events.iter().enumerate() {
            self.check_event(event).map_err(|e| e.within(&format!("events[{i}]")))?;
            bytes += event.data.len() + event.metadata.len();
            if event.id.is_some_and(|id| !ids.insert(id)) {
                return Err(Invalid::new(
                    format!("events[{i}].id"),
                    "is used twice in this append",
                ));
            }
        }
        at_most("events", "bytes of data and metadata", bytes, self.batch_bytes_max)?;
        check_batch(&append.events)?;
        for (i, condition) in append.conditions.iter().enumerate() {
            if let Condition::NoMatch { query, .. } = condition {
                self.check_query(query).map_err(|e| e.within(&format!("conditions[{i}].query")))?;
            }
        }
        if let Some(key) = &append.key {
            for (field, text) in [
                ("key.principal", &key.principal),
                ("key.operation", &key.operation),
                ("key.key", &key.key),
            ] {
                at_most(field, "bytes", text.len(), self.text_bytes_max)?;
            }
            if key.key.is_empty() {
                return Err(Invalid::new("key.key", "is empty; leave the key out instead"));
            }
        }
        Ok(())
    }

    /// Checks one event.
    ///
    /// # Errors
    /// The first [`Invalid`] field.
    pub fn check_event(&self, event: &NewEvent) -> Result<(), Invalid> {
        at_most("data", "bytes", event.data.len(), self.data_bytes_max)?;
        at_most("metadata", "bytes", event.metadata.len(), self.metadata_bytes_max)?;
        at_most("tags", "tags", event.tags.len(), self.tags_max)?;
        if !event.tags.is_sorted_by(|a, b| a < b) {
            return Err(Invalid::new("tags", "is not sorted, or names a tag twice"));
        }
        let envelope = &event.envelope;
        at_most("causation_ids", "ids", envelope.causation_ids.len(), self.causes_max)?;
        let schema = envelope.schema.as_ref().map(|schema| &schema.name);
        for (field, text) in [
            ("actor", envelope.actor.as_ref()),
            ("correlation_id", envelope.correlation_id.as_ref()),
            ("command_id", envelope.command_id.as_ref()),
            ("trace", envelope.trace.as_ref()),
            ("schema", schema),
        ] {
            at_most(field, "bytes", text.map_or(0, |t| t.len()), self.text_bytes_max)?;
        }
        Ok(())
    }

    /// Checks a query.
    ///
    /// # Errors
    /// The first [`Invalid`] field.
    pub fn check_query(&self, query: &Query) -> Result<(), Invalid> {
        at_most("items", "items", query.items.len(), self.query_items_max)?;
        for (i, item) in query.items.iter().enumerate() {
            at_most(&format!("items[{i}].types"), "types", item.types.len(), self.query_terms_max)?;
            at_most(&format!("items[{i}].tags"), "tags", item.tags.len(), self.query_terms_max)?;
        }
        Ok(())
    }
}
