//! An application is the same when its ledger is on a server: only its URL is another.

use factum::{App, Fault, RunError, store::Position};
use factum_store::{EventType, Query, QueryItem, Read};

use crate::{
    bank::{self, Account, AccountId, No, Open, Withdraw},
    world::World,
};

async fn open(world: &World) -> App {
    let url = format!("http://{}/bank", world.address);
    App::open(url).domain(bank::domain()).await.expect("opens")
}

fn withdraw(cents: i64) -> Withdraw {
    Withdraw { account: account(), cents }
}

fn account() -> AccountId {
    "a".parse().expect("an id")
}

#[tokio::test]
async fn commands_folds_and_views_are_the_same_over_the_wire() {
    let world = World::start().await;
    let app = open(&world).await;
    let opened = app.run(Open { account: account() }).key("k-1").await.expect("is accepted");
    assert_eq!((opened.events(), opened.position()), (2, Position(3)));
    let again = app.run(Open { account: account() }).key("k-1").await.expect("is answered");
    assert!(again.replayed());
    assert_eq!(again.receipt().map(|r| &r.ids), opened.receipt().map(|r| &r.ids));
    match app.run(withdraw(101)).actor("ann").await {
        Err(RunError::Refused(No::Short { have })) => assert_eq!(have, 100),
        other => panic!("{:?}", other.map(|done| done.position())),
    }
    let done = app.run(withdraw(30)).await.expect("is accepted");
    // This application keeps a view of its own, and so does the server's.
    let view = app.view("accounts").expect("is there");
    let answer = view.get("a").after(&done).await.expect("is answered");
    assert_eq!(&answer.rows[0].document[..], br#"{"open":true,"cents":70}"#);
    let path = format!("/v1/ledgers/bank/views/accounts/a?after={}", done.position());
    assert_eq!(world.get(&path).await.ok()["rows"][0]["cents"], 70);
    let account = app.get::<Account>(account()).await.expect("is read");
    assert_eq!(account.position(), done.position());
    // Commands are recorded on the server as they are at home.
    let record = EventType::new(EventType::COMMAND).expect("a name");
    let records = Read::new(Query::from(QueryItem::types([record])));
    assert_eq!(app.ledger().read(records).await.expect("is read").events.len(), 3);
    app.close().await;
}

/// Both decide on the same account, each on its own machine: the conditions see to it that they
/// never take more than there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_two_applications_on_one_ledger_never_overdraw() {
    let world = World::start().await;
    let apps = [open(&world).await, open(&world).await];
    apps[0].run(Open { account: account() }).await.expect("is accepted");
    let taking = apps.map(|app| {
        tokio::spawn(async move {
            let mut taken = 0;
            loop {
                match app.run(withdraw(7)).await {
                    Ok(_) => taken += 7,
                    Err(RunError::Refused(_)) => return taken,
                    Err(RunError::Fault(fault)) => panic!("{fault}"),
                }
            }
        })
    });
    let mut taken = 0;
    for one in taking {
        taken += one.await.expect("no panic");
    }
    assert_eq!(taken, 98);
}

#[tokio::test]
async fn what_can_not_be_opened_is_said_at_once() {
    let world = World::start().await;
    let nowhere = format!("http://{}/nowhere", world.address);
    let fault = App::open(&*nowhere).await.err().expect("there is none");
    assert!(matches!(&fault, Fault::Unavailable(why) if why.contains("nowhere")), "{fault}");
    let address = world.address;
    world.stop().await;
    let fault = App::open(format!("http://{address}/bank")).await.err().expect("nobody listens");
    assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
    let fault = App::open("http://").await.err().expect("is no address");
    assert!(matches!(fault, Fault::Unsupported { .. }), "{fault}");
    let fault = App::open("some/where").token("t").await.err().expect("is no server");
    assert!(matches!(fault, Fault::Unsupported { .. }), "{fault}");
}
