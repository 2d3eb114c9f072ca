//! Commands: accepted, refused, asked again; what is recorded of them.

use std::sync::Arc;

use factum::{
    Fault, RunError,
    prelude::*,
    store::{
        Append, AppendError, EventType, Ledger, NewEvent, Position,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use serde_json::{Value, json};

use crate::{bank::*, ports::TwistedLedger, wrappers::Odd};

#[tokio::test]
async fn a_command_is_accepted_or_refused_with_its_reason() {
    let (app, ledger) = in_memory().await;
    fund(&app, 2, 100).await;
    let done = app.run(pay(0, 1, 30)).await.unwrap();
    assert_eq!((done.events(), done.replayed()), (2, false));
    assert_eq!(app.get::<Account>(account(1)).await.unwrap().cents, 130);
    let refused = app.run(pay(0, 1, 71)).await;
    assert!(matches!(refused, Err(RunError::Refused(No::Short { have: 70 }))), "{refused:?}");
    let events = everything(&*ledger).await;
    assert_eq!(events.len(), 3 + 3 + 3 + 1, "the refusal is recorded, alone");
}

#[tokio::test]
async fn the_record_says_what_was_asked_read_and_decided() {
    let (app, ledger) = in_memory().await;
    fund(&app, 2, 100).await;
    app.run(pay(0, 1, 500)).key("k").actor("ann").await.unwrap_err();
    let events = everything(&*ledger).await;
    let record = events.last().unwrap();
    assert_eq!(record.event_type.as_str(), EventType::COMMAND);
    assert!(record.tags.is_empty() && record.stream.is_none());
    assert_eq!(record.envelope.actor.as_deref(), Some("ann"));
    let expected = json!({
        "command": "transfer",
        "input": {"from": "a00", "to": "a01", "cents": 500},
        "outcome": "refused",
        "refusal": {"code": "short", "message": "only 100 left", "data": {"have": 100}},
        "reads": [
            {"types": ["account.deposited", "account.opened", "account.withdrawn"], "tags": ["account:a00"]},
            {"types": ["account.opened"], "tags": ["account:a01"]},
        ],
        "head": 6,
        "events": 0,
    });
    assert_eq!(serde_json::from_slice::<Value>(&record.data).unwrap(), expected);
    let cause = events.iter().find(|event| event.event_type.as_str() == "account.opened").unwrap();
    assert_eq!(cause.envelope.causation_ids, [events[0].id]);
}

#[tokio::test]
async fn g5_a_key_has_one_outcome_accepted_refused_or_without_events() {
    let (app, ledger) = in_memory().await;
    fund(&app, 2, 100).await;
    let first = app.run(pay(0, 1, 60)).key("pay").await.unwrap();
    let again = app.run(pay(0, 1, 60)).key("pay").await.unwrap();
    assert!(again.replayed() && !first.replayed());
    assert_eq!((again.position(), again.events()), (first.position(), 2));
    let no = app.run(pay(0, 1, 60)).key("more").await;
    assert!(matches!(no, Err(RunError::Refused(No::Short { have: 40 }))));
    app.run(pay(1, 0, 100)).await.unwrap();
    let no = app.run(pay(0, 1, 60)).key("more").await;
    assert!(matches!(no, Err(RunError::Refused(No::Short { have: 40 }))), "as it was: {no:?}");
    app.run(Look { account: account(0) }).key("look").await.unwrap();
    let head = ledger.head().await.unwrap().position;
    assert!(app.run(Look { account: account(0) }).key("look").await.unwrap().replayed());
    assert_eq!(ledger.head().await.unwrap().position, head, "a retry records nothing");
}

#[tokio::test]
async fn a_key_is_for_one_command_of_one_actor() {
    let (app, _) = in_memory().await;
    fund(&app, 2, 100).await;
    app.run(pay(0, 1, 10)).key("k").await.unwrap();
    let other = app.run(pay(0, 1, 11)).key("k").await;
    assert!(matches!(other, Err(RunError::Fault(Fault::KeyReused { .. }))), "{other:?}");
    assert!(!app.run(pay(0, 1, 11)).key("k").actor("bob").await.unwrap().replayed());
    assert!(!app.run(Look { account: account(0) }).key("k").await.unwrap().replayed());
}

#[tokio::test]
async fn commands_run_by_name_from_json_and_what_is_wrong_is_named() {
    let (app, ledger) = in_memory().await;
    let json = br#"{"account":"a00","cents":5}"#;
    let done = app.command("open", json).key("k").await.unwrap();
    assert_eq!((done.events, done.refusal.is_none()), (2, true));
    assert!(app.command("open", json).key("k").await.unwrap().replayed);
    let refused = app.command("open", json).await.unwrap();
    assert_eq!(refused.refusal.unwrap().code, "open");
    let head = ledger.head().await.unwrap().position;
    for (name, json, says) in [
        ("close", "{}", "there is no command \"close\"; there is look, open, transfer"),
        ("open", "{}", "account is missing"),
        ("open", r#"{"account":"a","cents":1.5}"#, "cents"),
        ("open", r#"{"account":"","cents":1}"#, "account"),
        ("open", r#"{"account":"a","cents":1,"more":2}"#, "more"),
        ("open", r#"{"account":"a","cents":1} x"#, "input"),
        ("open", "[", "input"),
    ] {
        let fault = app.command(name, json.as_bytes()).await.unwrap_err().to_string();
        assert!(fault.contains(says), "{name} {json}: {fault}");
    }
    assert_eq!(ledger.head().await.unwrap().position, head);
}

#[tokio::test]
async fn without_records_only_keyed_commands_are_recorded() {
    let ledger = Arc::new(MemoryLedger::new());
    let app = App::over(ledger.clone(), Arc::new(MemoryViewStore::new()));
    let app = app.domain(documents()).record_commands(false).await.unwrap();
    fund(&app, 1, 100).await;
    let looked = app.run(Look { account: account(0) }).await.unwrap();
    assert!(looked.receipt().is_none());
    assert_eq!(ledger.head().await.unwrap().position, Position(2));
    app.run(Look { account: account(0) }).key("k").await.unwrap();
    assert_eq!(ledger.head().await.unwrap().position, Position(3));
}

/// A ledger over which somebody deposits just before the first `times` appends.
fn disturbed(ledger: &Arc<MemoryLedger>, times: u64) -> Arc<TwistedLedger<Odd>> {
    let rival = Arc::clone(ledger);
    let before = Some(Box::new(move |number, _: &_| {
        if number <= times {
            let deposit = Deposited { account: account(0), cents: 1 };
            let event = factum::new_event(&deposit).unwrap();
            futures_lite::future::block_on(rival.append(Append::new([event]))).unwrap();
        }
        None
    }) as _);
    Odd { before, ..Odd::default() }.over(ledger.clone())
}

#[tokio::test(start_paused = true)]
async fn g4_what_was_read_has_changed_so_it_is_read_and_decided_again() {
    let (app, ledger) = in_memory().await;
    fund(&app, 2, 100).await;
    let odd = disturbed(&ledger, 3);
    let app = over(odd.clone(), Arc::new(MemoryViewStore::new()), documents()).await;
    // Only with the rival's three cents is there enough.
    app.run(pay(0, 1, 103)).await.unwrap();
    assert_eq!(app.get::<Account>(account(0)).await.unwrap().cents, 0);
    let odd = disturbed(&ledger, u64::MAX);
    let app = over(odd, Arc::new(MemoryViewStore::new()), documents()).await;
    let gave_up = app.run(pay(1, 0, 1)).await;
    assert!(gave_up.is_ok(), "deposits to the payee are ignored: {gave_up:?}");
    let gave_up = app.run(pay(0, 1, 1)).await;
    assert!(matches!(gave_up, Err(RunError::Fault(Fault::Conflict { .. }))), "{gave_up:?}");
    let withdrawn = everything(&*ledger).await;
    let withdrawn = withdrawn.iter().filter(|e| e.event_type.as_str() == "account.withdrawn");
    assert_eq!(withdrawn.count(), 2, "what was given up changed nothing");
}

#[tokio::test]
async fn an_unknown_outcome_is_looked_up_under_its_key_and_never_guessed_without_one() {
    let (app, ledger) = in_memory().await;
    fund(&app, 2, 100).await;
    let after = Some(Box::new(|_, _: &_| Some(AppendError::OutcomeUnknown("lost".into()))) as _);
    let odd = Odd { after, ..Odd::default() }.over(ledger.clone());
    let app = over(odd, Arc::new(MemoryViewStore::new()), documents()).await;
    let keyed = app.run(pay(0, 1, 10)).key("k").await.unwrap();
    assert!(keyed.replayed(), "it was recorded, and found");
    let unkeyed = app.run(pay(0, 1, 10)).await;
    assert!(matches!(unkeyed, Err(RunError::Fault(Fault::OutcomeUnknown(_)))), "{unkeyed:?}");
    assert_eq!(app.get::<Account>(account(0)).await.unwrap().cents, 80, "once each");
}

#[tokio::test]
async fn an_event_that_this_program_cant_read_is_a_fault_with_its_place() {
    let (app, ledger) = in_memory().await;
    fund(&app, 1, 100).await;
    let rubbish = NewEvent::new(EventType::new("account.deposited").unwrap(), "{\"cents\":\"x\"}");
    let rubbish = rubbish.tagged([account(0).tag()]);
    ledger.append(Append::new([rubbish])).await.unwrap();
    let fault = app.run(pay(0, 0, 1)).await.unwrap_err().to_string();
    assert!(fault.contains("account.deposited version 1 at position 4"), "{fault}");
}
