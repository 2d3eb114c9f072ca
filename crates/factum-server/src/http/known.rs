//! [`Known`]: a parameter or header that a route takes, as the document of the interface says it.
//! What the schema here allows is what the route accepts: the two are compared by tests.

use serde_json::{Value, json};

use crate::schema;

/// A parameter or a header: its name, what it means and what it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    takes: Takes,
    required: bool,
}

#[derive(Clone, Copy, Debug)]
enum Takes {
    Name,
    Names,
    Position,
    Limit { max: usize, default: usize },
    Milliseconds { max: u64 },
    Switch,
    Word(&'static [&'static str]),
    Moment,
    Time,
    Text,
    Key,
    Pattern(&'static str),
}

impl Known {
    const fn new(name: &'static str, what: &'static str, takes: Takes) -> Self {
        Self { name, what, takes, required: false }
    }

    /// A type, tag, stream or category.
    pub(crate) const fn name(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Takes::Name)
    }

    /// The same, any number of times.
    pub(crate) const fn names(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Takes::Names)
    }

    pub(crate) const fn position(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Takes::Position)
    }

    /// `limit`, from 1 to `max`.
    pub(crate) const fn limit(max: usize, default: usize, what: &'static str) -> Self {
        Self::new("limit", what, Takes::Limit { max, default })
    }

    /// So many milliseconds, at most `max`; none when it is left out.
    pub(crate) const fn milliseconds(name: &'static str, max: u64, what: &'static str) -> Self {
        Self::new(name, what, Takes::Milliseconds { max })
    }

    /// There without a value, or `true`, or `false`.
    pub(crate) const fn switch(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Takes::Switch)
    }

    /// One of these words.
    pub(crate) const fn word(
        name: &'static str,
        words: &'static [&'static str],
        what: &'static str,
    ) -> Self {
        Self::new(name, what, Takes::Word(words))
    }

    /// A position or a time.
    pub(crate) const fn moment(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Takes::Moment)
    }

    /// A time.
    pub(crate) const fn time(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Takes::Time)
    }

    /// Any text.
    pub(crate) const fn text(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Takes::Text)
    }

    /// An idempotency key.
    pub(crate) const fn key(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Takes::Key)
    }

    /// Text that this regular expression matches.
    pub(crate) const fn pattern(
        name: &'static str,
        pattern: &'static str,
        what: &'static str,
    ) -> Self {
        Self::new(name, what, Takes::Pattern(pattern))
    }

    /// The same, which must be there.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn is_required(&self) -> bool {
        self.required
    }

    /// A value that can be shown in an address.
    pub(crate) fn example(&self) -> &'static str {
        match self.name {
            "ledger" | "confirm" => "default",
            "problem" => "conflict",
            "id" => "018f2f6e-0000-7000-8000-000000000001",
            "group" => "mail",
            "at" => "2026-01-31T12:00:00Z",
            "stream" => "order-1",
            "view" => "orders",
            "fold" => "order",
            "key" => "%23W1",
            "command" => "place_order",
            _ => "1",
        }
    }

    /// Its parameter object: `place` is path, query or header.
    pub(crate) fn document(&self, place: &'static str) -> Value {
        let mut object = json!({
            "name": self.name, "in": place, "description": self.what, "schema": self.schema(),
        });
        if self.required || place == "path" {
            object["required"] = true.into();
        }
        object
    }

    fn schema(&self) -> Value {
        match self.takes {
            Takes::Name => schema::name(),
            Takes::Names => json!({ "type": "array", "items": schema::name(), "maxItems": 64 }),
            Takes::Position => schema::count(0),
            Takes::Limit { max, default } => {
                json!({ "type": "integer", "minimum": 1, "maximum": max, "default": default })
            }
            Takes::Milliseconds { max } => {
                json!({ "type": "integer", "minimum": 0, "maximum": max, "default": 0 })
            }
            Takes::Switch => json!({ "type": "string", "enum": ["true", "false", ""] }),
            Takes::Word(words) => json!({ "type": "string", "enum": words, "default": words[0] }),
            Takes::Moment => json!({
                "oneOf": [schema::count(0), { "type": "string", "format": "date-time" }],
            }),
            Takes::Time => json!({ "type": "string", "format": "date-time" }),
            Takes::Text => json!({ "type": "string" }),
            Takes::Key => {
                json!({ "type": "string", "pattern": "^[!#-~]+$", "minLength": 1, "maxLength": 256 })
            }
            Takes::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        }
    }
}
