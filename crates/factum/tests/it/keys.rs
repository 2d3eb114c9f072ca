//! G5: a keyed command has one outcome, whatever is retried, lost on the way, or restarted.

use std::sync::atomic::{AtomicBool, Ordering};

use factum::{
    App, Fault, RunError,
    store::{
        Append, AppendError, BoxFuture, Ledger, Position, Receipt, memory::MemoryLedger,
    },
};
use serde_json::json;

use crate::{bank::*, ports::*, world::*};

async fn bank_of_two() -> App {
    let app = in_memory().await;
    app.run(opening(1, 100)).await.unwrap();
    app.run(opening(2, 0)).await.unwrap();
    app
}

#[tokio::test]
async fn g5_a_retry_has_the_same_outcome_and_changes_nothing() {
    let app = bank_of_two().await;
    let done = app.run(paying(1, 2, 70)).key("a").await.unwrap();
    let short = app.run(paying(1, 2, 70)).key("b").await.unwrap_err();
    let round = || RoundUp { account: account(5) };
    app.run(opening(5, 300)).await.unwrap();
    let nothing = app.run(round()).key("c").await.unwrap();
    assert_eq!(short, RunError::Refused(No::Short { have: 30 }));
    // What was short then would do now, and what was whole then is not now.
    app.run(opening(3, 1_000)).await.unwrap();
    app.run(paying(3, 1, 1_000)).await.unwrap();
    app.run(paying(1, 5, 1)).await.unwrap();
    let before = head(&app).await;

    for _ in 0..3 {
        let again = app.run(paying(1, 2, 70)).key("a").await.unwrap();
        assert!(again.replayed() && !done.replayed());
        assert_eq!((again.position(), again.events()), (done.position(), done.events()));
        let (first, second) = (done.receipt().unwrap(), again.receipt().unwrap());
        assert_eq!((&first.ids, first.recorded_at), (&second.ids, second.recorded_at));

        let again = app.run(paying(1, 2, 70)).key("b").await.unwrap_err();
        assert_eq!(again, RunError::Refused(No::Short { have: 30 }), "typed, from the record");
        let again = app.run(round()).key("c").await.unwrap();
        assert_eq!((again.events(), again.replayed()), (0, true));
        assert_eq!(again.position(), nothing.position());
    }
    assert_eq!(head(&app).await, before);
}

#[tokio::test]
async fn g5_by_name_and_by_type_are_one_command() {
    let app = bank_of_two().await;
    let done = app.run(paying(1, 2, 70)).key("a").await.unwrap();
    // The fields in another order are the same request.
    let json = format!(r#"{{"cents":70,"to":"{}","from":"{}"}}"#, account(2), account(1));
    let again = app.command("transfer", json.as_bytes()).key("a").await.unwrap();
    assert_eq!((again.replayed, again.position), (true, done.position()));

    app.command("transfer", json.as_bytes()).key("b").await.unwrap();
    let refused = app.run(paying(1, 2, 70)).key("b").await.unwrap_err();
    assert_eq!(refused, RunError::Refused(No::Short { have: 30 }));
}

#[tokio::test]
async fn g5_a_key_of_another_request_is_an_error() {
    let app = bank_of_two().await;
    let done = app.run(paying(1, 2, 70)).key("a").await.unwrap();
    let before = head(&app).await;
    let other = app.run(paying(1, 2, 71)).key("a").await.unwrap_err();
    let position = done.receipt().unwrap().first;
    assert_eq!(other, RunError::Fault(Fault::KeyReused { key: "a".into(), position }));
    assert_eq!(head(&app).await, before);
}

#[tokio::test]
async fn g5_keys_of_different_actors_and_commands_never_meet() {
    let app = bank_of_two().await;
    app.run(paying(1, 2, 10)).key("k").await.unwrap();
    for actor in ["ann", "bob"] {
        let first = app.run(paying(1, 2, 10)).key("k").actor(actor).await.unwrap();
        assert!(!first.replayed(), "{actor} asks for the first time");
        let again = app.run(paying(1, 2, 10)).key("k").actor(actor).await.unwrap();
        assert_eq!((again.replayed(), again.position()), (true, first.position()));
    }
    assert!(!app.run(RoundUp { account: account(1) }).key("k").await.unwrap().replayed());
    assert_eq!(app.get::<Account>(account(2)).await.unwrap().cents, 30);
}

#[tokio::test]
async fn g5_keys_outlive_the_process_and_every_derived_file() {
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(&dir, domain_with_rows()).await;
    app.run(opening(1, 100)).key("open").await.unwrap();
    app.run(paying(1, 2, 70)).key("pay").await.unwrap_err();
    let before = head(&app).await;
    drop(app);
    std::fs::remove_dir_all(dir.path().join("views")).unwrap();

    let app = embedded(&dir, domain_with_rows()).await;
    assert!(app.run(opening(1, 100)).key("open").await.unwrap().replayed());
    let again = app.run(paying(1, 2, 70)).key("pay").await.unwrap_err();
    assert_eq!(again, RunError::Refused(No::NotOpen(account(2))));
    assert_eq!(head(&app).await, before);
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

async fn silent_bank(written: bool) -> (App, std::sync::Arc<TwistedLedger<Silence>>) {
    let twist = Silence { due: AtomicBool::new(false), written };
    let ledger = TwistedLedger::new(MemoryLedger::new(), twist);
    let app = over(ledger.clone()).await;
    app.run(opening(1, 100)).await.unwrap();
    app.run(opening(2, 0)).await.unwrap();
    (app, ledger)
}

#[tokio::test]
async fn g5_an_unknown_outcome_of_a_keyed_command_is_read_back() {
    let (app, ledger) = silent_bank(true).await;
    ledger.twist.due.store(true, Ordering::SeqCst);
    let done = app.run(paying(1, 2, 70)).key("k").await.unwrap();
    assert_eq!((done.events(), done.position()), (2, Position(9)));
    ledger.twist.due.store(true, Ordering::SeqCst);
    let refused = app.run(paying(1, 2, 70)).key("l").await.unwrap_err();
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
    unknown(&app.run(paying(1, 2, 70)).key("k").await.unwrap_err());
    let done = app.run(paying(1, 2, 70)).key("k").await.unwrap();
    assert!(!done.replayed());
    assert_eq!(app.get::<Account>(account(2)).await.unwrap().cents, 70);

    // Without a key it is never taken for either.
    let (app, ledger) = silent_bank(true).await;
    ledger.twist.due.store(true, Ordering::SeqCst);
    unknown(&app.run(paying(1, 2, 70)).await.unwrap_err());
    assert_eq!(app.get::<Account>(account(2)).await.unwrap().cents, 70);
}

#[tokio::test]
async fn a_key_of_a_plain_append_is_not_taken_for_a_command() {
    let app = in_memory().await;
    let append = Append::new([deposited(1, 5)]);
    let mut key = factum::append_key("", "k", &append);
    key.operation = "open".into();
    let json = json!({ "account": account(1), "owner": "owner 1", "cents": 5 });
    key.request.0 = *blake3::hash(json.to_string().as_bytes()).as_bytes();
    app.ledger().append(append.keyed(key)).await.unwrap();
    let error = app.run(opening(1, 5)).key("k").await.unwrap_err();
    assert_eq!(error.to_string(), "key was used by an append that is no command");
}
