//! `factum group`, and consumer groups when the server is killed: every event is handled, in order
//! within its key, and not again once its acknowledgement was answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    harness::{Random, Run, command, factum_in},
    serve::{Server, post},
};

/// How often the server is killed.
const KILLS: u64 = 6;
/// How many consumers there are at a time.
const CONSUMERS: usize = 3;
/// How many keys the events have.
const KEYS: u64 = 5;

/// What the consumers did, in the order they did it.
#[derive(Default)]
struct Handled {
    all: Vec<(u64, String)>,
    /// Those whose acknowledgement was answered.
    acked: BTreeSet<u64>,
}

#[test]
fn kill_nine_of_a_server_loses_no_event_of_a_group_and_keeps_the_order_of_each_key() {
    let mut random = Random::new("kill_nine_of_a_group");
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let handled = Mutex::new(Handled::default());
    for round in 0..=KILLS {
        let mut server = Server::start(&dir, &[]);
        if round == 0 {
            let group = json!({ "name": "g", "order": "tag:k" }).to_string();
            assert!(matches!(asked(&server.address, "", &group), Some((200, _))));
        }
        let seeds: Vec<_> = (0..=CONSUMERS).map(|_| random.below(u64::MAX)).collect();
        let (address, over) = (&server.address.clone(), &AtomicBool::new(false));
        std::thread::scope(|scope| {
            for (consumer, seed) in seeds.iter().enumerate() {
                let handled = &handled;
                scope.spawn(move || match consumer {
                    CONSUMERS if round == KILLS => {}
                    CONSUMERS => write_until(over, address, *seed),
                    _ => consume_until(over, address, consumer, *seed, handled),
                });
            }
            std::thread::sleep(Duration::from_millis(50 + random.below(200)));
            if round == KILLS {
                // The last server is left alone until all is handled.
                over.store(true, Ordering::Relaxed);
                while !is_done(address) {
                    consume(address, 9, &mut Random::from(7), &handled);
                }
            }
            server.process.kill();
            over.store(true, Ordering::Relaxed);
        });
    }
    let handled = handled.into_inner().expect("nobody panicked");
    check(&dir, &handled);
    let (times, acked) = (handled.all.len(), handled.acked.len());
    println!("{acked} events were handled {times} times through {KILLS} kills");
}

/// Appends events, one after the other, until the server is gone.
fn write_until(over: &AtomicBool, address: &str, seed: u64) {
    let mut random = Random::from(seed);
    while !over.load(Ordering::Relaxed) {
        let tag = format!("k:{}", random.below(KEYS));
        let body = json!({ "events": [{ "type": "a", "tags": [tag], "data": {} }] }).to_string();
        if post(address, "/v1/ledgers/default/events", &body).is_none() {
            break;
        }
    }
}

fn consume_until(
    over: &AtomicBool,
    address: &str,
    consumer: usize,
    seed: u64,
    handled: &Mutex<Handled>,
) {
    let mut random = Random::from(seed);
    while !over.load(Ordering::Relaxed) && consume(address, consumer, &mut random, handled) {}
}

/// Draws a few events and answers for them; whether the server is still there.
fn consume(address: &str, consumer: usize, random: &mut Random, handled: &Mutex<Handled>) -> bool {
    let consumer = format!("c{consumer}");
    let draw = json!({ "consumer": consumer, "max": 4, "wait_ms": 50 }).to_string();
    let Some((200, drawn)) = asked(address, "/g/next", &draw) else { return false };
    for delivery in drawn["deliveries"].as_array().expect("a list") {
        let deliveries = json!([delivery["delivery"]]);
        if random.below(10) == 0 {
            let nack = json!({ "deliveries": deliveries, "after_ms": 0 }).to_string();
            if asked(address, "/g/nack", &nack).is_none() {
                return false;
            }
            continue;
        }
        let position = delivery["event"]["position"].as_u64().expect("a position");
        let key = delivery["event"]["tags"][0].as_str().expect("a tag").to_owned();
        {
            let mut handled = handled.lock().expect("nobody panicked");
            assert!(!handled.acked.contains(&position), "{position} again, after its ack");
            handled.all.push((position, key));
        }
        let ack = json!({ "deliveries": deliveries }).to_string();
        let Some((200, answer)) = asked(address, "/g/ack", &ack) else { return false };
        assert_eq!(answer["acked"], 1, "{position}: {answer}");
        handled.lock().expect("nobody panicked").acked.insert(position);
    }
    true
}

/// Whether nothing is left to be handled.
fn is_done(address: &str) -> bool {
    let group = crate::serve::ask(address, "GET /v1/ledgers/default/groups/g", "");
    let (status, group) = group.expect("it answers");
    let group: Value = serde_json::from_str(&group).expect("is JSON");
    assert_eq!(status, 200, "{group}");
    assert_eq!(group["parked"], 0, "{group}");
    group["lag_events"] == 0 && group["in_flight"] == 0
}

/// Every event that was recorded was handled; those of a key for the first time in their order.
fn check(dir: &Path, handled: &Handled) {
    let recorded = factum_in(dir, &["read", "--jsonl"]).ok().json_lines();
    assert!(recorded.len() > 10, "only {} events", recorded.len());
    for event in &recorded {
        let position = event["position"].as_u64().expect("a position");
        // One whose acknowledgement was durable, but not answered before a kill, comes no more.
        let found = handled.all.iter().any(|(handled, _)| *handled == position);
        assert!(found, "{position} was lost");
    }
    let (mut last, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for (position, key) in handled.all.iter().filter(|(position, _)| seen.insert(*position)) {
        let before = last.insert(key, *position);
        assert!(before < Some(*position), "{position} came after {before:?} of {key}");
    }
}

fn asked(address: &str, rest: &str, body: &str) -> Option<(u16, Value)> {
    let (status, body) = post(address, &format!("/v1/ledgers/default/groups{rest}"), body)?;
    Some((status, serde_json::from_str(&body).expect("an answer is JSON")))
}

/// `factum group` against a server.
fn group(server: &Server, args: &[&str]) -> Run {
    let url = format!("http://{}", server.address);
    let mut command = command(["group"]);
    command.args(args).env("FACTUM_URL", url).env_remove("FACTUM_TOKEN");
    command.output().expect("the binary runs").into()
}

#[test]
fn a_group_is_made_consumed_and_steered_from_the_command_line() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    for n in ["1", "1", "2"] {
        factum_in(&dir, &["append", "--type", "a", "--tag", &format!("k:{n}")]).ok();
    }
    let server = Server::start(&dir, &[]);
    let made =
        group(&server, &["create", "g", "--order", "tag:k", "--type", "a", "--json"]).ok().json();
    assert_eq!((&made["name"], &made["order"]), (&json!("g"), &json!("tag:k")));
    let next = |max: &str| {
        group(&server, &["next", "g", "--max", max, "--wait", "30", "--json"]).ok().json()
    };
    let first = next("1");
    let delivery = first["deliveries"][0]["delivery"].as_str().expect("an id").to_owned();
    group(&server, &["extend", "g", &delivery]).ok();
    group(&server, &["park", "g", &delivery, "--reason", "poison"]).ok();
    let listed = group(&server, &["parked", "g"]).ok().stdout;
    assert!(listed.contains("poison") && listed.contains("k:1"), "{listed}");
    let second = next("9");
    assert_eq!(second["deliveries"][0]["event"]["position"], 3);
    let other = second["deliveries"][0]["delivery"].as_str().expect("an id").to_owned();
    group(&server, &["ack", "g", &other]).ok();
    group(&server, &["ack", "g", &other]).exits(4).says(&[&other]);
    group(&server, &["requeue", "g", "--position", "2"]).exits(4).says(&["no event is parked"]);
    group(&server, &["requeue", "g", "--key", "k:1"]).ok();
    let again = next("9")["deliveries"][0]["delivery"].as_str().expect("an id").to_owned();
    group(&server, &["nack", "g", &again, "--after", "0"]).ok();
    let again = next("9")["deliveries"][0]["delivery"].as_str().expect("an id").to_owned();
    group(&server, &["park", "g", &again]).ok();
    group(&server, &["skip", "g", "--all"]).ok();
    assert_eq!(next("9")["deliveries"][0]["event"]["position"], 2);
    for verb in ["pause", "resume"] {
        group(&server, &[verb, "g"]).ok();
    }
    group(&server, &["set", "g", "--attempts-max", "3"]).ok();
    group(&server, &["reset", "g", "--to", "now"]).ok();
    let shown = group(&server, &["show", "g"]).ok().stdout;
    assert!(shown.contains("active") && shown.contains("skipped"), "{shown}");
    assert!(group(&server, &["list"]).ok().stdout.contains("events behind"));
    group(&server, &["delete", "g"]).ok();
    group(&server, &["show", "g"]).exits(4).says(&["no group"]);
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let run: Run = command(["group", "list", "--url", "http://127.0.0.1:1"])
        .output()
        .expect("the binary runs")
        .into();
    run.exits(10).says(&["http://127.0.0.1:1", "--url"]);
}
