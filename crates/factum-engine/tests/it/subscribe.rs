//! Subscriptions against the oracle, while events are appended, and when the disk fails (G3, G6).

use std::{
    pin::pin,
    task::{Context, Poll},
};

use factum_engine::{
    Options,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{
    Append, Ledger, NewEvent, Position, Query, QueryItem, Read, ReadError, Signal, Subscribe,
    memory::MemoryLedger,
};
use futures_lite::{Stream, StreamExt, future::block_on};
use proptest::prelude::*;

use crate::random::{fill, open, read_all, small_segments, some_batches, some_query};

/// Everything that a subscription says until it has caught up with `head`.
fn until(
    subscription: &mut (impl Stream<Item = Result<Signal, ReadError>> + Unpin),
    head: Position,
) -> Vec<Signal> {
    let mut said = Vec::new();
    loop {
        let signal = block_on(subscription.next()).unwrap().unwrap();
        let done = matches!(&signal, Signal::CaughtUp(at) if at.position == head);
        said.push(signal);
        if done {
            return said;
        }
    }
}

fn positions(said: &[Signal]) -> Vec<Position> {
    let events = said.iter().filter_map(|signal| match signal {
        Signal::Event(event) => Some(event.position),
        _ => None,
    });
    events.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn g6_a_subscription_says_what_the_oracle_says(
        batches in some_batches(),
        later in some_batches(),
        query in some_query(),
        after in 0_u64..60,
    ) {
        let machine = SimulatedMachine::new(1);
        let (oracle, options) = (MemoryLedger::new(), small_segments(&machine));
        let (_data_dir, ledger) = open(&options);
        let subscribe = Subscribe { query, after: Position(after) };
        let mut mine = ledger.subscribe(subscribe.clone());
        let mut theirs = oracle.subscribe(subscribe);
        let count = batches.len();
        for batches in [batches, later] {
            let fresh = batches.into_iter().map(|mut events| {
                events.iter_mut().for_each(|event| event.id = None);
                events
            });
            fill_without_keys(&ledger, &oracle, fresh.collect());
            let head = block_on(oracle.head()).unwrap().position;
            prop_assert_eq!(until(&mut mine, head), until(&mut theirs, head), "{} batches", count);
        }
    }
}

/// As `fill`, for ledgers that are not empty.
fn fill_without_keys(ledger: &dyn Ledger, oracle: &MemoryLedger, batches: Vec<Vec<NewEvent>>) {
    for events in batches {
        let mut append = Append::new(events);
        let receipt = block_on(ledger.append(append.clone())).unwrap();
        for (event, id) in append.events.iter_mut().zip(&receipt.ids) {
            event.id = Some(*id);
        }
        oracle.set_time(receipt.recorded_at);
        assert_eq!(block_on(oracle.append(append)), Ok(receipt));
    }
}

/// G6: while others append, a subscription yields each matching event once, in order.
fn each_once_in_order(options: &Options) -> Result<(), String> {
    const BATCHES: u64 = 150;
    let (_data_dir, ledger) = open(options);
    let query: Query = QueryItem::types(["even".parse().unwrap()]).into();
    let all = 2 * BATCHES * 3;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..BATCHES {
                    let types = ["even", "odd", "even"].map(|name| name.parse().unwrap());
                    let events = types.map(|event_type| NewEvent::new(event_type, "{}"));
                    ledger.append_blocking(Append::new(events)).unwrap();
                }
            });
        }
        let follow = || {
            let subscribe = Subscribe { query: query.clone(), after: Position::START };
            let mut subscription = ledger.subscribe(subscribe);
            let mut seen = Vec::new();
            loop {
                match block_on(subscription.next()).unwrap().unwrap() {
                    Signal::Event(event) => seen.push(event.position),
                    Signal::CaughtUp(head) if head.position.0 == all => return Ok(seen),
                    _ => {}
                }
                // A cursor that stands would go on for ever.
                if seen.len() as u64 > all {
                    return Err(format!("more than {all} events: {:?} …", &seen[..9]));
                }
            }
        };
        let followers: Vec<_> = (0..3).map(|_| scope.spawn(follow)).collect();
        let seen: Vec<_> = followers.into_iter().map(|f| f.join().unwrap()).collect();
        let expected = read_all(&ledger, &Read::new(query.clone()));
        let expected: Vec<_> = expected.iter().map(|event| event.position).collect();
        for seen in seen {
            if seen? != expected || expected.len() as u64 != all / 3 * 2 {
                return Err("an event is missing, repeated or out of order".into());
            }
        }
        Ok(())
    })
}

#[test]
fn g6_each_event_once_in_order_while_others_append() {
    let machine = SimulatedMachine::new(1);
    each_once_in_order(&Options { background: true, ..small_segments(&machine) }).unwrap();
}

#[test]
fn g6_progress_is_reported_although_nothing_matches() {
    let machine = SimulatedMachine::new(1);
    let (_data_dir, ledger) = open(&Options::on(machine.clone()));
    let event = NewEvent::new("noise".parse().unwrap(), "{}");
    for _ in 0..5 {
        ledger.append_blocking(Append::new(vec![event.clone(); 4_000])).unwrap();
    }
    let query: Query = QueryItem::types(["signal".parse().unwrap()]).into();
    let mut subscription = ledger.subscribe(Subscribe { query, after: Position::START });
    let said = until(&mut subscription, Position(20_000));
    let progress: Vec<_> = said.iter().filter(|s| matches!(s, Signal::Progress(_))).collect();
    assert_eq!((progress.len(), said.len()), (4, 5), "{said:?}");
    // What was looked at is not looked at again.
    let before = machine.reads();
    ledger.append_blocking(Append::new([event])).unwrap();
    until(&mut subscription, Position(20_001));
    assert!(machine.reads().calls - before.calls <= 2, "only the new event is looked at");
}

#[test]
fn g6_catching_up_over_many_events_skips_and_repeats_none() {
    let machine = SimulatedMachine::new(1);
    let options = Options { segment_bytes_max: 200 << 10, ..small_segments(&machine) };
    let (_data_dir, ledger) = open(&options);
    // More than is kept ready, and more system events in a row than are looked at in one go.
    let types = |first: usize| {
        (first..first + 1_000).map(|n| match n {
            3_000..9_000 => "$noise",
            _ if n.is_multiple_of(2) => "even",
            _ => "odd",
        })
    };
    for first in (0..12_000).step_by(1_000) {
        let events = types(first).map(|name| NewEvent::new(name.parse().unwrap(), "{}"));
        ledger.append_blocking(Append::new(events)).unwrap();
    }
    let all = (0..12_000).step_by(1_000).flat_map(types).zip(1..);
    let all: Vec<_> = all.map(|(name, position)| (name, Position(position))).collect();
    for (query, names) in [
        (Query::all(), &["even", "odd"][..]),
        (QueryItem::types(["odd".parse().unwrap()]).into(), &["odd"]),
        (Query::everything(), &["even", "odd", "$noise"]),
    ] {
        let expected = all.iter().filter(|(name, _)| names.contains(name));
        let expected: Vec<_> = expected.map(|(_, position)| *position).collect();
        let mut subscription =
            ledger.subscribe(Subscribe { query: query.clone(), after: Position::START });
        let said = until(&mut subscription, Position(12_000));
        assert_eq!(positions(&said), expected, "{query:?}");
    }
}

/// G3: nothing is shown before it is durable, and what failed to become durable never is.
fn nothing_before_it_is_durable(
    options: &Options,
    machine: &SimulatedMachine,
) -> Result<(), String> {
    let (_data_dir, ledger) = open(options);
    let event = || Append::new([NewEvent::new("a".parse().unwrap(), "{}")]);
    ledger.append_blocking(event()).unwrap();
    let subscribe = Subscribe { query: Query::all(), after: Position::START };
    let mut subscription = pin!(ledger.subscribe(subscribe));
    assert_eq!(positions(&until(&mut subscription, Position(1))), [Position(1)]);
    machine.set_faults(Faults { failing_sync: Some(1), sticky: true, ..Faults::default() });
    ledger.append_blocking(event()).unwrap_err();
    let waker = std::task::Waker::noop();
    let next = subscription.as_mut().poll_next(&mut Context::from_waker(waker));
    let Poll::Ready(Some(Err(ReadError::Unavailable(_)))) = next else {
        return Err(format!("the subscription says {next:?}"));
    };
    let shown = block_on(ledger.read(Read::new(Query::all()))).map(|page| page.events.len());
    if shown.as_ref().is_ok_and(|shown| *shown > 1) { Err(format!("{shown:?}")) } else { Ok(()) }
}

#[test]
fn g3_nothing_is_shown_before_it_is_durable() {
    let machine = SimulatedMachine::new(1);
    nothing_before_it_is_durable(&small_segments(&machine), &machine).unwrap();
}

#[test]
fn fill_and_subscribe_from_the_middle() {
    let machine = SimulatedMachine::new(1);
    let (_data_dir, ledger) = open(&small_segments(&machine));
    let oracle = MemoryLedger::new();
    let event = NewEvent::new("a".parse().unwrap(), "{}");
    fill(&ledger, &oracle, vec![vec![event; 3]; 20]);
    let mut subscription = ledger.subscribe(Subscribe { query: Query::all(), after: Position(57) });
    let said = until(&mut subscription, Position(60));
    assert_eq!(positions(&said), [58, 59, 60].map(Position));
    // From beyond the head: only what comes after that is yielded.
    let mut subscription = ledger.subscribe(Subscribe { query: Query::all(), after: Position(61) });
    let event = || NewEvent::new("a".parse().unwrap(), "{}");
    ledger.append_blocking(Append::new([event(), event()])).unwrap();
    assert_eq!(positions(&until(&mut subscription, Position(62))), [Position(62)]);
}

/// The tests above notice when what they look for is broken.
#[cfg(feature = "sabotage")]
mod sabotaged {
    use factum_engine::Sabotage;

    use super::*;

    #[test]
    fn g6_a_cursor_that_stands_is_noticed() {
        let options = small_segments(&SimulatedMachine::new(1));
        let options = Options { sabotage: Some(Sabotage::CursorStands), ..options };
        each_once_in_order(&options).unwrap_err();
    }

    #[test]
    fn g3_an_event_that_is_shown_before_it_is_durable_is_noticed() {
        let machine = SimulatedMachine::new(1);
        let sabotage = Some(Sabotage::ShownBeforeDurable);
        let options = Options { sabotage, ..small_segments(&machine) };
        nothing_before_it_is_durable(&options, &machine).unwrap_err();
    }
}
