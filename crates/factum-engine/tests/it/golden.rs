//! The golden directory: files that this version of the format was given once, and that every later
//! version must read. They are never written again; a format that changes gets a directory of its
//! own beside them.
//!
//! `FACTUM_GOLDEN=<missing directory>` makes this test write such a directory instead.

use std::{fs, path::Path};

use factum_engine::{Compact, DataDir, EngineLedger, Options, machine::SimulatedMachine};
use factum_store::{
    Append, ContentType, Envelope, EventId, Ledger, NewEvent, Query, QueryItem, Read, Revision,
    Schema, Timestamp,
};
use futures_lite::future::block_on;

use crate::ledger::{all_of, batch, everything};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
const EXPECTED: &str = "EXPECTED";

fn options(options: Options) -> Options {
    Options { segment_bytes_max: 6_000, write_ahead_bytes: 4 << 10, background: false, ..options }
}

/// An event that has everything an event can have.
fn full() -> NewEvent {
    let text = |text: &str| Some(text.into());
    let envelope = Envelope {
        schema: Some(Schema { name: "order.placed".into(), version: 3 }),
        actor: text("ann"),
        correlation_id: text("c-1"),
        causation_ids: vec![EventId(uuid::Uuid::from_u128(5)), EventId(uuid::Uuid::from_u128(6))],
        command_id: text("cmd-1"),
        trace: text("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    };
    NewEvent {
        id: Some(EventId(uuid::Uuid::from_u128(77))),
        metadata: r#"{"a":1}"#.into(),
        content_type: ContentType::Other("text/plain".into()),
        envelope,
        ..NewEvent::new("full".parse().unwrap(), "payload")
            .tagged(["a:1".parse().unwrap(), "b:2".parse().unwrap()])
            .in_stream("full-1".parse().unwrap())
    }
}

/// Two ledgers: one as it was appended, one whose closed segments were compacted and compressed.
fn write(data_dir: &DataDir) {
    for name in ["plain", "packed"] {
        let ledger = data_dir.create_ledger(name).unwrap();
        ledger.append_blocking(Append::new([full()])).unwrap();
        (0..40).for_each(|n| drop(ledger.append_blocking(batch(n)).unwrap()));
        for n in 0..10 {
            let event = NewEvent::new("counted".parse().unwrap(), format!("{{\"n\":{n}}}"));
            let event = event.in_stream("short-1".parse().unwrap());
            ledger.append_blocking(Append::new([event])).unwrap();
        }
        if name == "packed" {
            let info = block_on(ledger.stream("short-1".parse().unwrap())).unwrap();
            ledger.append_blocking(info.truncate(Revision(8)).unwrap()).unwrap();
            (40..70).for_each(|n| drop(ledger.append_blocking(batch(n)).unwrap()));
            let compact = Compact { compress: true, ..Compact::default() };
            let done =
                ledger.compact(compact, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
            assert!(done.dropped > 0 && done.rewritten > 1, "{done:?}");
        }
    }
}

/// Everything that a reader can see, a line for each event.
fn told(data_dir: &DataDir) -> String {
    let ledgers = data_dir.ledgers().unwrap();
    let ledger = |name: &String| {
        let ledger = data_dir.ledger(name).unwrap();
        let events = everything(&ledger).into_iter().map(|event| format!("{event:?}\n"));
        format!("{name}\n{}{}", events.collect::<String>(), answers(&ledger))
    };
    ledgers.iter().map(ledger).collect()
}

/// What is looked up, not scanned for.
fn answers(ledger: &EngineLedger) -> String {
    let by = |item: QueryItem| {
        let events = all_of(ledger, Read::new(item.into())).unwrap();
        events.iter().map(|event| event.position.0).collect::<Vec<_>>()
    };
    let own = block_on(ledger.event(EventId(uuid::Uuid::from_u128(77)))).unwrap();
    let key = batch(7).key.unwrap();
    format!(
        "tag {:?}\ntype {:?}\nstream {:?}\nown id {:?}\nkey {:?}\ntime {:?}\n",
        by(QueryItem::tags(["a:1".parse().unwrap()])),
        by(QueryItem::types(["counted".parse().unwrap()])),
        by(QueryItem::stream("short-1".parse().unwrap())),
        own.map(|event| event.position),
        block_on(ledger.receipt(key)).unwrap().map(|receipt| (receipt.first, receipt.ids)),
        block_on(ledger.position_at(Timestamp::from_micros(1_000_050))).unwrap(),
    )
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// Writes a golden directory: on a machine whose clock and chance are always the same.
fn make(to: &Path) {
    assert!(!to.exists(), "{} is there already; golden files are never changed", to.display());
    let machine = SimulatedMachine::new(1);
    let dir = Path::new("/golden");
    write(&DataDir::open(dir, options(Options::on(machine.clone()))).unwrap());
    for path in machine.paths() {
        let to = to.join(path.strip_prefix(dir).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let mut bytes = Vec::new();
        machine.damage(&path, |content| bytes = content.clone());
        fs::write(to, bytes).unwrap();
    }
    let read = DataDir::open_read_only(to, options(Options::default())).unwrap();
    fs::write(to.join(EXPECTED), told(&read)).unwrap();
}

/// Index files of version 1 had no filter: they are built again.
#[test]
fn what_version_1_wrote_is_read_and_written_on() {
    if let Some(to) = std::env::var_os("FACTUM_GOLDEN") {
        return make(Path::new(&to));
    }
    is_read_and_written_on("v1");
}

#[test]
fn what_version_2_of_the_index_wrote_is_read_and_written_on() {
    is_read_and_written_on("v2");
}

fn is_read_and_written_on(version: &str) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("copy");
    copy(&Path::new(GOLDEN).join(version), &dir);
    let expected = fs::read_to_string(dir.join(EXPECTED)).unwrap();
    let read_only = DataDir::open_read_only(&dir, options(Options::default())).unwrap();
    assert_eq!(told(&read_only), expected, "read only");
    let data_dir = DataDir::open(&dir, options(Options::default())).unwrap();
    assert_eq!(told(&data_dir), expected);
    for name in data_dir.ledgers().unwrap() {
        let ledger = data_dir.ledger(&name).unwrap();
        assert_eq!(ledger.verify(&mut |_, _| {}).unwrap().damage, [], "{name}");
        let head = block_on(ledger.head()).unwrap().position;
        assert!(ledger.append_blocking(batch(7)).unwrap().replayed, "{name}");
        let receipt = ledger.append_blocking(batch(1_000)).unwrap();
        assert_eq!(receipt.first, head.next(), "{name}");
        let seen = block_on(ledger.read(Read::new(Query::everything()).limit(1))).unwrap();
        assert_eq!(seen.events.len(), 1);
    }
}
