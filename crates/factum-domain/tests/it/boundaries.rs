//! What a decision reads is exactly what is guarded (G4).

use factum::{
    AnyCommand, Emits, Need, Pending, Reads, Slice, Undecided,
    testing::{given, recorded},
};
use factum_store::{Query, QueryItem, RecordedEvent, Tag};

use crate::shop::{
    CancelOrder, Compare, GiveCard, Ownership, Placed, Shop, cancelled, card, order, placed, user,
};

/// Runs a command as a runtime would; the rounds of needs it had, as `fold key`.
fn run(command: &dyn AnyCommand, history: &[RecordedEvent]) -> (Reads, Vec<Vec<String>>) {
    let mut reads = Reads::new();
    let mut rounds = Vec::new();
    while command.decide(&mut reads) == Err(Undecided::Pending) {
        let needs = reads.take_needs();
        assert!(!needs.is_empty(), "pending without a need");
        let names = needs.iter().map(|need| format!("{} {}", need.slice.fold, need.slice.key));
        rounds.push(names.collect());
        for need in needs {
            provide(&mut reads, need, history);
        }
    }
    (reads, rounds)
}

fn provide(reads: &mut Reads, mut need: Need, history: &[RecordedEvent]) {
    for event in history.iter().filter(|event| need.slice.query.matches(event)) {
        need.fold.apply(event).unwrap();
    }
    reads.provide(need);
}

fn history(events: impl Emits) -> Vec<RecordedEvent> {
    let mut new = Vec::new();
    events.emit(&mut new).unwrap();
    recorded(new)
}

fn item(types: &[&str], tags: &[&str]) -> QueryItem {
    QueryItem {
        types: types.iter().map(|name| name.parse().unwrap()).collect(),
        tags: tags.iter().map(|name| name.parse::<Tag>().unwrap()).collect(),
        ..QueryItem::default()
    }
}

fn cancel(name: &str) -> CancelOrder {
    CancelOrder { order: order(name), reason: String::new() }
}

#[test]
fn later_boundaries_follow_from_what_was_read_first() {
    let history = history((placed("o1", Some("u1"), &["c2", "c1"]), placed("o2", None, &[])));
    let (reads, rounds) = run(&cancel("o1"), &history);
    assert_eq!(rounds, [vec!["order o1"], vec!["user u1", "card c1", "card c2"]]);
    let expected = [
        item(&["card.issued", "card.refilled"], &["gift-card:c1"]),
        item(&["card.issued", "card.refilled"], &["gift-card:c2"]),
        item(&["order.cancelled", "order.placed"], &["order:o1"]),
        item(&["order.placed", "user.credited"], &["user:u1"]),
    ];
    assert_eq!(reads.guard().items, expected);
}

#[test]
fn an_option_without_a_key_reads_and_guards_nothing() {
    let history = history(placed("o1", None, &[]));
    let (reads, rounds) = run(&cancel("o1"), &history);
    assert_eq!(rounds, [vec!["order o1"]]);
    assert_eq!(reads.guard(), item(&["order.cancelled", "order.placed"], &["order:o1"]).into());
}

#[test]
fn equal_keys_load_once_and_ignoring_is_another_state() {
    let history = history((placed("o1", None, &[]), cancelled("o1"), placed("o2", None, &[])));
    let command =
        Compare { orders: vec![order("o1"), order("o2"), order("o1")], first: order("o1") };
    let (mut reads, rounds) = run(&command, &history);
    assert_eq!(rounds, [vec!["order o1", "order o2", "order o1"]], "all at once");
    let ignoring = &reads.slices()[2];
    assert_eq!(ignoring.query, item(&["order.placed"], &["order:o1"]).into());
    assert_ne!(ignoring.fingerprint, reads.slices()[0].fingerprint);
    assert_eq!(AnyCommand::decide(&command, &mut reads), Ok(Ok(vec![])));
}

#[test]
fn a_guard_merges_what_has_the_same_tags() {
    let (reads, _) = run(&Compare { orders: vec![], first: order("o1") }, &[]);
    assert_eq!(reads.slices().len(), 2);
    assert_eq!(reads.guard(), item(&["order.cancelled", "order.placed"], &["order:o1"]).into());
}

#[test]
fn what_is_ignored_alone_is_neither_read_nor_guarded() {
    let types = ["order.cancelled"];
    let slice = Slice::ignoring::<crate::shop::Order>(&order("o1"), &types);
    let history = history((placed("o1", None, &[]), cancelled("o1")));
    let matched: Vec<_> = history.iter().map(|event| slice.query.matches(event)).collect();
    assert_eq!(matched, [true, false]);
    let all = ["order.cancelled", "order.placed"];
    let nothing = Slice::ignoring::<crate::shop::Order>(&order("o1"), &all);
    assert_eq!(nothing.query, Query::none(), "never an item without types: it would match all");
}

#[test]
fn a_pair_reads_what_carries_both_tags_and_the_whole_ledger_has_no_tags() {
    let command = GiveCard { user: user("u1"), card: card("c1") };
    let (reads, rounds) = run(&command, &[]);
    assert_eq!(rounds, [vec!["ownership u1,c1", "shop all"]]);
    let expected =
        [item(&["order.placed"], &[]), item(&["card.issued"], &["gift-card:c1", "user:u1"])];
    assert_eq!(reads.guard().items, expected);
}

#[test]
fn a_decision_that_reads_nothing_guards_nothing() {
    assert_eq!(Reads::new().guard(), Query::none());
}

#[test]
fn a_need_is_noted_once_however_often_it_is_asked_for() {
    let mut reads = Reads::new();
    for _ in 0..3 {
        assert_eq!(reads.fold::<Shop>(&(), &[]).err(), Some(Pending));
    }
    assert_eq!(reads.take_needs().len(), 1);
    assert_eq!(reads.fold::<Shop>(&(), &[]).err(), Some(Pending), "asked for and not provided yet");
    assert!(reads.take_needs().is_empty());
}

#[test]
fn a_fold_may_see_where_an_event_is() {
    let mut reads = Reads::new();
    assert!(reads.fold::<Shop>(&(), &[]).is_err());
    let history = history((placed("o1", None, &[]), cancelled("o1"), placed("o2", None, &[])));
    for need in reads.take_needs() {
        provide(&mut reads, need, &history);
    }
    let shop = reads.fold::<Shop>(&(), &[]).unwrap();
    assert_eq!((shop.orders, shop.last_at), (2, 3));
}

#[test]
fn what_a_decider_reads_and_emits_is_data() {
    let model = <CancelOrder as factum::Decide>::model();
    assert_eq!(model.command.name, "cancel_order");
    let reads: Vec<_> = model.reads.iter().map(|r| (r.parameter, r.fold, r.by, r.many)).collect();
    let expected = [
        ("order", "order", "c.order", false),
        ("user", "user", "order.user", false),
        ("cards", "card", "&order.cards", true),
    ];
    assert_eq!(reads, expected);
    let emits: Vec<_> = model.emits.iter().map(|event| event.event_type).collect();
    assert_eq!(emits, ["order.cancelled", "user.credited", "card.refilled"]);
    let codes: Vec<_> = model.refusals.iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, ["unknown", "cancelled", "too-much", "not_owned"]);
    let compare = <Compare as factum::Decide>::model();
    assert_eq!(compare.reads[2].ignoring, ["order.cancelled"]);
    assert_eq!(compare.reads[2].heeds, ["order.placed"]);
}

#[test]
fn a_pair_is_given_only_what_carries_both() {
    let issued =
        |name: &str, by: &str| crate::shop::Issued { card: card(name), user: user(by), cents: 5 };
    let slice = Slice::of::<Ownership>(&(user("u1"), card("c1")));
    let history = history((issued("c1", "u1"), issued("c1", "u2"), issued("c2", "u1")));
    let matched: Vec<_> = history.iter().map(|event| slice.query.matches(event)).collect();
    assert_eq!(matched, [true, false, false]);
    given((issued("c1", "u2"), Placed { cents: 1, ..placed("o1", None, &[]) }))
        .when(GiveCard { user: user("u1"), card: card("c1") })
        .then(Some(crate::shop::Issued { card: card("c1"), user: user("u1"), cents: 100 }));
}
