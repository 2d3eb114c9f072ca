//! What is recorded of a command beside its outcome, and what is said of questions that can't be.

use std::time::Duration;

use factum::{
    Fault,
    store::{Position, Timestamp},
};

use crate::bank::*;

fn opening(number: u64) -> Open {
    Open { account: account(number), cents: 100 }
}

#[tokio::test]
async fn every_event_says_who_asked_under_which_key_and_what_led_to_it() {
    let (app, ledger) = in_memory().await;
    fund(&app, 2, 100).await;
    let by_ann = app.run(pay(0, 1, 70)).key("rent").actor("ann").correlation_id("may");
    let done = by_ann.await.unwrap();
    let batch = everything(&*ledger).await.split_off(6);
    assert_eq!((batch[0].position, batch[2].position), (Position(7), done.position()));
    for event in &batch {
        let envelope = &event.envelope;
        assert_eq!(envelope.actor.as_deref(), Some("ann"));
        assert_eq!(envelope.command_id.as_deref(), Some("rent"));
        assert_eq!(envelope.correlation_id.as_deref(), Some("may"));
    }
    for event in &batch[1..] {
        assert_eq!(event.envelope.causation_ids, [batch[0].id], "the command led to it");
    }
}

#[tokio::test]
async fn g8_the_same_commands_leave_the_same_bytes() {
    let run = async || {
        let (app, ledger) = in_memory().await;
        app.run(opening(0)).key("open").await.unwrap();
        app.run(opening(1)).await.unwrap();
        app.run(pay(0, 1, 170)).await.unwrap_err();
        app.run(pay(0, 1, 70)).key("pay").await.unwrap();
        let all = everything(&*ledger).await.into_iter();
        all.map(|event| (event.event_type, event.tags, event.data)).collect::<Vec<_>>()
    };
    let first = run().await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(first, run().await);
}

#[tokio::test]
async fn questions_beyond_the_head_or_of_no_size_are_invalid() {
    let (app, _) = in_memory().await;
    let opened = app.run(opening(0)).await.unwrap();
    let beyond = Position(4);
    let accounts = || app.view("accounts").unwrap().list();
    let state = || app.get::<Account>(account(0));
    for (field, fault) in [
        ("as_of", state().as_of(beyond).await.err()),
        ("after", state().after(beyond).await.err()),
        ("after", state().after(&opened).as_of(Position(2)).await.err()),
        ("as_of", accounts().as_of(beyond).await.err()),
        ("after", accounts().after(beyond).await.err()),
        ("after", accounts().after(&opened).as_of(Position(2)).await.err()),
        ("limit", accounts().limit(0).await.err()),
        ("limit", accounts().limit(10_001).await.err()),
    ] {
        let fault = fault.unwrap();
        assert!(matches!(&fault, Fault::Invalid(invalid) if invalid.field == field), "{fault:?}");
    }
    // A time after the last event is simply now; one before the first is before everything.
    let state = |micros| state().as_of(Timestamp::from_micros(micros));
    assert_eq!(state(u64::MAX).await.unwrap().cents, 100);
    assert!(!state(0).await.unwrap().open);
}
