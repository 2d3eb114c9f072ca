//! What the demo asks at the end: two questions about now, one about the past, and what to try next.

use std::path::Path;

use factum::{
    App,
    store::{Position, Query, QueryItem, Read, RecordedEvent, Row, Tag},
};
use retail::Actions;
use serde_json::Value;

use super::LEDGER;
use crate::{failure::Failure, open, output::Output};

/// Asks them, and shows the answers.
pub(super) async fn ask(
    app: &App,
    actions: &Actions,
    dir: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    output.line("\nThree questions:")?;
    best_sellers(app, output).await?;
    next_to_ship(app, output).await?;
    let changed = what_an_order_was(app, actions, output).await?;
    what_next(dir, changed.as_ref(), output)
}

async fn best_sellers(app: &App, output: &mut Output) -> Result<(), Failure> {
    output.line("\n1. Which products earn most?")?;
    for row in first(app, "product_sales", 3).await? {
        let (name, units) = (text(&row["name"]), text(&row["units"]));
        output.line(format!("   {name}: {units} units, {}", dollars(&row["net_cents"])))?;
    }
    Ok(())
}

async fn next_to_ship(app: &App, output: &mut Output) -> Result<(), Failure> {
    output.line("\n2. What should the warehouse send next?")?;
    for row in first(app, "shipping_queue", 3).await? {
        let (order, user, status) = (&row["order_id"], &row["user_id"], &row["status"]);
        output.line(format!("   {} for {}, {}", text(order), text(user), text(status)))?;
    }
    Ok(())
}

/// An order that an agent changed, and the position just before.
struct Changed {
    order: String,
    before: Position,
}

async fn what_an_order_was(
    app: &App,
    actions: &Actions,
    output: &mut Output,
) -> Result<Option<Changed>, Failure> {
    let Some((order, event)) = changed_order(app, actions).await? else { return Ok(None) };
    let before = event.position.prev();
    let when = factum_server::json::time(event.recorded_at);
    output.line(format!("\n3. What was order {order} before {} at {when}?", event.event_type))?;
    let view = app.view("orders").map_err(open::failure)?;
    let then = view.get(order.as_str()).as_of(before).await.map_err(open::failure)?;
    let now = view.get(order.as_str()).await.map_err(open::failure)?;
    for (lead, answer) in [(format!("at position {before}"), then), ("now".to_owned(), now)] {
        let row = answer.rows.first().map(shown).unwrap_or_default();
        let items = row["items"].as_array().map_or(0, Vec::len);
        output.line(format!("   {lead}: {}, {items} items", text(&row["status"])))?;
    }
    Ok(Some(Changed { order, before }))
}

/// The first order that one of the actions changed, and the event that did it.
async fn changed_order(
    app: &App,
    actions: &Actions,
) -> Result<Option<(String, RecordedEvent)>, Failure> {
    for action in actions.iter().filter(|action| action.writes) {
        let order = action.arguments.get("order_id").and_then(Value::as_str);
        let Some(tag) = order.and_then(|order| Tag::of("order", order).ok()) else { continue };
        let query = Query::from(QueryItem::tags([tag]));
        let read = Read::new(query).backward().limit(1);
        let page = app.ledger().read(read).await.map_err(open::read_failure)?;
        let last = page.events.into_iter().next();
        // The key of a command is on the events that it led to.
        let wanted = action.key();
        let by_action = |event: &RecordedEvent| {
            event.envelope.command_id.as_ref().is_some_and(|id| **id == *wanted)
        };
        if let (Some(order), Some(event)) = (order, last.filter(by_action)) {
            return Ok(Some((order.to_owned(), event)));
        }
    }
    Ok(None)
}

fn what_next(dir: &Path, changed: Option<&Changed>, output: &mut Output) -> Result<(), Failure> {
    let place = format!("--dir {} --ledger {LEDGER}", quoted(&dir.display().to_string()));
    output.line("\nTry next:")?;
    if let Some(Changed { order, before }) = changed {
        let tag = quoted(&format!("order:{order}"));
        let order = quoted(order);
        output.line(format!("  factum view orders {order} {place}"))?;
        output.line(format!("  factum view orders {order} {place} --as-of {before}"))?;
        output.line(format!("  factum read --tag {tag} {place}"))?;
    }
    output.line(format!("  factum view product_sales --limit 5 {place}"))?;
    output.line(format!("  factum read --backward --limit 3 --system {place}"))?;
    let dir = quoted(&dir.display().to_string());
    output.line(format!("  factum verify --dir {dir}"))?;
    Ok(output.line(format!("  factum serve --demo --dir {dir}"))?)
}

async fn first(app: &App, view: &str, limit: usize) -> Result<Vec<Value>, Failure> {
    let view = app.view(view).map_err(open::failure)?;
    let answer = view.list().limit(limit).await.map_err(open::failure)?;
    Ok(answer.rows.iter().map(shown).collect())
}

fn shown(row: &Row) -> Value {
    serde_json::from_slice(&row.document).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn dollars(cents: &Value) -> String {
    let cents = cents.as_i64().unwrap_or_default();
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}${}.{:02}", crate::output::grouped(cents / 100), cents % 100)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_when_a_shell_would_act_on_it() {
        assert_eq!(quoted("./retail-demo"), "./retail-demo");
        assert_eq!(quoted("#W1"), "'#W1'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn cents_are_shown_as_dollars() {
        assert_eq!(dollars(&Value::from(123_456)), "$1,234.56");
        assert_eq!(dollars(&Value::from(-5)), "-$0.05");
    }
}
