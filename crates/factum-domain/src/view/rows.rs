//! [`rows`]: a table, and SQL statements for each event type with the event's fields as named
//! parameters.

use factum_store::{Change, Invalid, RecordedEvent, Shape, Statement, Value, ViewName, ViewSpec};
use serde_json::Value as Json;

use crate::{
    ApplyError, DecodeError, Event, EventModel, Fingerprint, read_event,
    view::{
        IntoView, KEYFRAME_EVERY, Projection, View,
        sql::{SqlStatement, statements},
    },
};

/// Parameters that every statement may name beside the event's fields.
const ENVELOPE: [&str; 3] = ["position", "recorded_at", "event_id"];

/// The view `name`: a table of that name, made by `schema`.
///
/// ```text
/// rows("product_sales", "create table product_sales (product_id text primary key, sold integer)")
///     .key("product_id")
///     .order(["product_id"])
///     .on::<OrderPlaced>("insert into product_sales select …, :order from json_each(:items)")
/// ```
///
/// A statement may name the event's fields as the current version has them (`:order`): scalars as
/// such, arrays and objects as JSON text; and `:position`, `:recorded_at` (microseconds) and
/// `:event_id`, unless the event has a field of that name. Several statements, parted by `;`, run
/// in order.
#[must_use]
pub fn rows(name: &'static str, schema: &'static str) -> RowsBuilder {
    RowsBuilder {
        name,
        schema,
        key: "",
        order: Vec::new(),
        keyframe_every: KEYFRAME_EVERY,
        handlers: Vec::new(),
    }
}

/// A view of rows under construction.
pub struct RowsBuilder {
    name: &'static str,
    schema: &'static str,
    key: &'static str,
    order: Vec<String>,
    keyframe_every: u64,
    handlers: Vec<Handler>,
}

struct Handler {
    model: EventModel,
    sql: &'static str,
    statements: Vec<SqlStatement>,
    fields: fn(&RecordedEvent) -> Result<Json, DecodeError>,
}

impl RowsBuilder {
    /// The column that a row is asked for by.
    #[must_use]
    pub fn key(mut self, column: &'static str) -> Self {
        self.key = column;
        self
    }

    /// The order of listing, as columns with an optional `asc` or `desc`; it must be total.
    #[must_use]
    pub fn order<const N: usize>(mut self, columns: [&'static str; N]) -> Self {
        self.order = columns.map(str::to_owned).to_vec();
        self
    }

    /// At least so many positions lie between two keyframes.
    #[must_use]
    pub fn keyframe_every(mut self, positions: u64) -> Self {
        self.keyframe_every = positions;
        self
    }

    /// What an event of type `E` does. Older versions are read as `E` first.
    #[must_use]
    pub fn on<E: Event>(mut self, sql: &'static str) -> Self {
        let statements = statements(sql);
        self.handlers.push(Handler { model: E::MODEL, sql, statements, fields: fields::<E> });
        self
    }

    fn check(&self) -> Result<(), Invalid> {
        let invalid = |problem: String| Err(Invalid::new(format!("view {}", self.name), problem));
        if self.key.is_empty() {
            return invalid("has no key; add `.key(\"column\")`".into());
        }
        if self.order.is_empty() {
            return invalid("has no order of listing; add `.order([\"column\"])`".into());
        }
        if self.handlers.is_empty() {
            return invalid("heeds no event; add `.on::<SomeEvent>(\"insert …\")`".into());
        }
        for handler in &self.handlers {
            let event = handler.model.event_type;
            if handler.statements.is_empty() {
                return invalid(format!("has no statement for {event}"));
            }
            if let Some(name) = handler.unknown_parameter() {
                let known = handler.known().map(|name| format!(":{name}"));
                let known = known.collect::<Vec<_>>().join(", ");
                return invalid(format!(
                    "names :{name}, which {event} does not have; it has {known}"
                ));
            }
        }
        Ok(())
    }

    fn fingerprint(&self) -> u64 {
        let digest = Fingerprint::new().text("rows").text(self.schema).text(self.key);
        let digest = self.order.iter().fold(digest, |digest, column| digest.text(column));
        let handlers = self.handlers.iter();
        let digest = handlers.fold(digest, |digest, handler| {
            digest.number(handler.model.fingerprint()).text(handler.sql)
        });
        digest.finish()
    }
}

impl Handler {
    fn known(&self) -> impl Iterator<Item = &'static str> {
        self.model.fields.iter().map(|field| field.name).chain(ENVELOPE)
    }

    fn unknown_parameter(&self) -> Option<&'static str> {
        let mut named = self.statements.iter().flat_map(|statement| &statement.parameters);
        named.find(|name| !self.known().any(|known| known == **name)).copied()
    }

    fn changes(&self, event: &RecordedEvent, view: &ViewName) -> Result<Vec<Change>, ApplyError> {
        let target = || format!("view {view}");
        let fields = (self.fields)(event);
        let fields = fields.map_err(|e| ApplyError::unreadable(target(), event, e))?;
        let statement = |sql: &SqlStatement| {
            let values =
                sql.parameters.iter().map(|name| Ok((*name, value(name, &fields, event)?)));
            let parameters = values.collect::<Result<_, String>>()?;
            Ok(Change::Execute(Statement { sql: sql.text, parameters }))
        };
        let changes = self.statements.iter().map(statement).collect::<Result<_, String>>();
        changes.map_err(|problem| ApplyError::new(target(), event, problem))
    }
}

impl IntoView for RowsBuilder {
    fn into_view(self) -> Result<View, Invalid> {
        let name = ViewName::new(self.name)?;
        self.check()?;
        let fingerprint = self.fingerprint();
        let heeds = self.handlers.iter().map(|handler| handler.model).collect();
        let schema = self.schema.to_owned();
        let shape = Shape::Rows { schema, key: self.key.to_owned(), order: self.order };
        let projection = Projection::Rows(Rows { view: name.clone(), handlers: self.handlers });
        let spec = ViewSpec { name, fingerprint, shape };
        Ok(View::new(spec, heeds, self.keyframe_every, projection))
    }
}

/// What events do to a view of rows.
pub struct Rows {
    view: ViewName,
    handlers: Vec<Handler>,
}

impl Rows {
    /// The statements that an event leads to, in order.
    ///
    /// # Errors
    /// [`ApplyError`] when the event can't be read, or holds a number that SQL can't.
    pub fn changes(&self, event: &RecordedEvent) -> Result<Vec<Change>, ApplyError> {
        let mut changes = Vec::new();
        for handler in &self.handlers {
            if handler.model.event_type == event.event_type.as_str() {
                changes.extend(handler.changes(event, &self.view)?);
            }
        }
        Ok(changes)
    }
}

fn fields<E: Event>(event: &RecordedEvent) -> Result<Json, DecodeError> {
    let Some(read) = read_event::<E>(event)? else { return Ok(Json::Null) };
    serde_json::to_value(&read).map_err(|e| DecodeError::new::<E>(E::VERSION, e.to_string()))
}

/// The value of a named parameter. The event's own field wins over the envelope's.
fn value(name: &str, fields: &Json, event: &RecordedEvent) -> Result<Value, String> {
    let whole = |number: u64, what| {
        let fits = i64::try_from(number);
        fits.map(Value::Integer).map_err(|_| format!("{what} is beyond what SQL can hold"))
    };
    if let Some(field) = fields.get(name) {
        return Ok(match field {
            Json::Null => Value::Null,
            Json::Bool(yes) => Value::Integer((*yes).into()),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(_) | Json::Object(_) => Value::Json(field.to_string()),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Value::Integer(number),
                (None, Some(number)) => whole(number, name)?,
                (None, None) => Value::Real(number.as_f64().unwrap_or(f64::NAN)),
            },
        });
    }
    match name {
        "position" => whole(event.position.0, name),
        "recorded_at" => whole(event.recorded_at.micros, name),
        "event_id" => Ok(Value::Text(event.id.to_string())),
        // A field that its `skip_serializing_if` left out.
        _ => Ok(Value::Null),
    }
}
