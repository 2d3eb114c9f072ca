//! Commands and questions: what they come to, what is recorded of them, and what is said of
//! requests that can't be.

use std::{sync::Arc, time::Duration};

use factum::{
    App, Domain, Fault, RunError,
    store::{EventType, Position, RecordedEvent, Timestamp, memory::MemoryLedger},
};
use serde_json::{Value, json};

use crate::{bank::*, world::*};

#[tokio::test]
async fn a_command_is_accepted_or_refused() {
    let app = in_memory().await;
    let opened = app.run(opening(1, 500)).await.unwrap();
    assert_eq!((opened.events(), opened.position(), opened.replayed()), (2, Position(3), false));
    app.run(opening(2, 0)).await.unwrap();

    app.run(paying(1, 2, 300)).await.unwrap();
    let refused = app.run(paying(1, 2, 300)).await.unwrap_err();
    assert_eq!(refused, RunError::Refused(No::Short { have: 200 }));
    assert_eq!(refused.to_string(), "only 200 left");
    let refused = app.run(paying(1, 3, 1)).await.unwrap_err();
    assert_eq!(refused, RunError::Refused(No::NotOpen(account(3))));

    let ann = app.get::<Account>(account(1)).await.unwrap();
    assert_eq!((ann.open, ann.cents, ann.position()), (true, 200, head(&app).await));
    let nobody = app.get::<Account>(account(9)).await.unwrap();
    assert_eq!(*nobody, Account::default());
}

#[tokio::test]
async fn a_decision_without_events_is_accepted() {
    let app = in_memory().await;
    app.run(opening(1, 450)).await.unwrap();
    let rounded = app.run(RoundUp { account: account(1) }).await.unwrap();
    let again = app.run(RoundUp { account: account(1) }).await.unwrap();
    assert_eq!((rounded.events(), again.events()), (1, 0));
    assert_eq!(app.get::<Account>(account(1)).await.unwrap().cents, 500);
}

#[tokio::test]
async fn a_command_by_name_is_the_same_command() {
    let app = in_memory().await;
    app.run(opening(1, 500)).await.unwrap();
    app.run(opening(2, 0)).await.unwrap();
    let json = json!({ "from": account(1), "to": account(2), "cents": 400 }).to_string();

    let paid = app.command("transfer", json.as_bytes()).await.unwrap();
    assert_eq!((paid.refusal, paid.events, paid.replayed), (None, 2, false));
    let refused = app.command("transfer", json.as_bytes()).await.unwrap();
    let refusal = refused.refusal.unwrap();
    assert_eq!((refusal.code.as_str(), refusal.data), ("short", json!({ "have": 100 })));
    assert_eq!((refusal.message.as_str(), refused.events), ("only 100 left", 0));
}

#[tokio::test]
async fn json_that_is_no_command_names_its_field_and_changes_nothing() {
    let app = in_memory().await;
    for (json, field) in [
        (r#"{"account":"00000000-0000-0000-0000-000000000001","owner":"a"}"#, "cents"),
        (r#"{"account":"x","owner":"a","cents":1}"#, "account"),
        (r#"{"account":"00000000-0000-0000-0000-000000000001","owner":"a","cents":1,"x":1}"#, "x"),
    ] {
        let fault = app.command("open", json.as_bytes()).key("k").await.unwrap_err();
        assert!(matches!(&fault, Fault::Invalid(invalid) if invalid.field == field), "{fault:?}");
    }
    assert_eq!(head(&app).await, Position::START);
}

#[tokio::test]
async fn unknown_names_list_what_there_is() {
    let app = in_memory().await;
    let fault = app.command("pay", b"{}").await.unwrap_err();
    let said = r#"there is no command "pay"; there is open, round_up, transfer"#;
    assert_eq!(fault.to_string(), said);
    let fault = app.view("account").err().unwrap();
    assert_eq!(fault.to_string(), r#"there is no view "account"; there is accounts"#);
    let fault = app.rebuild("account", |_, _| {}).await.unwrap_err();
    assert_eq!(fault.to_string(), r#"there is no view "account"; there is accounts"#);
}

#[tokio::test]
async fn a_domain_with_two_things_of_one_name_is_refused() {
    let twice = Domain::new("bank").decides::<Open>().decides::<Open>();
    let ledger = Arc::new(MemoryLedger::new());
    let views = Arc::new(factum::store::memory::MemoryViewStore::new());
    let fault = App::over(ledger, views).domain(twice).await.err().unwrap();
    assert_eq!(fault.to_string(), "command open is registered twice");
}

#[tokio::test]
async fn questions_beyond_the_head_or_of_no_size_are_invalid() {
    let app = in_memory().await;
    let opened = app.run(opening(1, 500)).await.unwrap();
    let beyond = Position(4);
    let accounts = || app.view("accounts").unwrap().list();
    let state = || app.get::<Account>(account(1));
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
    accounts().limit(10_000).await.unwrap();
    // A moment beyond the last event is simply now; one before the first is before everything.
    let state = |micros| state().as_of(Timestamp::from_micros(micros));
    assert_eq!(state(u64::MAX).await.unwrap().cents, 500);
    assert_eq!(*state(0).await.unwrap(), Account::default());
}

#[tokio::test]
async fn pages_of_a_view_make_the_whole() {
    let app = in_memory().await;
    for number in 1..=7 {
        app.run(opening(number, number as i64)).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let read = app.view("accounts").unwrap().list().after(head(&app).await);
        let answer = read.limit(3).cursor(cursor).await.unwrap();
        seen.extend(answer.rows.into_iter().map(|row| row.key));
        cursor = answer.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=7).map(|number| account(number).to_string()).collect::<Vec<_>>());
}

/// The records in a ledger, with their events.
async fn records(app: &App) -> Vec<(RecordedEvent, Value)> {
    let all = events(&**app.ledger()).await.into_iter();
    let records = all.filter(|event| event.event_type.as_str() == EventType::COMMAND);
    records.map(|e| (e.clone(), serde_json::from_slice(&e.data).unwrap())).collect()
}

#[tokio::test]
async fn what_was_asked_read_and_decided_is_recorded() {
    let app = in_memory().await;
    app.run(opening(1, 100)).await.unwrap();
    app.run(opening(2, 0)).await.unwrap();
    let by_ann = app.run(paying(1, 2, 70)).key("rent").actor("ann").correlation_id("may");
    let done = by_ann.await.unwrap();
    app.run(paying(1, 2, 70)).await.unwrap_err();

    let recorded = records(&app).await;
    assert_eq!(recorded.len(), 4);
    let input = json!({ "from": account(1), "to": account(2), "cents": 70 });
    let reads = json!([
        { "tags": [format!("account:{}", account(1))],
          "types": ["account.deposited", "account.opened", "account.withdrawn"] },
        { "tags": [format!("account:{}", account(2))], "types": ["account.opened"] },
    ]);
    let accepted = json!({ "command": "transfer", "input": input, "outcome": "accepted",
        "reads": reads, "head": 6, "events": 2 });
    assert_eq!(recorded[2].1, accepted);
    let refusal = json!({ "code": "short", "message": "only 30 left", "data": { "have": 30 } });
    let refused = json!({ "command": "transfer", "input": input, "outcome": "refused",
        "refusal": refusal, "reads": reads, "head": 9, "events": 0 });
    assert_eq!(recorded[3].1, refused);

    let record = &recorded[2].0;
    assert!(record.tags.is_empty() && record.stream.is_none());
    let batch = &events(&**app.ledger()).await[6..9];
    assert_eq!((batch[0].position, batch[2].position), (record.position, done.position()));
    for event in batch {
        let envelope = &event.envelope;
        assert_eq!(envelope.actor.as_deref(), Some("ann"));
        assert_eq!(envelope.command_id.as_deref(), Some("rent"));
        assert_eq!(envelope.correlation_id.as_deref(), Some("may"));
    }
    for event in &batch[1..] {
        assert_eq!(event.envelope.causation_ids, [record.id], "the command led to it");
    }
}

#[tokio::test]
async fn the_same_commands_leave_the_same_bytes() {
    let run = async || {
        let app = in_memory().await;
        app.run(opening(1, 100)).key("open").await.unwrap();
        app.run(opening(2, 0)).await.unwrap();
        app.run(paying(1, 2, 170)).await.unwrap_err();
        app.run(paying(1, 2, 70)).key("pay").await.unwrap();
        let all = events(&**app.ledger()).await.into_iter();
        all.map(|event| (event.event_type, event.tags, event.data)).collect::<Vec<_>>()
    };
    let first = run().await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(first, run().await);
}

#[tokio::test]
async fn a_ledger_without_records_keeps_only_those_of_keyed_commands() {
    let views = Arc::new(factum::store::memory::MemoryViewStore::new());
    let over = App::over(Arc::new(MemoryLedger::new()), views).domain(domain());
    let app = over.record_commands(false).await.unwrap();

    let opened = app.run(opening(1, 100)).await.unwrap();
    assert_eq!((opened.events(), opened.position()), (2, Position(2)));
    app.run(opening(1, 100)).await.unwrap_err();
    let nothing = app.run(RoundUp { account: account(1) }).await.unwrap();
    assert_eq!((nothing.events(), nothing.receipt()), (0, None));
    assert_eq!(nothing.position(), Position(2), "reading up to here sees what was decided on");
    assert_eq!((records(&app).await.len(), head(&app).await), (0, Position(2)));

    app.run(opening(1, 100)).key("k").await.unwrap_err();
    app.run(opening(2, 100)).key("k2").await.unwrap();
    assert_eq!((records(&app).await.len(), head(&app).await), (2, Position(6)));
    let again = app.run(opening(1, 100)).key("k").await.unwrap_err();
    assert_eq!(again, RunError::Refused(No::IsOpen(account(1))));
    assert_eq!(head(&app).await, Position(6));
}
