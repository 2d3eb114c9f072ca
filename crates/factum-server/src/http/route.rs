//! [`Route`]: one method of one path, with all that the document of the interface says of it. A
//! route without an answer or a description can't be written down.

use std::{convert::Infallible, sync::Arc};

use axum::{
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Shared, known::Known, problem::Kind};
use crate::schema::LEDGER_NAME;

/// A schema, made by a generator that knows the others.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Its name in generated clients.
    pub(crate) id: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
    pub(crate) parameters: &'static [Known],
    pub(crate) headers: Vec<Known>,
    /// The JSON that it takes.
    pub(crate) body: Option<SchemaOf>,
    /// A body that it takes.
    pub(crate) example: Option<&'static str>,
    /// How it says "yes".
    pub(crate) answers: Vec<Yes>,
    /// How it says "no", beside what every route of its kind can say.
    pub(crate) problems: Vec<Kind>,
    pub(crate) to: MethodRouter<Arc<Shared>, Infallible>,
}

/// A "yes": a status and what comes with it.
pub(crate) struct Yes {
    pub(crate) status: u16,
    pub(crate) media: &'static str,
    /// For server-sent events and lines: of one frame's data, or one line.
    pub(crate) schema: SchemaOf,
}

/// The parts of paths, by name.
const PARTS: &[Known] = &[
    Known::pattern(
        "ledger",
        LEDGER_NAME,
        "the ledger: 1 to 64 of a-z, 0-9, _ and -, not beginning with -",
    ),
    Known::pattern(
        "group",
        "^[a-z0-9_][a-z0-9_-]{0,63}$",
        "the group: 1 to 64 of a-z, 0-9, _ and -, not beginning with -",
    ),
    Known::name("stream", "the stream's name, percent-encoded"),
    Known::text("fold", "the fold's name"),
    Known::text("view", "the view's name"),
    Known::text("key", "the key, percent-encoded"),
    Known::text("command", "the command's name"),
    Known::pattern("token", "^[0-9a-f]{16}$", "the token's id: 16 of 0-9 and a-f"),
    Known::pattern(
        "event",
        "^([0-9]{1,19}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
        "the event's id (a UUID), or its position",
    ),
    Known::pattern("job", "^[0-9a-f]{16}$", "the job's id: 16 of 0-9 and a-f"),
    Known::text("problem", "the last part of a problem's type"),
];

/// Writes the function that makes a route of a method.
macro_rules! method {
    ($(#[$what:meta])* $name:ident, $method:ident) => {
        $(#[$what])*
        pub(crate) fn $name<H, T>(
            path: &'static str,
            id: &'static str,
            what: &'static str,
            handler: H,
        ) -> Route
        where
            H: Handler<T, Arc<Shared>>,
            T: 'static,
        {
            let to = on(MethodFilter::$method, handler);
            Route::new(stringify!($method), path, id, what, to)
        }
    };
}

method! {
    /// A GET.
    get, GET
}
method! {
    /// A POST.
    post, POST
}
method! {
    /// A DELETE.
    delete, DELETE
}

impl Route {
    fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        what: &'static str,
        to: MethodRouter<Arc<Shared>>,
    ) -> Self {
        Self {
            method,
            path,
            id,
            what,
            parameters: &[],
            headers: Vec::new(),
            body: None,
            example: None,
            answers: Vec::new(),
            problems: Vec::new(),
            to,
        }
    }

    /// The parameters of its query.
    pub(crate) fn parameters(mut self, parameters: &'static [Known]) -> Self {
        self.parameters = parameters;
        self
    }

    /// A header that it heeds.
    pub(crate) fn header(mut self, header: Known) -> Self {
        self.headers.push(header);
        self
    }

    /// Heeds an `Idempotency-Key`.
    pub(crate) fn keyed(self) -> Self {
        const KEY: Known = Known::key(
            "Idempotency-Key",
            "makes a retry safe: the same key and the same request get the first answer",
        );
        let mut keyed = self.header(KEY);
        keyed.problems.push(Kind::KeyReused);
        keyed
    }

    /// Takes a body of JSON that is read as a `B`.
    pub(crate) fn takes<B: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<B>);
        self
    }

    /// A body to begin with.
    pub(crate) fn example(mut self, body: &'static str) -> Self {
        self.example = Some(body);
        self
    }

    /// Answers 200 with an `A` as JSON.
    pub(crate) fn answers<A: JsonSchema>(self) -> Self {
        self.answers_as::<A>(200, "application/json")
    }

    /// Answers with this status and media type. Of a stream `A` is one frame's data, or one line.
    pub(crate) fn answers_as<A: JsonSchema>(mut self, status: u16, media: &'static str) -> Self {
        let schema = SchemaGenerator::subschema_for::<A>;
        self.answers.push(Yes { status, media, schema });
        self
    }

    /// Can say "no" like this, beside what every route of its kind can say.
    pub(crate) fn may(mut self, problems: &[Kind]) -> Self {
        self.problems.extend_from_slice(problems);
        self
    }

    /// What it is about, in a word: the place after the ledger's, or the first one.
    pub(crate) fn group(&self) -> &'static str {
        let words = self.path.split('/').filter(|part| !part.is_empty() && !part.starts_with('{'));
        match words.collect::<Vec<_>>()[..] {
            ["v1", "ledgers"] => "ledgers",
            ["v1", "ledgers", group, ..] | ["v1", group, ..] => group,
            _ => "server",
        }
    }

    /// The parts of its path, in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &'static Known> {
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{'));
        names.map(|name| {
            let known = PARTS.iter().find(|part| name.strip_suffix('}') == Some(part.name));
            known.expect("each part of a path is in the table of parts")
        })
    }

    /// Every kind of "no" that it can say, in the order of the table.
    pub(crate) fn all_problems(&self) -> Vec<Kind> {
        use Kind::*;
        let mut all =
            vec![HostNotAllowed, OriginNotAllowed, Malformed, UnknownParameter, Busy, Bug];
        if !self.parameters.is_empty() || !self.headers.is_empty() || self.path.contains('{') {
            all.push(Invalid);
        }
        if self.body.is_some() {
            all.extend([Invalid, BodyTooLarge, BodyTooSlow, UnsupportedMediaType, Busy]);
        }
        // Whatever looks at a ledger may have to wait, or find its disk in trouble.
        if self.path.starts_with("/v1/") || self.path == "/health" {
            all.extend([Busy, Unavailable, Damaged]);
        }
        if self.path.contains("{ledger}") {
            all.push(UnknownLedger);
        }
        if self.path.starts_with("/v1/") {
            all.push(Unauthenticated);
            all.push(Forbidden);
        }
        if self.method != "GET" && self.path.starts_with("/v1/") {
            all.extend([Full, ReadOnly, OutcomeUnknown]);
        }
        all.extend_from_slice(&self.problems);
        all.sort_by_key(|kind| *kind as usize);
        all.dedup();
        all
    }
}
