//! Append and head, and that an event comes back as it was given.

use umadb_client::UmaDbClient;
use umadb_dcb::{DcbError, DcbEvent, DcbEventStoreAsync, DcbEventStoreSync};
use uuid::Uuid;

use super::{Read, event};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn positions_count_from_one_and_survive_a_kill() {
    let world = World::start();
    let client = world.client().await;
    assert_eq!(client.head().await.expect("a head"), None);
    let two = vec![event("a", &["t"]), event("b", &[])];
    assert_eq!(client.append(two, None, None).await.expect("is appended"), 2);
    assert_eq!(client.append(vec![event("c", &[])], None, None).await.expect("is appended"), 3);
    assert_eq!(client.head().await.expect("a head"), Some(3));

    let world = world.restarted();
    let client = world.client().await;
    assert_eq!(client.head().await.expect("a head"), Some(3));
    let (events, head) = Read::default().of(&client).await;
    let types: Vec<_> = events.iter().map(|found| &*found.event.event_type).collect();
    assert_eq!((types, head), (vec!["a", "b", "c"], Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_back_as_it_was_given() {
    let world = World::start();
    let client = world.client().await;
    let (uuid, nil) = (Uuid::new_v4(), Uuid::nil());
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
    };
    let given = vec![
        DcbEvent { uuid: Some(uuid), ..event("named", &["z", "a", "m", "a"]) },
        DcbEvent {
            metadata: pairs(&[("z", "1"), ("a", "\"\n\u{1f980}")]),
            ..event("noted", &["b", "a"])
        },
        DcbEvent { uuid: Some(nil), ..event("nil", &[]) },
        DcbEvent { uuid: Some(nil), metadata: pairs(&[("k", "")]), ..event("nil again", &["a"]) },
        DcbEvent { uuid: Some(Uuid::now_v7()), data: Vec::new(), ..event("empty", &["a", "b"]) },
        DcbEvent { data: vec![0, 255, 10], ..event("bytes", &[]) },
        DcbEvent { data: br#"{"json": [1, 2]}"#.to_vec(), ..event("json", &[]) },
        DcbEvent { data: b"{not json}".to_vec(), ..event("like json", &[]) },
    ];
    client.append(given.clone(), None, None).await.expect("is appended");
    let (found, _) = Read::default().of(&client).await;
    assert_eq!(found.len(), given.len());
    for (found, given) in found.iter().map(|found| &found.event).zip(&given) {
        assert_eq!(found.event_type, given.event_type);
        assert_eq!(found.tags, given.tags);
        assert_eq!(found.data, given.data);
        assert_eq!(found.uuid, given.uuid, "{}", given.event_type);
        assert_eq!(found.metadata, given.metadata);
    }
    assert!(found.iter().all(|found| found.tracking_info.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_and_a_large_batch_come_back() {
    let world = World::start();
    let client = world.client().await;
    let large = |byte| DcbEvent { data: vec![byte; 3 << 20], ..event("large", &["large"]) };
    for byte in 0..3 {
        client.append(vec![large(byte)], None, None).await.expect("is appended");
    }
    let many =
        (0..4_096).map(|n| DcbEvent { data: vec![b'x'; n % 300], ..event("many", &["many"]) });
    let many: Vec<_> = many.collect();
    client.append(many.clone(), None, None).await.expect("is appended");
    let (found, _) = Read::default().of(&client).await;
    assert_eq!(found.len(), 3 + many.len());
    assert!((0..3).all(|n| found[n].event.data == vec![n as u8; 3 << 20]));
    assert!(found[3..].iter().zip(&many).all(|(found, given)| found.event.data == given.data));
}

#[test]
fn the_synchronous_client_works_too() {
    let world = World::start();
    let client = UmaDbClient::new(world.url.clone()).connect().expect("connects");
    assert_eq!(client.head().expect("a head"), None);
    assert_eq!(client.append(vec![event("a", &["t"])], None, None).expect("is appended"), 1);
    let (events, head) = client.read_with_head(None, None, false, None).expect("is read");
    assert_eq!((events.len(), head), (1, Some(1)));
    assert_eq!(client.get_tracking_info("nobody").expect("an answer"), None);
    let mut subscription = client.subscribe(None, None).expect("is followed");
    let first = subscription.next().expect("goes on").expect("an event");
    assert_eq!(first.position, 1);
    client.close();
    assert!(matches!(subscription.next(), Some(Err(DcbError::CancelledByUser()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_append_is_nothing_done() {
    let world = World::start();
    let client = world.client().await;
    assert_eq!(client.append(Vec::new(), None, None).await.expect("is done"), 0);
    assert_eq!(client.head().await.expect("a head"), None);
}
