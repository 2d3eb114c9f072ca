//! A random history, beside the oracle: the same answers, the same events.

use futures_lite::future::block_on;

use super::events::*;
use crate::{
    Append, AppendError, Condition, EventType, ExpectedRevision, Ledger, NewEvent, Position, Query,
    QueryItem, Read, Retention, Revision, StreamMetadata, StreamName, memory::MemoryLedger,
};

/// A step of xorshift64*.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8) % bound
    }

    fn append(&mut self, head: Position) -> Append {
        let events = (0..=self.below(3)).map(|_| {
            let name = ["a", "b", "c", "$own"][self.below(4) as usize];
            let tags: Vec<_> = (0..self.below(3)).map(|_| format!("t:{}", self.below(4))).collect();
            let tags: Vec<_> = tags.iter().map(String::as_str).collect();
            let event = event(name, &tags);
            match self.below(2) {
                0 => event,
                _ => event.in_stream(self.stream()),
            }
        });
        let mut append = Append::new(events.collect::<Vec<_>>());
        match self.below(40) {
            0 => append.events.push(event(EventType::TOMBSTONE, &[]).in_stream(self.stream())),
            1..9 => append.events.push(self.metadata()),
            _ => {}
        }
        for _ in 0..self.below(3) {
            append = append.when(self.condition(head));
        }
        if self.below(4) == 0 {
            let name = format!("k{}", self.below(12));
            append = append.keyed(key("", "append", &name, self.below(2) as u8));
        }
        append
    }

    fn stream(&mut self) -> StreamName {
        stream(&format!("s{}-{}", self.below(3), self.below(3)))
    }

    fn metadata(&mut self) -> NewEvent {
        let retention = match self.below(4) {
            0 => Retention { max_count: Some(1 + self.below(6)), ..Retention::default() },
            n => {
                let truncate_before = Some(Revision(self.below(12)));
                Retention { truncate_before, deleted: n == 1, ..Retention::default() }
            }
        };
        let event = StreamMetadata::keeping(retention).event(&self.stream());
        event.expect("a stream that can have metadata")
    }

    fn condition(&mut self, head: Position) -> Condition {
        if self.below(3) == 0 {
            let stream = self.stream();
            let expected = match self.below(4) {
                0 => ExpectedRevision::Any,
                1 => ExpectedRevision::None,
                2 => ExpectedRevision::Exists,
                _ => ExpectedRevision::Exactly(Revision(self.below(5))),
            };
            return Condition::Revision { stream, expected };
        }
        // Mostly just before the head, where decisions are made.
        let back = self.below(4).min(head.0);
        Condition::NoMatch { query: self.query(), after: Position(head.0 - back) }
    }

    fn query(&mut self) -> Query {
        let item = |chance: &mut Self| {
            let mut item = match chance.below(3) {
                0 => QueryItem::default(),
                _ => QueryItem::types([event_type(["a", "b", "$own"][chance.below(3) as usize])]),
            };
            item.tags =
                (0..chance.below(3)).map(|_| tag(&format!("t:{}", chance.below(4)))).collect();
            match chance.below(6) {
                0 => item.stream = Some(chance.stream()),
                1 => item.category = Some(stream(&format!("s{}-0", chance.below(2))).category()),
                2 => item.system = true,
                _ => {}
            }
            item
        };
        Query { items: (0..1 + self.below(2)).map(|_| item(self)).collect() }
    }
}

/// The same 300 requests to a fresh ledger and to the oracle.
pub(super) fn compare(ledger: &dyn Ledger, seed: u64) {
    let oracle = MemoryLedger::new();
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    for step in 0..300 {
        let what = format!("seed {seed}, step {step}");
        let request = chance.append(head(&oracle));
        let (ours, theirs) = (append(ledger, request.clone()), append(&oracle, request));
        match (&ours, &theirs) {
            (Ok(a), Ok(b)) => {
                assert_eq!((a.first, a.last, a.replayed), (b.first, b.last, b.replayed), "{what}");
            }
            (Err(AppendError::Conflict(a)), Err(AppendError::Conflict(b))) => {
                assert_eq!(a, b, "{what}");
            }
            (Err(a), Err(b)) => assert_eq!(a, b, "{what}"),
            _ => panic!("{what}: {ours:?}, and the oracle says {theirs:?}"),
        }
        if step % 10 == 0 {
            compare_reads(ledger, &oracle, &mut chance, &what);
        }
    }
}

fn compare_reads(ledger: &dyn Ledger, oracle: &MemoryLedger, chance: &mut Chance, what: &str) {
    let head = head(oracle).0 + 2;
    let (after, up_to) = (Position(chance.below(head)), Position(chance.below(head)));
    let limit = 1 + chance.below(9) as usize;
    let mut read = Read::new(chance.query()).after(after).up_to(up_to).limit(limit);
    if chance.below(2) == 0 {
        read = read.backward();
    }
    let parts = |event: crate::RecordedEvent| {
        (event.position, event.event_type, event.tags, event.stream, event.data)
    };
    let ours: Vec<_> = all(ledger, read.clone()).into_iter().map(parts).collect();
    let theirs: Vec<_> = all(oracle, read.clone()).into_iter().map(parts).collect();
    assert_eq!(ours, theirs, "{what}: {read:?}");
    assert_eq!(
        block_on(ledger.head()).map(|head| head.position),
        block_on(oracle.head()).map(|head| head.position)
    );
    let name = chance.stream();
    for name in [name.metadata_stream().expect("a short name"), name] {
        let theirs = block_on(oracle.stream(name.clone()));
        assert_eq!(block_on(ledger.stream(name)), theirs, "{what}");
    }
}
