//! Many at once on one gift card: what was read is what is guarded (G4), a key has one outcome (G5),
//! positions have no gaps (G3).

use std::{
    collections::BTreeMap,
    sync::{Arc, Barrier},
};

use factum::{
    App, Emits, Fold, Slice,
    store::{
        Append, Position,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use retail::*;
use serde_json::json;

use crate::{views::all_events, world::*};

const THREADS: usize = 64;
/// Ann's gift card covers five of them.
const ORDER_CENTS: i64 = 100;

fn order_of(number: usize) -> String {
    format!("#{number}")
}

fn history() -> impl factum::Emits {
    let orders = (0..THREADS).map(|number| {
        let id = order_of(number);
        (placed(&id), settled_before(&id, vec![payment(ORDER_CENTS, "card")]))
    });
    (catalogue(), ann(), orders.collect::<Vec<_>>())
}

/// Runs one thread's actions: each pays an order by the gift card. A key is used by two threads.
async fn pay(app: &App, thread: usize) -> (Option<String>, bool) {
    let keyed = thread.is_multiple_of(2);
    let number = if keyed { thread - thread % 4 } else { thread };
    let input = json!({"order_id": order_of(number), "payment_method_id": "gift"}).to_string();
    let key = keyed.then(|| format!("pay-{number}"));
    loop {
        let mut command = app.command("modify_pending_order_payment", input.as_bytes());
        if let Some(key) = &key {
            command = command.key(key.clone());
        }
        match command.await {
            Ok(outcome) => return (key, outcome.refusal.is_none()),
            Err(factum::Fault::Conflict { .. }) => std::thread::yield_now(),
            Err(fault) => panic!("{fault}"),
        }
    }
}

#[tokio::test]
async fn a_gift_card_is_never_overdrawn_in_memory() {
    let views = Arc::new(MemoryViewStore::new());
    let ledger = Arc::new(MemoryLedger::new());
    let app = App::over(ledger, views).domain(commands()).await.expect("an application");
    a_gift_card_is_never_overdrawn(&app).await;
}

#[tokio::test]
async fn a_gift_card_is_never_overdrawn_embedded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data").display().to_string();
    let app = App::open(path).domain(domain()).await.expect("an embedded application");
    a_gift_card_is_never_overdrawn(&app).await;
}

async fn a_gift_card_is_never_overdrawn(app: &App) {
    let mut events = Vec::new();
    history().emit(&mut events).expect("events");
    app.ledger().append(Append::new(events)).await.expect("an append");

    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (app, start) = (app.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(pay(&app, thread))
            })
        })
        .collect();
    let outcomes: Vec<_> = threads.into_iter().map(|t| t.join().expect("a thread")).collect();

    let mut by_key = BTreeMap::new();
    let mut accepted = 0;
    for (key, yes) in outcomes {
        let Some(key) = key else {
            accepted += usize::from(yes);
            continue;
        };
        if let Some(first) = by_key.insert(key.clone(), yes) {
            assert_eq!(first, yes, "{key} has one outcome");
        }
    }
    accepted += by_key.values().filter(|yes| **yes).count();
    assert_eq!(by_key.len(), THREADS / 4);
    assert_eq!(accepted, 5, "the balance is spent to the last cent, and no further");

    let events = all_events(&**app.ledger()).await;
    let query = Slice::of::<User>(&user("ann")).query;
    let mut ann = User::default();
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event.position, Position(position), "positions have no gaps");
        if query.matches(event) {
            Fold::apply(&mut ann, event).expect("a readable event");
        }
        if let Some(PaymentMethod::GiftCard { balance_cents, .. }) = ann.payment_methods.get("gift")
        {
            assert!(*balance_cents >= 0, "overdrawn at {position}");
        }
    }
    let gift = PaymentMethod::GiftCard { id: "gift".into(), balance_cents: 0 };
    assert_eq!(ann.payment_methods["gift"], gift);
    let commands = events.iter().filter(|e| e.event_type.as_str() == "$command").count();
    assert_eq!(commands, THREADS / 4 + THREADS / 2, "each key is recorded once");
}

fn commands() -> factum::Domain {
    factum::Domain::new("retail").decides::<ModifyPendingOrderPayment>()
}
