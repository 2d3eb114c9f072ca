//! How an event is shown: as JSON, the same as over HTTP, and in one line for people.

use factum::store::RecordedEvent;

/// The longest summary of an event's data that a table shows, in characters.
const SUMMARY_CHARS: usize = 80;

/// The event as JSON.
pub(crate) fn to_json(event: &RecordedEvent) -> impl serde::Serialize {
    factum_server::json::event(event)
}

/// The event's data in one short line.
pub(crate) fn summary(event: &RecordedEvent) -> String {
    match std::str::from_utf8(&event.data) {
        Ok(text) => shortened(text),
        Err(_) => format!("{} bytes of {}", event.data.len(), event.content_type.as_str()),
    }
}

/// At most [`SUMMARY_CHARS`] of a text, on one line, with nothing that a terminal would act on.
pub(crate) fn shortened(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(SUMMARY_CHARS).map(clean).collect();
    if text.chars().nth(SUMMARY_CHARS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_short_and_can_not_steer_a_terminal() {
        assert_eq!(shortened("a\u{1b}[2Jb"), "a [2Jb");
        assert_eq!(shortened(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }
}
