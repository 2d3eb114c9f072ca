//! `events.lock` protects what was recorded: shapes change by adding, or by a new version.

use factum::{
    Domain, EventModel, FieldModel, LockProblem, compare_locks, events_lock,
    testing::compare_lock_file,
};

use crate::{
    shop::{Cancelled, Placed},
    versions::Registered,
};

const ID: FieldModel = FieldModel { tag: Some("order"), ..FieldModel::new("order", "OrderId") };
const CENTS: FieldModel = FieldModel::new("cents", "i64");
const NOTE: FieldModel = FieldModel { optional: true, ..FieldModel::new("note", "String") };
const MAP: FieldModel =
    FieldModel { personal: true, optional: true, ..FieldModel::new("map", "BTreeMap<A, B>") };

const BASE: EventModel = EventModel::new("order.placed", 1, &[ID, CENTS, NOTE]);

fn problems(now: &[EventModel]) -> Vec<LockProblem> {
    compare_locks(&events_lock([&BASE]), &events_lock(now))
}

fn breaking(now: EventModel, expected: &str) {
    let problems = problems(&[now]);
    let [LockProblem::Breaking(problem)] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.contains(expected), "{problem}");
}

fn stale(now: &[EventModel], expected: &str) {
    let problems = problems(now);
    let [LockProblem::Stale(problem)] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.contains(expected), "{problem}");
}

#[test]
fn the_same_shapes_are_no_problem() {
    assert_eq!(problems(&[BASE]), []);
    let other_order = EventModel::new("order.placed", 1, &[NOTE, ID, CENTS]);
    assert_eq!(problems(&[other_order]), []);
}

#[test]
fn a_change_that_recorded_events_would_not_survive_is_breaking() {
    const TEXT: FieldModel = FieldModel::new("cents", "String");
    const TAGGED: FieldModel = FieldModel { tag: Some("cents"), ..CENTS };
    const MUST: FieldModel = FieldModel::new("note", "String");
    const NEW: FieldModel = FieldModel::new("new", "bool");
    breaking(EventModel::new("order.placed", 1, &[ID, NOTE]), "field `cents` is gone");
    breaking(EventModel::new("order.placed", 1, &[ID, TEXT, NOTE]), "was `i64` and is `String`");
    breaking(
        EventModel::new("order.placed", 1, &[ID, TAGGED, NOTE]),
        "was `i64` and is `i64, tag cents`",
    );
    breaking(EventModel::new("order.placed", 1, &[ID, CENTS, MUST]), "now must be there");
    breaking(EventModel::new("order.placed", 1, &[ID, CENTS, NOTE, NEW]), "is new and must be");
}

#[test]
fn a_version_that_is_gone_is_breaking() {
    let problems = compare_locks(&events_lock([&BASE]), &events_lock([]));
    let [LockProblem::Breaking(problem)] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.starts_with("order.placed v1 is no longer in the code"), "{problem}");
}

#[test]
fn what_is_added_makes_the_file_stale() {
    const PERSONAL: FieldModel = FieldModel { personal: true, ..CENTS };
    const OPTIONAL: FieldModel = FieldModel { optional: true, ..CENTS };
    stale(&[EventModel::new("order.placed", 1, &[ID, CENTS, NOTE, MAP])], "new field `map`");
    stale(
        &[BASE, EventModel::new("order.placed", 2, &[ID]).after(&BASE)],
        "order.placed v2 is new",
    );
    stale(&[EventModel::new("order.placed", 1, &[ID, PERSONAL, NOTE])], "`cents` has changed");
    stale(&[EventModel::new("order.placed", 1, &[ID, OPTIONAL, NOTE])], "`cents` has changed");
}

#[test]
fn the_text_is_sorted_and_says_all() {
    let domain = Domain::new("shop").event::<Registered>().event::<Placed>();
    let text = domain.events_lock();
    let body = text.split_once("\n\n").unwrap().1;
    let expected = "\
order.placed v1
  order: OrderId, tag order
  user: Option<UserId>, tag user, optional
  cards: Vec<CardId>, tag gift-card
  cents: i64

user.registered v1
  user: UserId, tag user
  name: String

user.registered v2
  user: UserId, tag user
  first: String
  last: String

user.registered v3
  user: UserId, tag user
  names: Vec<String>
  note: String, optional
";
    assert_eq!(body, expected);
}

#[test]
fn the_file_is_checked_and_what_is_new_is_added_on_request() {
    let folder = std::env::temp_dir().join(format!("factum-events-lock-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("events.lock");
    let small = Domain::new("shop").event::<Placed>();
    let large = Domain::new("shop").event::<Placed>().event::<Cancelled>();
    let check = |domain: &Domain, update| compare_lock_file(domain, &path, update);

    assert!(check(&small, false).unwrap_err().contains("UPDATE_EVENTS_LOCK=1 cargo test"));
    check(&small, true).unwrap();
    check(&small, false).unwrap();
    let stale = check(&large, false).unwrap_err();
    assert!(stale.contains("order.cancelled v1 is new"), "{stale}");
    check(&large, true).unwrap();
    check(&large, false).unwrap();
    let gone = check(&small, true).unwrap_err();
    assert!(gone.contains("order.cancelled v1 is no longer in the code"), "{gone}");
    check(&large, false).expect("a breaking change is not written even on request");
    std::fs::write(&path, format!("{}# by hand\n", large.events_lock())).unwrap();
    assert!(check(&large, false).unwrap_err().contains("is not as it would be written"));
    std::fs::remove_dir_all(&folder).unwrap();
}
