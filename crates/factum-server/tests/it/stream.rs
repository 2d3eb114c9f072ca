//! Server-sent events (G6).

use std::time::Duration;

use serde_json::json;

use crate::{client::Request, world::World};

const EVENTS: &str = "/v1/ledgers/bank/events";

#[tokio::test]
async fn g6_a_stream_gives_the_past_says_it_caught_up_and_goes_on() {
    let world = World::start().await;
    world.append("a", &[json!(1), json!(2)]).await;
    let mut stream = world.follow(EVENTS).await;
    for position in [1, 2] {
        let frame = stream.next().await.expect("an event");
        assert_eq!((frame.event.as_str(), frame.id), ("event", Some(position)));
        assert_eq!(frame.json()["data"], position);
    }
    let caught_up = stream.next().await.expect("a signal");
    assert_eq!((caught_up.event.as_str(), caught_up.id), ("caught-up", Some(2)));
    assert_eq!(caught_up.json()["position"], 2);
    world.append("a", &[json!(3)]).await;
    let live = stream.next().await.expect("an event");
    assert_eq!((live.event.as_str(), live.id), ("event", Some(3)));
    assert_eq!(stream.next().await.expect("a signal").event, "caught-up");
}

#[tokio::test]
async fn g6_whoever_comes_back_goes_on_after_what_it_saw() {
    let world = World::start().await;
    world.append("a", &(1..=9).map(|n| json!(n)).collect::<Vec<_>>()).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let last = seen.last().copied().unwrap_or(0_u64).to_string();
        let path = format!("{EVENTS}?after=0");
        let request = Request::new("GET", &path).header("Last-Event-ID", &last);
        let mut stream = request.stream(world.address).await;
        for _ in 0..3 {
            seen.push(stream.next().await.and_then(|frame| frame.id).expect("an event"));
        }
    }
    assert_eq!(seen, (1..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_what_matches_is_streamed_and_progress_is_said_when_nothing_does() {
    let world = World::start().await;
    let many: Vec<_> = (0..2_500).map(|n| json!(n)).collect();
    world.append("a", &many).await;
    world.append("a", &many).await;
    world.append("b", &[json!("found")]).await;
    let mut stream = world.follow(&format!("{EVENTS}?type=b")).await;
    let progress = stream.next().await.expect("a signal");
    assert_eq!(progress.event, "progress");
    assert!(progress.id.is_some_and(|id| id <= 4_096), "{progress:?}");
    let found = loop {
        let frame = stream.next().await.expect("a signal");
        if frame.event != "progress" {
            break frame;
        }
    };
    assert_eq!((found.event.as_str(), found.id), ("event", Some(5_001)));
}

#[tokio::test]
async fn a_payload_with_line_breaks_stays_one_frame() {
    let world = World::start().await;
    let body = "{\"events\":[{\"type\":\"a\",\"data\":{\r\n\"x\":\n\n1}}]}";
    world.post(EVENTS, body).await.ok();
    let frame = world.follow(EVENTS).await.next().await.expect("an event");
    assert_eq!(frame.json()["data"], json!({ "x": 1 }));
}

#[tokio::test]
async fn a_silent_stream_says_that_it_is_alive() {
    let world = World::with(|config| config.heartbeat = Duration::from_millis(10)).await;
    let mut stream = world.follow(EVENTS).await;
    assert_eq!(stream.block().await.as_deref(), Some("retry: 1000"));
    // It may take longer to find out that there is nothing than to be silent for that long.
    let (mut alive, mut caught_up) = (0, false);
    while alive < 3 || !caught_up {
        match stream.block().await.as_deref() {
            Some(": alive") => alive += 1,
            Some(block) => caught_up |= block.starts_with("event: caught-up"),
            None => panic!("the stream has ended"),
        }
    }
}

#[tokio::test]
async fn g11_a_reader_that_takes_nothing_stops_nobody_else() {
    let world = World::start().await;
    let large = json!("x".repeat(1 << 20));
    let mut slow = world.follow(EVENTS).await;
    for _ in 0..24 {
        world.append("a", std::slice::from_ref(&large)).await;
    }
    let mut quick = world.follow(EVENTS).await;
    for position in 1..=24 {
        assert_eq!(quick.next().await.and_then(|frame| frame.id), Some(position));
    }
    // The slow one has lost nothing either.
    let mut positions = Vec::new();
    while positions.len() < 24 {
        let frame = slow.next().await.expect("goes on");
        positions.extend(frame.id.filter(|_| frame.event == "event"));
    }
    assert_eq!(positions, (1..=24).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_for_pages_is_refused_for_streams() {
    let world = World::start().await;
    for (query, header) in
        [("limit=3", "0"), ("direction=backward", "0"), ("up_to=1", ""), ("", "x")]
    {
        let path = format!("{EVENTS}?{query}");
        let request = Request::new("GET", &path)
            .header("Accept", "text/html, text/event-stream;q=0.9")
            .header("Last-Event-ID", header);
        request.send(world.address).await.problem("invalid");
    }
}

#[tokio::test]
async fn a_stream_too_many_is_told_so() {
    let world = World::with(|config| {
        config.subscriptions_max = 1;
        config.patience = Duration::from_millis(1);
    })
    .await;
    let first = world.follow(EVENTS).await;
    let busy = Request::new("GET", EVENTS).header("Accept", "text/event-stream");
    let busy = busy.send(world.address).await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("1")));
    busy.problem("busy");
    // Reads have places of their own (G11).
    world.get(EVENTS).await.ok();
    drop(first);
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let world = World::start().await;
    world.append("a", &[json!(1)]).await;
    let mut stream = world.follow(EVENTS).await;
    assert_eq!(stream.next().await.and_then(|frame| frame.id), Some(1));
    world.stop().await;
    let mut last = stream.next().await.expect("a signal");
    if last.event == "caught-up" {
        last = stream.next().await.expect("why it ends");
    }
    assert_eq!((last.event.as_str(), last.id), ("problem", Some(1)));
    let said = last.json();
    assert_eq!((&said["type"], &said["position"]), (&json!("/problems/unavailable"), &json!(1)));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn g11_a_reader_that_takes_nothing_loses_its_place_and_is_told_where_to_go_on() {
    let world = World::with(|config| {
        config.subscriptions_max = 1;
        config.write_timeout = Duration::from_millis(300);
        config.patience = Duration::from_secs(600);
    })
    .await;
    let large = json!("x".repeat(1 << 20));
    let mut slow = world.follow(EVENTS).await;
    for _ in 0..24 {
        world.append("a", std::slice::from_ref(&large)).await;
    }
    // Its place is given to the next one, though its connection is open.
    let mut next = world.follow(EVENTS).await;
    assert_eq!(next.next().await.and_then(|frame| frame.id), Some(1));
    // Either the connection was closed on it, or the last frame says where to go on.
    let (mut last, mut problem) = (0, None);
    while let Some(frame) = slow.next().await {
        match frame.event.as_str() {
            "event" => last = frame.id.expect("a position"),
            "problem" => problem = Some(frame),
            _ => {}
        }
    }
    assert!(last < 24, "it can't have got everything");
    if let Some(problem) = problem {
        assert_eq!((problem.id, &problem.json()["position"]), (Some(last), &json!(last)));
    }
}

#[tokio::test]
async fn g6_many_at_the_head_get_each_event_once_in_order() {
    const EVENTS_EACH: u64 = 30;
    let world = World::start().await;
    let mut streams = Vec::new();
    for n in 0..20 {
        // Some come while others are told already, and from different places.
        streams.push(world.follow(&format!("{EVENTS}?after={}", n / 2)).await);
        world.append("a", &[json!(n)]).await;
    }
    for n in 0..EVENTS_EACH {
        world.append("a", &[json!(n), json!("more")]).await;
    }
    let end = 20 + 2 * EVENTS_EACH;
    for (n, stream) in streams.iter_mut().enumerate() {
        let mut expected = n as u64 / 2 + 1;
        while expected <= end {
            let frame = stream.next().await.expect("goes on");
            if frame.event == "event" {
                assert_eq!(frame.id, Some(expected), "stream {n}");
                expected += 1;
            }
        }
    }
}
