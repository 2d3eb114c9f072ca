//! G5: a keyed command has one outcome, whatever is retried, lost on the way, or restarted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use factum::{
    App, Fault, RunError,
    store::{
        Append, AppendError, BoxFuture, Ledger, NewEvent, Position, Receipt,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use serde_json::json;

use crate::{bank::*, ports::*, world::*};

fn opening(number: u64) -> Open {
    Open { account: account(number), cents: 100 }
}

async fn bank_of_two() -> App {
    let (app, _) = in_memory().await;
    fund(&app, 2, 100).await;
    app
}

#[tokio::test]
async fn g5_by_name_and_by_type_are_one_command() {
    let app = bank_of_two().await;
    let done = app.run(pay(0, 1, 70)).key("a").await.unwrap();
    // The fields in another order are the same request.
    let json = br#"{"cents":70,"to":"a01","from":"a00"}"#;
    let again = app.command("transfer", json).key("a").await.unwrap();
    assert_eq!((again.replayed, again.position), (true, done.position()));

    app.command("transfer", json).key("b").await.unwrap();
    let refused = app.run(pay(0, 1, 70)).key("b").await.unwrap_err();
    assert_eq!(refused, RunError::Refused(No::Short { have: 30 }));
}

#[tokio::test]
async fn g5_keys_of_different_actors_and_commands_never_meet() {
    let app = bank_of_two().await;
    app.run(pay(0, 1, 10)).key("k").await.unwrap();
    for actor in ["ann", "bob"] {
        let first = app.run(pay(0, 1, 10)).key("k").actor(actor).await.unwrap();
        assert!(!first.replayed(), "{actor} asks for the first time");
        let again = app.run(pay(0, 1, 10)).key("k").actor(actor).await.unwrap();
        assert_eq!((again.replayed(), again.position()), (true, first.position()));
    }
    assert!(!app.run(Look { account: account(0) }).key("k").await.unwrap().replayed());
    assert_eq!(app.get::<Account>(account(1)).await.unwrap().cents, 130);
}

#[tokio::test]
async fn g5_keys_outlive_the_process_and_every_derived_file() {
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(dir.path()).await;
    app.run(opening(0)).key("open").await.unwrap();
    app.run(pay(0, 1, 70)).key("pay").await.unwrap_err();
    let before = head(&app).await;
    drop(app);
    std::fs::remove_dir_all(dir.path().join("views")).unwrap();

    let app = embedded(dir.path()).await;
    assert!(app.run(opening(0)).key("open").await.unwrap().replayed());
    let again = app.run(pay(0, 1, 70)).key("pay").await.unwrap_err();
    assert_eq!(again, RunError::Refused(No::NotOpen(account(1))));
    assert_eq!(head(&app).await, before);
}

#[tokio::test]
async fn g5_a_retry_is_answered_from_its_record_whatever_became_of_the_state() {
    let app = bank_of_two().await;
    app.run(pay(0, 1, 70)).key("a").await.unwrap();
    let garbled = NewEvent { data: "{}".into(), ..deposit(0, 1) };
    app.ledger().append(Append::new([garbled])).await.unwrap();
    let anew = app.run(pay(0, 1, 70)).key("b").await.unwrap_err();
    assert!(matches!(anew, RunError::Fault(Fault::Unreadable(_))), "{anew:?}");
    assert!(app.run(pay(0, 1, 70)).key("a").await.unwrap().replayed());
}

/// The next append is not heard of again: it is written, or it is not.
struct Silence {
    due: AtomicBool,
    written: bool,
}

impl LedgerTwist for Silence {
    fn append<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        append: Append,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        Box::pin(async move {
            if !self.due.swap(false, Ordering::SeqCst) {
                return inner.append(append).await;
            }
            if self.written {
                inner.append(append).await?;
            }
            Err(AppendError::OutcomeUnknown("the line went dead".into()))
        })
    }
}

async fn silent_bank(written: bool) -> (App, Arc<TwistedLedger<Silence>>) {
    let twist = Silence { due: AtomicBool::new(false), written };
    let ledger = TwistedLedger::new(MemoryLedger::new(), twist);
    let app = over(ledger.clone(), Arc::new(MemoryViewStore::new()), documents()).await;
    fund(&app, 2, 100).await;
    (app, ledger)
}

#[tokio::test]
async fn g5_an_unknown_outcome_of_a_keyed_command_is_read_back() {
    let (app, ledger) = silent_bank(true).await;
    ledger.twist.due.store(true, Ordering::SeqCst);
    let done = app.run(pay(0, 1, 70)).key("k").await.unwrap();
    assert_eq!((done.events(), done.position()), (2, Position(9)));
    ledger.twist.due.store(true, Ordering::SeqCst);
    let refused = app.run(pay(0, 1, 70)).key("l").await.unwrap_err();
    assert_eq!(refused, RunError::Refused(No::Short { have: 30 }));
}

#[tokio::test]
async fn g5_an_outcome_that_stays_unknown_is_said_and_can_be_retried() {
    let unknown = |error: &RunError<No>| {
        assert!(matches!(error, RunError::Fault(Fault::OutcomeUnknown(_))), "{error:?}");
        assert!(error.to_string().contains("with the same key"), "{error}");
    };
    // Nothing under the key: it may still be on its way, so nobody can say.
    let (app, ledger) = silent_bank(false).await;
    ledger.twist.due.store(true, Ordering::SeqCst);
    unknown(&app.run(pay(0, 1, 70)).key("k").await.unwrap_err());
    let done = app.run(pay(0, 1, 70)).key("k").await.unwrap();
    assert!(!done.replayed());
    assert_eq!(app.get::<Account>(account(1)).await.unwrap().cents, 170);

    // Without a key it is never taken for either.
    let (app, ledger) = silent_bank(true).await;
    ledger.twist.due.store(true, Ordering::SeqCst);
    unknown(&app.run(pay(0, 1, 70)).await.unwrap_err());
    assert_eq!(app.get::<Account>(account(1)).await.unwrap().cents, 170);
}

#[tokio::test]
async fn a_key_of_a_plain_append_is_not_taken_for_a_command() {
    let (app, _) = in_memory().await;
    let append = Append::new([deposit(0, 5)]);
    let mut key = factum::append_key("", "k", &append);
    key.operation = "open".into();
    let json = json!({ "account": "a00", "cents": 100 });
    key.request.0 = *blake3::hash(json.to_string().as_bytes()).as_bytes();
    app.ledger().append(append.keyed(key)).await.unwrap();
    let error = app.run(opening(0)).key("k").await.unwrap_err();
    assert_eq!(error.to_string(), "key was used by an append that is no command");
}
