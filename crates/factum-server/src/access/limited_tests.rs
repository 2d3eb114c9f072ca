//! What a limited reader and writer get, compared with what they should: everything that is theirs,
//! and nothing that depends on what is hidden. Random, from a seed that is printed.

use std::sync::Arc;

use factum_store::{
    Append, AppendError, Condition, Direction, EventType, ExpectedRevision, IdempotencyKey, Ledger,
    NewEvent, Page, Position, Query, QueryItem, Read, RecordedEvent, RequestHash, Signal,
    StreamName, Subscribe, Tag, Timestamp, memory::MemoryLedger,
};
use futures_lite::{StreamExt, future::block_on};

use super::{Limited, Principal, Scope, Verb, YOUR_RIGHTS};

const TYPES: [&str; 4] = ["order.placed", "order.paid", "secret.told", "secret.kept"];
const TAGS: [&str; 4] = ["tenant:7", "tenant:8", "tenant:9", "order:1"];
/// Enough for several windows.
const EVENTS: usize = 9_000;

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn new(test: &str) -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos() as u64;
        let seed = std::env::var("FACTUM_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(now | 1);
        println!("{test}: run again with FACTUM_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn event(&mut self) -> NewEvent {
        let tags = (0..self.below(3)).map(|_| TAGS[self.below(4)]).collect::<Vec<_>>();
        let tags = tags.into_iter().map(|tag| Tag::new(tag).expect("a tag"));
        let data = self.below(100).to_string();
        NewEvent::new(event_type(TYPES[self.below(4)]), data).tagged(tags)
    }

    fn query(&mut self) -> Query {
        let items = (0..1 + self.below(2)).map(|_| {
            let types = (0..self.below(3)).map(|_| event_type(TYPES[self.below(4)])).collect();
            let tags = (0..self.below(2)).map(|_| Tag::new(TAGS[self.below(4)]).expect("a tag"));
            QueryItem { types, tags: tags.collect(), ..QueryItem::default() }
        });
        Query { items: items.collect() }
    }
}

fn event_type(name: &str) -> EventType {
    EventType::new(name).expect("a type")
}

fn principal(rights: &[&str]) -> Principal {
    let rights = rights.iter().map(|right| right.parse().expect("a right")).collect();
    Principal::new("p", rights)
}

fn limited(ledger: &Arc<dyn Ledger>, rights: &[&str]) -> Limited {
    let principal = principal(rights);
    Limited {
        ledger: Arc::clone(ledger),
        principal: principal.name().clone(),
        reads: Scope::of(&principal, Verb::Read, "l"),
        appends: Scope::of(&principal, Verb::Append, "l"),
        on_refusal: Box::new(|| {}),
    }
}

/// Rights that leave some events out; the first ones can be said in a query, the others can't.
const RIGHTS: [&[&str]; 6] = [
    &["read on l types order.placed,order.paid"],
    &["read on l tags tenant:7"],
    &["read on l types order.paid tags tenant:8", "read on l tags tenant:7,order:1"],
    &["read on l types order.*"],
    &["read on l tags tenant:*,order:1"],
    &["read on l types *.placed tags tenant:7", "read on l tags tenant:9"],
];

/// Two ledgers with the same events where they may be seen, and others where not.
fn twins(random: &mut Random, reads: &Scope, len: usize) -> [Arc<dyn Ledger>; 2] {
    let mut events = [Vec::new(), Vec::new()];
    for _ in 0..len {
        let event = random.event();
        let other = match reads.has(&event.event_type, &event.tags) {
            true => event.clone(),
            false => loop {
                let other = random.event();
                if !reads.has(&other.event_type, &other.tags) {
                    break other;
                }
            },
        };
        events[0].push(event);
        events[1].push(other);
    }
    events.map(|events| {
        let ledger = MemoryLedger::new();
        for batch in events.chunks(1_000) {
            block_on(ledger.append(Append::new(batch.to_vec()))).expect("appends");
        }
        Arc::new(ledger) as Arc<dyn Ledger>
    })
}

/// What there is of an event but its id and time, which two ledgers can't share.
fn content(event: &RecordedEvent) -> (Position, String) {
    let RecordedEvent { event_type, tags, data, .. } = event;
    (event.position, format!("{event_type} {tags:?} {data:?}"))
}

/// A page, as its reader sees it.
fn shape(page: &Page) -> String {
    let next = page.next.as_ref().map(|next| (next.after, next.up_to));
    let events: Vec<_> = page.events.iter().map(content).collect();
    format!("{events:?} {next:?} {}", page.head.position)
}

#[test]
fn pages_have_all_that_is_theirs_and_tell_nothing_of_the_rest() {
    let mut random = Random::new("pages");
    for rights in RIGHTS {
        let reads = Scope::of(&principal(rights), Verb::Read, "l");
        let [one, other] = twins(&mut random, &reads, EVENTS);
        let all = block_on(one.read(Read::new(Query::all()).limit(usize::MAX))).expect("reads");
        let (mine, theirs) = (limited(&one, rights), limited(&other, rights));
        for _ in 0..60 {
            let query = random.query();
            let after = Position(random.below(EVENTS + 2) as u64 * random.below(2) as u64);
            let up_to = match random.below(3) {
                0 => Position(random.below(EVENTS + 2) as u64),
                _ => Position::END,
            };
            let direction = [Direction::Forward, Direction::Backward][random.below(2)];
            let limit = [1, 7, 400, 5_000][random.below(4)];
            // Many small pages take long, and tell no more than some.
            let pages_max = if limit == 1 { 20 } else { usize::MAX };
            let mut next = Some(Read { query: query.clone(), after, up_to, direction, limit });
            let (mut found, mut pages) = (Vec::new(), 0);
            while let Some(read) = next.take().filter(|_| pages < pages_max) {
                assert_eq!(read.query, query);
                let page = block_on(mine.read(read.clone())).expect("reads");
                let twin = block_on(theirs.read(read)).expect("reads");
                assert_eq!(shape(&page), shape(&twin), "{rights:?} {query:?}");
                assert!(page.events.len() <= limit);
                found.extend(page.events);
                next = page.next;
                pages += 1;
            }
            let mut expected: Vec<_> = all
                .events
                .iter()
                .filter(|event| {
                    let within = event.position > after && event.position <= up_to;
                    within && query.matches(event) && reads.has(&event.event_type, &event.tags)
                })
                .cloned()
                .collect();
            if direction == Direction::Backward {
                expected.reverse();
            }
            if next.is_some() || pages == pages_max {
                expected.truncate(found.len());
            }
            assert_eq!(found, expected, "{rights:?} {query:?}");
        }
    }
}

#[test]
fn subscriptions_have_all_that_is_theirs_and_tell_nothing_of_the_rest() {
    let mut random = Random::new("subscriptions");
    for rights in RIGHTS {
        let reads = Scope::of(&principal(rights), Verb::Read, "l");
        let [one, other] = twins(&mut random, &reads, 1_200);
        for _ in 0..5 {
            let (query, after) = (random.query(), Position(random.below(1_300) as u64));
            let follow = |ledger: &Arc<dyn Ledger>| {
                let subscribe = Subscribe { query: query.clone(), after };
                let mut signals = limited(ledger, rights).subscribe(subscribe);
                let (mut found, mut said) = (Vec::new(), Vec::new());
                loop {
                    match block_on(signals.next()).expect("goes on").expect("can be read") {
                        Signal::Event(event) => {
                            said.push(format!("{:?}", content(&event)));
                            found.push(event.position);
                        }
                        Signal::Progress(position) => said.push(format!("up to {position}")),
                        Signal::CaughtUp(head) => {
                            said.push(format!("caught up at {}", head.position));
                            return (found, said);
                        }
                    }
                }
            };
            let ((found, said), (_, twin)) = (follow(&one), follow(&other));
            // A pattern that no query can say is followed as a whole: where there is progress, and
            // nothing more, is then told of the hidden events together.
            match reads.narrow(&query).exactly {
                true => assert_eq!(said, twin, "{rights:?} {query:?}"),
                false => {
                    let events = |said: &[String]| -> Vec<String> {
                        said.iter().filter(|text| !text.starts_with("up to")).cloned().collect()
                    };
                    assert_eq!(events(&said), events(&twin), "{rights:?} {query:?}");
                }
            }
            let all = block_on(one.read(Read::new(query).after(after).limit(usize::MAX)));
            let expected: Vec<_> = all
                .expect("reads")
                .events
                .iter()
                .filter(|event| reads.has(&event.event_type, &event.tags))
                .map(|event| event.position)
                .collect();
            assert_eq!(found, expected);
        }
    }
}

fn no_match(types: &[&str], tags: &[&str]) -> Condition {
    let types = types.iter().map(|name| event_type(name)).collect();
    let tags = tags.iter().map(|name| Tag::new(*name).expect("a tag")).collect();
    let query = QueryItem { types, tags, ..QueryItem::default() }.into();
    Condition::NoMatch { query, after: Position::START }
}

fn refused(result: Result<factum_store::Receipt, AppendError>) -> bool {
    matches!(result, Err(AppendError::Invalid(invalid)) if invalid.field == YOUR_RIGHTS)
}

#[test]
fn a_limited_writer_writes_what_is_theirs_and_asks_about_nothing_else() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let theirs = limited(&ledger, &["append,read on l types order.* tags tenant:7"]);
    let event = |name: &str, tags: &[&str]| {
        let tags = tags.iter().map(|tag| Tag::new(*tag).expect("a tag"));
        NewEvent::new(event_type(name), "1").tagged(tags)
    };
    let good = || event("order.placed", &["tenant:7"]);
    let append = |append: Append| block_on(theirs.append(append));
    append(Append::new([good()])).expect("is theirs");
    for bad in [
        event("secret.told", &["tenant:7"]),
        event("order.placed", &[]),
        event("order.placed", &["tenant:7", "tenant:8"]),
    ] {
        assert!(refused(append(Append::new([good(), bad]))));
    }
    let on_stream =
        |expected| Condition::Revision { stream: StreamName::new("s").expect("a name"), expected };
    for condition in [
        no_match(&[], &["tenant:7"]),
        no_match(&["order.paid"], &[]),
        no_match(&["order.paid", "secret.told"], &["tenant:7"]),
        no_match(&["order.paid"], &["tenant:8"]),
        on_stream(ExpectedRevision::None),
        on_stream(ExpectedRevision::Any),
    ] {
        assert!(refused(append(Append::new([good()]).when(condition.clone()))), "{condition}");
    }
    let theirs_alone = no_match(&["order.paid"], &["tenant:7", "order:1"]);
    append(Append::new([good()]).when(theirs_alone)).expect("is theirs to ask");
    let conflict = append(Append::new([good()]).when(no_match(&["order.placed"], &["tenant:7"])));
    assert!(matches!(conflict, Err(AppendError::Conflict(_))));
    assert_eq!(block_on(ledger.head()).expect("a head").position, Position(2));
}

#[test]
fn who_may_only_append_reads_nothing_by_other_ways() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let writer = limited(&ledger, &["append on l"]);
    let event = NewEvent::new(event_type("a"), "1");
    let receipt = block_on(writer.append(Append::new([event.clone()]))).expect("appends");
    let page = block_on(writer.read(Read::new(Query::everything()))).expect("reads");
    assert!(page.events.is_empty() && page.next.is_none());
    assert_eq!(block_on(writer.event(receipt.ids[0])).expect("reads"), None);
    let stream = StreamName::new("s").expect("a name");
    assert!(block_on(writer.stream(stream.clone())).is_err());
    assert!(refused(block_on(writer.append(Append::new([event]).when(no_match(&["a"], &[]))))));
    block_on(writer.position_at(Timestamp::default())).expect("a position");
    // A key is its owner's: another principal's is not looked up.
    let key = |principal: &str| IdempotencyKey {
        principal: principal.into(),
        operation: "append".into(),
        key: "k".into(),
        request: RequestHash([0; 32]),
    };
    let keyed = Append::new([NewEvent::new(event_type("a"), "1")]).keyed(key("q"));
    block_on(ledger.append(keyed)).expect("appends");
    assert_eq!(block_on(writer.receipt(key("q"))).expect("looks"), None);
    let keyed = Append::new([NewEvent::new(event_type("a"), "1")]).keyed(key("p"));
    block_on(ledger.append(keyed)).expect("appends");
    assert!(block_on(writer.receipt(key("p"))).expect("looks").is_some());
}

/// What retention hides of a stream is hidden from whoever asks for the stream by name, however they
/// are limited, by reading and by following.
#[test]
fn what_is_hidden_of_a_stream_is_hidden_from_limited_readers_of_it() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let stream = StreamName::new("s").expect("a name");
    let event = |n: usize| {
        let name = event_type(TYPES[n % 3]);
        NewEvent::new(name, n.to_string()).in_stream(stream.clone())
    };
    block_on(ledger.append(Append::new((0..9).map(event)))).expect("appends");
    let info = block_on(ledger.stream(stream.clone())).expect("is there");
    block_on(ledger.append(info.truncate(factum_store::Revision(4)).expect("can be")))
        .expect("appends");
    let whole = |query: &Query, ledger: &dyn Ledger| -> Vec<u64> {
        let page = block_on(ledger.read(Read::new(query.clone()))).expect("reads");
        page.events.iter().map(|event| event.position.0).collect()
    };
    for rights in [["read on l types order.*"], ["read on l types order.placed,order.paid"]] {
        let limited = limited(&ledger, &rights);
        let named = QueryItem::stream(stream.clone());
        let paid = QueryItem::types([event_type("order.paid")]);
        for (items, expected) in [
            (vec![named.clone()], vec![5, 7, 8]),
            // Who does not ask by the stream's name sees what is hidden of it until it is dropped.
            (vec![named, paid], vec![2, 5, 7, 8]),
        ] {
            let query = Query { items };
            assert_eq!(whole(&query, &limited), expected, "{rights:?} {query:?}");
            let after = Position::START;
            let mut signals = limited.subscribe(Subscribe { query, after });
            let mut told = Vec::new();
            while let Some(Ok(Signal::Event(event))) = block_on(signals.next()) {
                told.push(event.position.0);
            }
            assert_eq!(told, expected, "{rights:?}, following");
        }
    }
}
