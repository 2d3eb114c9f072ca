//! What came of a decision, compared with what was expected.

use factum_store::NewEvent;
use serde_json::{Value, json};

use crate::{Decide, Emits, Reads, Refusal, Refused, refusal::canonical};

/// A decision that was made.
pub struct When<C: Decide> {
    command: C,
    decided: Result<Vec<NewEvent>, C::Refusal>,
    reads: Reads,
}

impl<C: Decide> When<C> {
    pub(super) fn new(command: C, decided: Result<C::Emits, C::Refusal>, reads: Reads) -> Self {
        let decided = decided.map(written);
        Self { command, decided, reads }
    }

    /// It came to these events, in this order: same types, same data, same tags.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn then(self, expected: impl Emits) {
        let expected = written(expected).iter().map(shown).collect::<Vec<_>>();
        match &self.decided {
            Ok(events) => {
                let actual = events.iter().map(shown).collect::<Vec<_>>();
                if actual != expected {
                    self.fail("these events", &Value::from(expected), &Value::from(actual));
                }
            }
            Err(refusal) => {
                let actual = refused(refusal);
                self.fail("these events", &Value::from(expected), &actual);
            }
        }
    }

    /// It was refused like this: same code, same data.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "reads best without a reference")]
    pub fn refused(self, expected: C::Refusal) {
        let expected_parts = (expected.code(), canonical(expected.data()));
        match &self.decided {
            Err(actual) if (actual.code(), canonical(actual.data())) == expected_parts => {}
            Err(actual) => {
                self.fail("this refusal", &refused(&expected), &refused(actual));
            }
            Ok(events) => {
                let actual = events.iter().map(shown).collect::<Vec<_>>();
                self.fail("this refusal", &refused(&expected), &Value::from(actual));
            }
        }
    }

    /// The events that it came to.
    ///
    /// # Panics
    /// When it was refused.
    #[track_caller]
    #[must_use]
    pub fn then_events(self) -> Vec<NewEvent> {
        match &self.decided {
            Ok(events) => events.clone(),
            Err(refusal) => self.fail("events", &json!("any"), &refused(refusal)),
        }
    }

    /// What it read.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    #[track_caller]
    fn fail(&self, what: &str, expected: &Value, actual: &Value) -> ! {
        let input = serde_json::to_value(&self.command).map(canonical).unwrap_or_default();
        let slices = self.reads.slices().iter();
        let read: Vec<_> = slices.map(|slice| format!("{} {}", slice.fold, slice.key)).collect();
        panic!(
            "{name} {input}\nread: {read}\nexpected {what}:\n{expected:#}\nactual:\n{actual:#}\n",
            name = C::NAME,
            read = if read.is_empty() { "nothing".to_owned() } else { read.join(", ") },
        )
    }
}

#[track_caller]
fn written(events: impl Emits) -> Vec<NewEvent> {
    let mut written = Vec::new();
    match events.emit(&mut written) {
        Ok(()) => written,
        Err(e) => panic!("{e}"),
    }
}

/// An event as far as it is compared.
fn shown(event: &NewEvent) -> Value {
    let data: Value = serde_json::from_slice(&event.data).unwrap_or_default();
    let tags: Vec<_> = event.tags.iter().map(ToString::to_string).collect();
    json!({ "type": event.event_type.as_str(), "data": canonical(data), "tags": tags })
}

fn refused(refusal: &impl Refusal) -> Value {
    let Refused { code, message, data } = Refused::of(refusal);
    json!({ "refused": code, "message": message, "data": data })
}
