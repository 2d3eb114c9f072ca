//! G4: what a decision read is what it is guarded by; a conflict is decided again, a bounded number
//! of times.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use factum::{
    Fault, RunError,
    store::{
        Append, AppendError, BoxFuture, Ledger, NewEvent, Receipt,
        memory::{MemoryLedger, MemoryViewStore},
    },
};

use crate::{bank::*, ports::*, world::*};

/// Appends something of its own just before others' appends, as often as it is told to.
#[derive(Default)]
struct Intruder {
    event: Mutex<Option<NewEvent>>,
    times: AtomicU32,
    appends: AtomicU32,
}

impl Intruder {
    fn intrude(&self, event: NewEvent, times: u32) {
        *self.event.lock().unwrap() = Some(event);
        self.times.store(times, Ordering::SeqCst);
        self.appends.store(0, Ordering::SeqCst);
    }
}

impl LedgerTwist for Intruder {
    fn append<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        append: Append,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        Box::pin(async move {
            self.appends.fetch_add(1, Ordering::SeqCst);
            let left = self.times.load(Ordering::SeqCst);
            if left > 0 {
                self.times.store(left - 1, Ordering::SeqCst);
                let event = self.event.lock().unwrap().clone();
                inner.append(Append::new(event)).await?;
            }
            inner.append(append).await
        })
    }
}

async fn bank_with_an_intruder() -> (factum::App, Arc<TwistedLedger<Intruder>>) {
    let ledger = TwistedLedger::new(MemoryLedger::new(), Intruder::default());
    let app = over(ledger.clone(), Arc::new(MemoryViewStore::new()), documents()).await;
    fund(&app, 2, 100).await;
    (app, ledger)
}

#[tokio::test]
async fn g4_a_conflict_is_decided_again_from_the_newer_state() {
    let (app, ledger) = bank_with_an_intruder().await;
    ledger.twist.intrude(deposit(0, 25), 3);
    let refused = app.run(pay(0, 1, 200)).await.unwrap_err();
    assert_eq!(refused, RunError::Refused(No::Short { have: 175 }), "three times 25 came in");
    assert_eq!(ledger.twist.appends.load(Ordering::SeqCst), 4);

    ledger.twist.intrude(deposit(0, 25), 3);
    let done = app.run(pay(0, 1, 200)).key("k").await.unwrap();
    assert_eq!((done.events(), done.replayed()), (2, false));
    assert_eq!(app.get::<Account>(account(0)).await.unwrap().cents, 50);
    // Only the last decision is recorded, with the head that it was made at.
    let all = everything(&**app.ledger()).await;
    let record = &all[done.receipt().unwrap().first.prev().0 as usize];
    let record: serde_json::Value = serde_json::from_slice(&record.data).unwrap();
    assert_eq!(record["head"], done.position().0 - 3);
}

#[tokio::test]
async fn g4_after_a_bound_it_gives_up_and_has_changed_nothing() {
    let (app, ledger) = bank_with_an_intruder().await;
    let before = head(&app).await;
    ledger.twist.intrude(deposit(0, 1), u32::MAX);
    let fault = app.run(pay(0, 1, 50)).key("k").await.unwrap_err();
    let RunError::Fault(Fault::Conflict { command, attempts, last }) = &fault else {
        panic!("{fault:?}")
    };
    assert_eq!(
        (command.as_str(), *attempts),
        ("transfer", ledger.twist.appends.load(Ordering::SeqCst))
    );
    assert_eq!(last.offending[0].event_type.as_str(), "account.deposited");
    assert!(fault.to_string().contains("try again later"), "{fault}");
    let since = everything(&**app.ledger()).await.split_off(before.0 as usize);
    assert_eq!(since.len(), *attempts as usize);
    assert!(since.iter().all(|event| event.event_type.as_str() == "account.deposited"));

    // The key is as free as before.
    ledger.twist.intrude(deposit(0, 1), 0);
    assert!(!app.run(pay(0, 1, 50)).key("k").await.unwrap().replayed());
}

#[tokio::test]
async fn g4_what_a_decision_does_not_read_is_not_in_its_way() {
    let (app, ledger) = bank_with_an_intruder().await;
    // Deposits to the receiver are ignored, other accounts are not read.
    for number in [1, 2] {
        ledger.twist.intrude(deposit(number, 1), u32::MAX);
        app.run(pay(0, 1, 10)).await.unwrap();
        assert_eq!(ledger.twist.appends.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn g4_a_refusal_is_decided_again_too() {
    let (app, ledger) = bank_with_an_intruder().await;
    ledger.twist.intrude(deposit(0, 100), 1);
    app.run(pay(0, 1, 200)).await.unwrap();
    assert_eq!(ledger.twist.appends.load(Ordering::SeqCst), 2, "no longer short the second time");
}
