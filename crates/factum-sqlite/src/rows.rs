//! Listing a view's rows: a page in the view's own total order, as JSON.
//!
//! A cursor carries the last row's values of the order's columns (keyset paging), so a page costs
//! the same wherever it is, and rows that come in between neither repeat nor hide others.

use factum_store::{
    Bytes, Invalid, Row, RowsPage, RowsRequest, Shape, ViewError, ViewName, ViewSpec,
};
use rusqlite::types::{Value as Sql, ValueRef};
use serde_json::Value as Json;

use crate::{
    error::{statement, unavailable},
    view_file::{ViewFile, checkpoint},
};

/// How the rows are ordered by one column.
struct OrderBy {
    column: String,
    descending: bool,
}

/// How a view is listed.
struct Listing {
    key: String,
    order: Vec<OrderBy>,
}

impl Listing {
    fn of(spec: &ViewSpec) -> Self {
        match &spec.shape {
            Shape::Documents => Self { key: "key".into(), order: vec![OrderBy::parse("key")] },
            Shape::Rows { key, order, .. } => {
                Self { key: key.clone(), order: order.iter().map(|o| OrderBy::parse(o)).collect() }
            }
        }
    }

    /// The statement and its values. `(a, b desc)` after a row is `a > ?1 or (a is ?1 and b < ?2)`.
    fn select(
        &self,
        view: &ViewName,
        request: &RowsRequest,
    ) -> Result<(String, Vec<Sql>), ViewError> {
        let (mut filters, mut values) = (Vec::new(), Vec::new());
        if let Some(key) = &request.key {
            values.push(Sql::Text(key.clone()));
            filters.push(format!("\"{}\" = ?{}", self.key, values.len()));
        }
        if let Some(cursor) = &request.cursor {
            let start = values.len() + 1;
            values.extend(from_cursor(cursor, self.order.len())?);
            let mut after = Vec::new();
            for (i, by) in self.order.iter().enumerate() {
                let same = self.order[..i].iter().enumerate();
                let same = same.map(|(j, by)| format!("\"{}\" is ?{}", by.column, start + j));
                let side = if by.descending { '<' } else { '>' };
                let beyond = format!("\"{}\" {side} ?{}", by.column, start + i);
                after.push(same.chain([beyond]).collect::<Vec<_>>().join(" and "));
            }
            filters.push(format!("(({}))", after.join(") or (")));
        }
        let filter = if filters.is_empty() { "true".into() } else { filters.join(" and ") };
        let order = self.order.iter().map(OrderBy::sql).collect::<Vec<_>>().join(", ");
        // SQLite counts in 63 bits.
        let limit = request.limit.saturating_add(1).min(i64::MAX as usize);
        Ok((
            format!("select * from \"{view}\" where {filter} order by {order} limit {limit}"),
            values,
        ))
    }
}

impl OrderBy {
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let column = words.next().unwrap_or_default().to_owned();
        let descending = words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"));
        Self { column, descending }
    }

    fn sql(&self) -> String {
        format!("\"{}\"{}", self.column, if self.descending { " desc" } else { "" })
    }
}

/// Some rows and the checkpoint they belong to, from one read transaction.
pub(crate) fn list(view: &ViewFile, request: &RowsRequest) -> Result<RowsPage, ViewError> {
    let name = view.name();
    if request.limit == 0 {
        return Err(Invalid::new("limit", "is 0; it must be at least 1").into());
    }
    let listing = Listing::of(&view.spec);
    let (sql, values) = listing.select(name, request)?;
    let documents = matches!(view.spec.shape, Shape::Documents);
    view.read(|reader| {
        let failed = |error: rusqlite::Error| unavailable(name, &error);
        let checkpoint = checkpoint(&reader.connection).map_err(failed)?;
        let mut select = reader.connection.prepare_cached(&sql).map_err(failed)?;
        let columns = Columns::of(&select);
        let mut found = select.query(rusqlite::params_from_iter(values)).map_err(failed)?;
        let (mut rows, mut last, mut next) = (Vec::new(), Vec::new(), None);
        while let Some(row) = found.next().map_err(failed)? {
            if rows.len() == request.limit {
                next = Some(to_cursor(&last));
                break;
            }
            let key = columns.text(row, &listing.key).map_err(failed)?;
            let document = if documents {
                row.get::<_, String>("document").map_err(failed)?
            } else {
                columns.json(row).map_err(failed)?
            };
            rows.push(Row { key, document: Bytes::from(document) });
            last.clear();
            for by in &listing.order {
                last.push(row.get::<_, Sql>(by.column.as_str()).map_err(failed)?);
            }
        }
        Ok(RowsPage { rows, next, checkpoint })
    })
}

/// Answers a question in SQL about one view: read-only, at most `limit` rows, bounded work.
pub(crate) fn question(view: &ViewFile, sql: &str, limit: usize) -> Result<Vec<Bytes>, ViewError> {
    let name = view.name();
    view.read(|reader| {
        let answered = reader.within_bounds(|| {
            let mut select = reader.connection.prepare(sql)?;
            let columns = Columns::of(&select);
            let mut found = select.query([])?;
            let mut rows = Vec::new();
            while rows.len() < limit
                && let Some(row) = found.next()?
            {
                rows.push(Bytes::from(columns.json(row)?));
            }
            Ok(rows)
        });
        answered.map_err(|problem| statement(name, problem))
    })
}

/// The columns of an answer, and how each is shown.
struct Columns(Vec<Column>);

struct Column {
    name: String,
    shown: Shown,
}

/// A column's declared type decides how it is shown.
#[derive(Clone, Copy)]
enum Shown {
    AsStored,
    Json,
    Boolean,
}

impl Columns {
    fn of(select: &rusqlite::Statement<'_>) -> Self {
        let shown = |declared: Option<&str>| match declared.map(str::to_ascii_uppercase).as_deref()
        {
            Some("JSON") => Shown::Json,
            Some("BOOLEAN" | "BOOL") => Shown::Boolean,
            _ => Shown::AsStored,
        };
        let columns = select.columns();
        Self(
            columns
                .map(|c| Column { name: c.name().to_owned(), shown: shown(c.decl_type()) })
                .collect(),
        )
    }

    fn text(&self, row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<String> {
        Ok(match row.get_ref(column)? {
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Null | ValueRef::Blob(_) => String::new(),
        })
    }

    /// An object of the row's columns, in their order.
    fn json(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
        let mut object = String::from("{");
        for (i, column) in self.0.iter().enumerate() {
            if i > 0 {
                object.push(',');
            }
            object.push_str(&Json::from(column.name.as_str()).to_string());
            object.push(':');
            object.push_str(&column.shown.json(row.get_ref(i)?));
        }
        object.push('}');
        Ok(object)
    }
}

impl Shown {
    fn json(self, value: ValueRef<'_>) -> String {
        match (value, self) {
            (ValueRef::Null, _) => "null".into(),
            (ValueRef::Integer(number), Self::Boolean) => (number != 0).to_string(),
            (ValueRef::Integer(number), _) => number.to_string(),
            (ValueRef::Real(number), _) => Json::from(number).to_string(),
            (ValueRef::Text(text), Self::Json) if serde_json::from_slice::<Json>(text).is_ok() => {
                String::from_utf8_lossy(text).into_owned()
            }
            (ValueRef::Text(text), _) => Json::from(String::from_utf8_lossy(text)).to_string(),
            (ValueRef::Blob(bytes), _) => Json::from(hex(bytes)).to_string(),
        }
    }
}

/// A cursor: the hexadecimal form of a JSON array of the order's values.
fn to_cursor(values: &[Sql]) -> String {
    let json = values.iter().map(|value| match value {
        Sql::Null | Sql::Blob(_) => Json::Null,
        Sql::Integer(number) => Json::from(*number),
        Sql::Real(number) => Json::from(*number),
        Sql::Text(text) => Json::from(text.as_str()),
    });
    hex(json.collect::<Json>().to_string().as_bytes())
}

fn from_cursor(cursor: &str, columns: usize) -> Result<Vec<Sql>, ViewError> {
    let invalid = || Invalid::new("cursor", "is not one that an earlier page of this view gave");
    let bytes = from_hex(cursor).ok_or_else(invalid)?;
    let values: Vec<Json> = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    if values.len() != columns {
        return Err(invalid().into());
    }
    let sql = |value| match value {
        Json::Null => Some(Sql::Null),
        Json::String(text) => Some(Sql::Text(text)),
        Json::Number(number) if number.is_f64() => number.as_f64().map(Sql::Real),
        Json::Number(number) => number.as_i64().map(Sql::Integer),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    values.into_iter().map(|value| sql(value).ok_or_else(|| invalid().into())).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}
