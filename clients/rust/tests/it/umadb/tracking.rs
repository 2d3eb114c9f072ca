//! Tracking: how far a source was followed, recorded with the events, and only ever further.

use umadb_dcb::{DcbAppendCondition, DcbError, DcbEvent, DcbEventStoreAsync, TrackingInfo};
use uuid::Uuid;

use super::{Read, event, tagged};
use crate::world::World;

fn info(source: &str, position: u64) -> Option<TrackingInfo> {
    Some(TrackingInfo { source: source.to_owned(), position })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_followed_further_and_never_back() {
    let world = World::start();
    let client = world.client().await;
    let append = |source: &str, position| {
        client.append(vec![event("a", &["z", "b"]), event("b", &[])], None, info(source, position))
    };
    assert_eq!(client.get_tracking_info("s").await.expect("an answer"), None);
    assert_eq!(append("s", 5).await.expect("is appended"), 2);
    for position in [5, 4, 0] {
        let refused = append("s", position).await;
        assert!(matches!(refused, Err(DcbError::IntegrityError(_))), "{refused:?}");
    }
    assert_eq!(append("s", 6).await.expect("is appended"), 4, "no position is taken beside");
    assert_eq!(append("other: \"\u{1f980}\"", u64::MAX).await.expect("is appended"), 6);
    assert_eq!(append("", 1).await.expect("is appended"), 8);

    let world = world.restarted();
    let client = world.client().await;
    for (source, followed) in
        [("s", Some(6)), ("other: \"\u{1f980}\"", Some(u64::MAX)), ("", Some(1)), ("t", None)]
    {
        assert_eq!(client.get_tracking_info(source).await.expect("an answer"), followed);
    }
    let (events, _) = Read { limit: Some(4), ..Read::default() }.of(&client).await;
    let said: Vec<_> = events.iter().map(|found| found.tracking_info.clone()).collect();
    assert_eq!(said, [info("s", 5), info("s", 5), info("s", 6), info("s", 6)]);
    assert_eq!(events[0].event.tags, ["z", "b"], "what it is found by is not shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn tracking_without_events_is_recorded_and_seen_by_nobody() {
    let world = World::start();
    let client = world.client().await;
    assert_eq!(client.append(Vec::new(), None, info("s", 3)).await.expect("is recorded"), 0);
    assert_eq!(client.get_tracking_info("s").await.expect("an answer"), Some(3));
    assert_eq!(client.head().await.expect("a head"), None);
    assert_eq!(Read::default().positions(&client).await, [0; 0]);
    client.append(vec![event("a", &[])], None, info("s", 4)).await.expect("is appended");
    let refused = client.append(Vec::new(), None, info("s", 4)).await;
    assert!(matches!(refused, Err(DcbError::IntegrityError(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_condition_both_hold_or_nothing_is_recorded() {
    let world = World::start();
    let client = world.client().await;
    let named = DcbEvent { uuid: Some(Uuid::new_v4()), ..event("a", &["a"]) };
    let unless = || Some(DcbAppendCondition::new(tagged(&["a"])));
    let append = |event: &DcbEvent, position| {
        client.append(vec![event.clone()], unless(), info("s", position))
    };
    assert_eq!(append(&named, 1).await.expect("is appended"), 1);
    // The same again is a retry, whatever is said of the source.
    assert_eq!(append(&named, 1).await.expect("was appended"), 1);
    assert_eq!(append(&named, 2).await.expect("was appended"), 1);
    let refused = append(&event("a", &["a"]), 2).await;
    assert!(matches!(refused, Err(DcbError::IntegrityError(_))), "{refused:?}");
    assert_eq!(client.get_tracking_info("s").await.expect("an answer"), Some(1));
    assert_eq!(client.head().await.expect("a head"), Some(1));
}

/// Those who follow the same source at once: each of its events is recorded by one of them.
#[tokio::test(flavor = "multi_thread")]
async fn g4_what_came_of_a_source_is_recorded_once() {
    const FOLLOWERS: usize = 6;
    const EVENTS: u64 = 30;
    let world = World::start();
    let mut following = Vec::new();
    for _ in 0..FOLLOWERS {
        let client = world.client().await;
        following.push(tokio::spawn(async move {
            loop {
                let done = client.get_tracking_info("s").await.expect("an answer").unwrap_or(0);
                if done == EVENTS {
                    return;
                }
                let came = event(&format!("of {}", done + 1), &[]);
                match client.append(vec![came], None, info("s", done + 1)).await {
                    Ok(_) | Err(DcbError::IntegrityError(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }));
    }
    for follower in following {
        follower.await.expect("follows to the end");
    }
    let (events, _) = Read::default().of(&world.client().await).await;
    let came: Vec<_> = events.into_iter().map(|found| found.event.event_type).collect();
    assert_eq!(came, (1..=EVENTS).map(|n| format!("of {n}")).collect::<Vec<_>>());
}
