//! Every error, as the client makes it of what the server says.

use umadb_client::AsyncUmaDbClient;
use umadb_dcb::{DcbError, DcbEvent, DcbEventStoreAsync, DcbQuery, TrackingInfo};

use super::{event, item};
use crate::world::World;

async fn refusal(client: &AsyncUmaDbClient, events: Vec<DcbEvent>) -> String {
    match client.append(events, None, None).await {
        Err(DcbError::InvalidArgument(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_recorded_is_refused_and_changes_nothing() {
    let world = World::start();
    let client = world.client().await;
    let long = "x".repeat(257);
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    let tags: Vec<_> = (0..65).map(|n| n.to_string()).collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    let noted = |metadata| DcbEvent { metadata, ..event("a", &[]) };
    for (bad, says) in [
        (event("", &[]), "events[1].type is empty"),
        (event(&long, &[]), "events[1].type has 257 bytes"),
        (event("a\n", &[]), "events[1].type has a control character"),
        (event("$command", &[]), "events[1].type begins with $"),
        (event("a", &["b", ""]), "events[1].tags[1] is empty"),
        (event("a", &[&long]), "events[1].tags[0] has 257 bytes"),
        (event("a", &["$tracking:s"]), "events[1].tags[0] begins with $tracking:"),
        (event("a", &tags), "events[1].tags has 65 tags"),
        (noted(vec![pair("k", "1"), pair("k", "2")]), "events[1].metadata has the key \"k\" twice"),
        (noted(vec![pair("$tag_order", "1")]), "events[1].metadata has the key"),
        (noted(vec![pair("k", &"v".repeat(1 << 16))]), "events[1].metadata has 65544 bytes"),
    ] {
        let said = refusal(&client, vec![event("good", &[]), bad]).await;
        assert!(said.starts_with(says), "{said:?} instead of {says:?}");
    }
    let said = refusal(&client, vec![event("a", &[]); 4_097]).await;
    assert!(said.starts_with("events has 4097 events"), "{said}");
    assert_eq!(client.head().await.expect("a head"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_asked_is_refused() {
    let world = World::start();
    let client = world.client().await;
    let query =
        |types, tags| Some(DcbQuery::new().item(item(&["a"], &["b"])).item(item(types, tags)));
    let many = (0..257).fold(DcbQuery::new(), |query, _| query.item(item(&["a"], &[])));
    for (query, says) in [
        (query(&["a", ""], &[]), "query.items[1].types[1] is empty"),
        (query(&[], &[""]), "query.items[1].tags[0] is empty"),
        (Some(many), "items has 257 items"),
    ] {
        let refused = match client.read(query.clone(), None, false, None).await {
            Ok(mut response) => response.next_batch().await.err(),
            Err(error) => Some(error),
        };
        let said = refused.expect("is refused").to_string();
        assert!(said.contains(says), "{said:?} instead of {says:?}");
        let refused = match client.subscribe(query, None).await {
            Ok(mut events) => events.next_batch().await.err(),
            Err(error) => Some(error),
        };
        assert!(matches!(refused, Some(DcbError::InvalidArgument(_))), "{refused:?}");
    }
    let long = TrackingInfo { source: "x".repeat(247), position: 1 };
    let refused = client.append(vec![event("a", &[])], None, Some(long.clone())).await;
    assert!(matches!(refused, Err(DcbError::InvalidArgument(_))), "{refused:?}");
    let refused = client.get_tracking_info(&long.source).await;
    assert!(matches!(refused, Err(DcbError::InvalidArgument(_))), "{refused:?}");
}

/// More than a message may have is refused before it is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_beyond_four_mebibytes_is_refused() {
    let world = World::start();
    let client = world.client().await;
    let large = DcbEvent { data: vec![0; 4 << 20], ..event("large", &[]) };
    let refused = client.append(vec![large], None, None).await;
    assert!(matches!(refused, Err(DcbError::Io(_))), "{refused:?}");
    assert_eq!(client.head().await.expect("goes on"), None);
}

/// The client itself keeps a key off a wire that others can read.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_sent_in_the_clear() {
    let world = World::start();
    let client = world.client_with(|client| client.api_key("secret".to_owned())).await;
    let refused = client.head().await;
    assert!(matches!(refused, Err(DcbError::TransportError(_))), "{refused:?}");
}
