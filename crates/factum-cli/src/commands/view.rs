//! `factum view`: the rows of a view, now or as of a moment of the past.
//!
//! The view is caught up to the head before it is read, so the answer has seen everything that was
//! recorded before the question.

use std::io;

use clap::Args;
use factum::{
    Answer, App, AsOf, Freshness, ViewHandle, ViewRead,
    store::{Position, Row},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::{
    args::{Application, Place, moment},
    event::shortened,
    failure::{Exit, Failure},
    open,
    output::{Format, Output, count, grouped},
    progress,
};

/// How many rows a table or one JSON document shows when nobody says how many.
const LIMIT: usize = 50;
/// How many rows are read at a time.
const PAGE: usize = 500;

/// Show the rows of a view, now or as of a moment of the past.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum view orders '#W2611340' --dir retail-demo --ledger retail
  factum view orders '#W2611340' --dir retail-demo --ledger retail --as-of 2000
  factum view product_sales --dir retail-demo --ledger retail --limit 5
  factum view orders --dir retail-demo --ledger retail --jsonl > orders.jsonl")]
pub(crate) struct View {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    application: Application,
    /// Which view.
    #[arg(value_name = "VIEW")]
    name: String,
    /// Only the rows of this key.
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// As it was at this position or time (RFC 3339).
    #[arg(long, value_name = "POSITION|TIME", value_parser = moment)]
    as_of: Option<AsOf>,
    /// At most this many rows [default: all with --jsonl, else 50].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Go on where an earlier answer ended: its cursor.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// One row a line, as JSON, and nothing else.
    #[arg(long)]
    pub(crate) jsonl: bool,
}

impl View {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let app = open::app(&self.place, &self.application).await?;
        let shown = self.show(&app, output).await;
        app.close().await;
        shown
    }

    async fn show(&self, app: &App, output: &mut Output) -> Result<(), Failure> {
        let view = app.view(&self.name).map_err(open::failure)?;
        if self.as_of.is_none() {
            catch_up(app).await?;
        }
        let mut rows = Rows {
            view,
            question: self,
            left: self.limit(output.format()),
            cursor: self.cursor.clone(),
        };
        match output.format() {
            Format::JsonLines => rows.lines(output).await,
            Format::Json => rows.document(output).await,
            Format::People if self.key.is_some() => rows.one(output).await,
            Format::People => rows.table(output).await,
        }
    }

    fn limit(&self, format: Format) -> usize {
        match (self.limit, format) {
            (Some(limit), _) => usize::try_from(limit).unwrap_or(usize::MAX),
            (None, Format::JsonLines) => usize::MAX,
            (None, _) => LIMIT,
        }
    }

    fn nothing_there(&self) -> Failure {
        let key = self.key.as_deref().unwrap_or_default();
        let what = format!("view {} has no row of key {key:?}", self.name);
        Failure::not_found(what, format!("factum view {} --limit 5 to see keys", self.name))
    }
}

/// Waits until the views have seen everything that is in the ledger now.
async fn catch_up(app: &App) -> Result<(), Failure> {
    let head = app.ledger().head().await.map_err(open::read_failure)?.position;
    let bar = progress::counted("catching up", head.0);
    app.catch_up(|at: Position, _| bar.set_position(at.0)).await.map_err(open::failure)?;
    bar.finish_and_clear();
    Ok(())
}

/// What is still to be read.
struct Rows<'a> {
    view: ViewHandle,
    question: &'a View,
    left: usize,
    cursor: Option<String>,
}

impl Rows<'_> {
    async fn page(&mut self) -> Result<Answer, Failure> {
        let read: ViewRead = match &self.question.key {
            Some(key) => self.view.get(key),
            None => self.view.list(),
        };
        let read = read.limit(self.left.min(PAGE)).cursor(self.cursor.take());
        let answer = match self.question.as_of {
            Some(moment) => read.as_of(moment),
            None => read,
        };
        let answer = answer.await.map_err(open::failure)?;
        self.left -= answer.rows.len().min(self.left);
        self.cursor = answer.next.clone();
        Ok(answer)
    }

    /// Whether there is more to read, and it was asked for.
    fn unfinished(&self) -> bool {
        self.left > 0 && self.cursor.is_some()
    }

    async fn lines(&mut self, output: &mut Output) -> Result<(), Failure> {
        let mut any = false;
        loop {
            let answer = self.page().await?;
            for row in &answer.rows {
                any = true;
                output.json(&document(row)?)?;
            }
            if !self.unfinished() {
                break;
            }
        }
        if any || self.question.key.is_none() { Ok(()) } else { Err(self.question.nothing_there()) }
    }

    async fn all(&mut self) -> Result<(Vec<Row>, Freshness), Failure> {
        let mut answer = self.page().await?;
        while self.unfinished() {
            let next = self.page().await?;
            answer.rows.extend(next.rows);
            answer.freshness = next.freshness;
        }
        if answer.rows.is_empty() && self.question.key.is_some() {
            return Err(self.question.nothing_there());
        }
        Ok((answer.rows, answer.freshness))
    }

    async fn document(&mut self, output: &mut Output) -> Result<(), Failure> {
        let (rows, freshness) = self.all().await?;
        let Freshness { position, recorded_at, lag_events, lag_ms, stale } = freshness;
        Ok(output.json(&AnswerJson {
            view: &self.question.name,
            rows: rows.iter().map(document).collect::<Result<_, _>>()?,
            next: self.cursor.as_deref(),
            position,
            recorded_at: factum_server::json::time(recorded_at),
            lag_events,
            lag_ms,
            stale,
        })?)
    }

    /// The rows of one key, so that a person can read them.
    async fn one(&mut self, output: &mut Output) -> Result<(), Failure> {
        let (rows, freshness) = self.all().await?;
        for row in &rows {
            match serde_json::from_slice::<Value>(&row.document) {
                Ok(value) => output.line(format!("{value:#}"))?,
                Err(_) => output.line(shortened(&String::from_utf8_lossy(&row.document)))?,
            }
        }
        Ok(self.note(rows.len(), &freshness, output)?)
    }

    async fn table(&mut self, output: &mut Output) -> Result<(), Failure> {
        let (rows, freshness) = self.all().await?;
        let summary = |row: &Row| shortened(&String::from_utf8_lossy(&row.document));
        match columns(&rows) {
            Some((names, cells)) => output.columns(names, cells)?,
            None => {
                let cells = rows.iter().map(|row| [row.key.clone(), summary(row)]);
                output.table(["key", "document"], cells)?;
            }
        }
        Ok(self.note(rows.len(), &freshness, output)?)
    }

    fn note(&self, rows: usize, freshness: &Freshness, output: &mut Output) -> io::Result<()> {
        let position = grouped(freshness.position.0);
        let when = match freshness.position {
            Position::START => String::new(),
            _ => format!(", {}", factum_server::json::time(freshness.recorded_at)),
        };
        let more = match &self.cursor {
            Some(cursor) => format!("; there are more: --cursor '{cursor}'"),
            None => String::new(),
        };
        let rows = count(rows as u64, "row");
        output.note(format!("{rows}, at position {position}{when}{more}"))
    }
}

/// The row as it is, on one line.
fn document(row: &Row) -> Result<Box<RawValue>, Failure> {
    let text = String::from_utf8_lossy(&row.document).replace(['\n', '\r'], " ");
    RawValue::from_string(text).map_err(|error| {
        let what = format!("the row of key {:?} is not JSON: {error}", row.key);
        Failure::new(Exit::Damaged, what, "factum rebuild builds the view anew from the ledger")
    })
}

/// One JSON document: some rows, and how fresh they are.
#[derive(Serialize)]
struct AnswerJson<'a> {
    view: &'a str,
    rows: Vec<Box<RawValue>>,
    next: Option<&'a str>,
    position: Position,
    recorded_at: String,
    lag_events: u64,
    lag_ms: u64,
    stale: bool,
}

/// The rows as a table of their own columns, when all of them are flat objects.
fn columns(rows: &[Row]) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let objects: Vec<Fields> =
        rows.iter().map(|row| serde_json::from_slice(&row.document).ok()).collect::<Option<_>>()?;
    let names = objects.first()?.0.iter().map(|(name, _)| name.clone()).collect();
    let line = |Fields(fields): &Fields| fields.iter().map(|(_, value)| cell(value)).collect();
    let cells = objects.iter().map(line).collect::<Option<_>>()?;
    Some((names, cells))
}

fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(shortened(text)),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// A JSON object whose fields stay in their order: a table's columns.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(document: &'static str) -> Row {
        Row { key: "k".into(), document: document.into() }
    }

    #[test]
    fn flat_rows_are_a_table_of_their_columns_in_order() {
        let rows = [row(r#"{"z":1,"a":"x"}"#), row(r#"{"z":2,"a":null}"#)];
        let (names, cells) = columns(&rows).expect("a table");
        assert_eq!(names, ["z", "a"]);
        assert_eq!(cells, [["1", "x"], ["2", ""]]);
        assert!(columns(&[row(r#"{"a":[1]}"#)]).is_none());
        assert!(columns(&[row("7")]).is_none());
        assert!(columns(&[]).is_none());
    }

    #[test]
    fn a_row_is_one_line_as_it_was_kept() {
        let kept = document(&row("{\"b\": 1.50,\n\"a\":2}")).expect("is JSON");
        assert_eq!(kept.get(), "{\"b\": 1.50, \"a\":2}");
    }
}
