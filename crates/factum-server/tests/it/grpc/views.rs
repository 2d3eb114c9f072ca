//! Views: rows, freshness, moments of the past, and every "no".

use factum_client::Connection;
use factum_proto::{
    Reason,
    v1::{self, ask_request::AsOf, error::More, views_client::ViewsClient},
};

use super::{failed, refused_field};
use crate::world::World;

fn ask(key: Option<&str>) -> v1::AskRequest {
    v1::AskRequest {
        ledger: "bank".into(),
        view: "accounts".into(),
        key: key.map(str::to_owned),
        ..v1::AskRequest::default()
    }
}

/// A server with two accounts.
async fn opened() -> (World, ViewsClient<Connection>) {
    let world = World::start().await;
    let client = world.client().await;
    for account in ["a", "b"] {
        let input = format!(r#"{{"account":"{account}"}}"#).into();
        let run =
            v1::RunRequest { ledger: "bank".into(), command: "open".into(), input, key: None };
        client.commands().run(run).await.expect("is run");
    }
    (world, client.views())
}

#[tokio::test]
async fn g9_rows_have_seen_what_was_asked_for() {
    let (_world, mut views) = opened().await;
    let asked = v1::AskRequest { after: Some(6), ..ask(Some("b")) };
    let answer = views.ask(asked).await.expect("is answered").into_inner();
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(&answer.rows[0].document[..], br#"{"open":true,"cents":100}"#);
    let freshness = answer.freshness.expect("is said");
    assert_eq!((freshness.position, freshness.lag_events, freshness.stale), (6, 0, false));
    let page = v1::AskRequest { after: Some(6), limit: Some(1), ..ask(None) };
    let first = views.ask(page.clone()).await.expect("is answered").into_inner();
    assert_eq!((first.rows.len(), &*first.rows[0].key), (1, "a"));
    let rest = v1::AskRequest { cursor: first.next, ..page };
    let rest = views.ask(rest).await.expect("is answered").into_inner();
    assert_eq!((&*rest.rows[0].key, rest.next), ("b", None));
    let then = v1::AskRequest { as_of: Some(AsOf::AsOfPosition(2)), ..ask(Some("a")) };
    let then = views.ask(then).await.expect("is answered").into_inner();
    assert_eq!(&then.rows[0].document[..], br#"{"open":true,"cents":0}"#);
    let now = v1::AskRequest { as_of: Some(AsOf::AsOfMicros(u64::MAX >> 1)), ..ask(None) };
    assert_eq!(views.ask(now).await.expect("is answered").into_inner().rows.len(), 2);
    let listed = v1::ListViewsRequest { ledger: "bank".into() };
    let listed = views.list_views(listed).await.expect("is asked").into_inner().views;
    assert_eq!((listed.len(), &*listed[0].name, &listed[0].error), (1, "accounts", &None));
}

#[tokio::test]
async fn what_can_not_be_answered_is_said() {
    let (_world, mut views) = opened().await;
    let asked = v1::AskRequest { after: Some(6), ..ask(Some("c")) };
    let failure = failed(views.ask(asked).await, Reason::UnknownKey);
    let Some(More::Seen(seen)) = failure.more else { panic!("{failure:?}") };
    assert_eq!(seen.position, 6);
    let other = v1::AskRequest { view: "orders".into(), ..ask(None) };
    failed(views.ask(other).await, Reason::UnknownView);
    let nowhere = v1::AskRequest { ledger: String::new(), ..ask(None) };
    failed(views.ask(nowhere).await, Reason::UnknownLedger);
    failed(views.list_views(v1::ListViewsRequest::default()).await, Reason::UnknownLedger);
    for limit in [0, 1_001] {
        let asked = v1::AskRequest { limit: Some(limit), ..ask(None) };
        assert_eq!(refused_field(views.ask(asked).await), "limit");
    }
    let beyond = v1::AskRequest { after: Some(7), ..ask(None) };
    assert_eq!(refused_field(views.ask(beyond).await), "after");
    let beyond = v1::AskRequest { as_of: Some(AsOf::AsOfPosition(7)), ..ask(None) };
    assert_eq!(refused_field(views.ask(beyond).await), "as_of");
}
