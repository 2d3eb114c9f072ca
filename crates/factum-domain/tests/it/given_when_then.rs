//! A test of a decision fails when it should, and says what was and what was expected.

use std::panic::{AssertUnwindSafe, catch_unwind};

use factum::{Command, Event, decide, fold, testing::given};

use crate::shop::{
    CancelOrder, Cancelled, Credited, No, OrderId, Placed, Refilled, card, order, placed, user,
};

/// The message that a failing test panics with.
fn failure(test: impl FnOnce()) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(test)) else { panic!("it did not fail") };
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn cancel() -> CancelOrder {
    CancelOrder { order: order("o1"), reason: "late".into() }
}

fn cancelled() -> Cancelled {
    Cancelled { order: order("o1"), reason: "late".into() }
}

#[test]
fn events_are_compared_in_order() {
    let credited = || Credited { user: user("u1"), cents: 700 };
    let refilled = || Refilled { card: card("c1"), cents: 1 };
    let history = || given(placed("o1", Some("u1"), &["c1"]));
    history().when(cancel()).then((cancelled(), credited(), refilled()));
    history().when(cancel()).then(((cancelled(), Some(credited())), vec![refilled()]));
    failure(|| history().when(cancel()).then((credited(), cancelled(), refilled())));
    failure(|| history().when(cancel()).then((cancelled(), credited())));
}

#[test]
fn a_difference_in_data_or_tags_fails_with_both_sides() {
    let other = || Cancelled { order: order("o1"), reason: "early".into() };
    let message = failure(|| given(placed("o1", None, &[])).when(cancel()).then(other()));
    for part in [
        "cancel_order {\"order\":\"o1\",\"reason\":\"late\"}",
        "read: order o1",
        "expected these events:",
        "\"reason\": \"early\"",
        "\"reason\": \"late\"",
        "\"order:o1\"",
    ] {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
}

#[test]
fn refusals_are_compared_by_code_and_data() {
    given(()).when(cancel()).refused(No::Unknown(order("o1")));
    let message = failure(|| given(()).when(cancel()).refused(No::Unknown(order("o2"))));
    assert!(message.contains("expected this refusal:") && message.contains("\"0\": \"o2\""));
    failure(|| given(()).when(cancel()).refused(No::Cancelled));
    failure(|| given(placed("o1", None, &[])).when(cancel()).refused(No::Cancelled));
    let message = failure(|| given(()).when(cancel()).then(cancelled()));
    assert!(message.contains("\"refused\": \"unknown\""), "{message}");
}

#[test]
fn history_can_be_extended_and_events_taken() {
    let events = given(placed("o1", None, &[])).when(cancel()).then_events();
    assert_eq!(events.len(), 1);
    given(placed("o1", None, &[])).and(cancelled()).when(cancel()).refused(No::Cancelled);
    failure(|| drop(given(()).when(cancel()).then_events()));
}

/// Heeds cancellations of another order than the one that it should look at.
#[derive(Default)]
pub struct Cancellations {
    count: u64,
}

#[fold(by = OrderId)]
impl Cancellations {
    fn cancelled(&mut self, _: &Cancelled) {
        self.count += 1;
    }
}

#[derive(Command)]
pub struct CancelTwice {
    pub order: OrderId,
    pub other: OrderId,
}

#[decide]
fn cancel_twice(
    c: &CancelTwice,
    #[by(c.other)] cancellations: &Cancellations,
) -> Result<Option<Cancelled>, std::convert::Infallible> {
    let cancelled = Cancelled { order: c.order.clone(), reason: String::new() };
    Ok((cancellations.count == 0).then_some(cancelled))
}

#[test]
fn a_wrong_boundary_fails_its_test() {
    let twice = || CancelTwice { order: order("o1"), other: order("o2") };
    // The author meant: when it was cancelled, it is not cancelled again. The boundary looks at
    // the wrong order, so the history that it is given does not reach it.
    let message = failure(|| given(cancelled()).when(twice()).then(()));
    assert!(message.contains("read: cancellations o2"), "{message}");
}

#[test]
fn streams_are_named_by_their_field() {
    let events = given(placed("o1", None, &[])).and(cancelled());
    let places: Vec<_> =
        events.history().iter().map(|event| event.stream.clone().unwrap()).collect();
    assert_eq!(places[0].name.as_str(), "order-o1");
    assert_eq!((places[1].name.as_str(), places[1].revision.0), ("order-o1", 1));
    let tags: Vec<_> = placed("o1", Some("u1"), &["c2", "c1"]).tags();
    assert_eq!(tags.len(), 4);
    assert_eq!(Placed::TYPE, "order.placed");
}

#[derive(Event)]
#[event("thing.mapped")]
pub struct Mapped {
    pub map: std::collections::BTreeMap<(u8, u8), u8>,
}

#[derive(Command)]
pub struct Map {}

#[decide]
fn map(_: &Map) -> Result<Mapped, std::convert::Infallible> {
    Ok(Mapped { map: [((1, 2), 3)].into() })
}

#[test]
fn an_event_that_json_cannot_hold_is_an_error_not_a_panic() {
    let decided = factum::AnyCommand::decide(&Map {}, &mut factum::Reads::new());
    let Err(factum::Undecided::Encode(error)) = decided else { panic!("{decided:?}") };
    assert!(error.to_string().starts_with("thing.mapped can't be written as JSON: "), "{error}");
}
