//! How much room a ledger takes before and after its closed segments are compressed, and what
//! reading them costs then: the events of a ledger, several times over.
//!
//! `cargo run --release -p factum-engine --example packing -- DIR LEDGER COPIES`

use std::{ops::ControlFlow, path::Path, time::Instant};

use factum_engine::{Compact, DataDir, EngineError, EngineLedger, Options};
use factum_store::{Append, Ledger, NewEvent, Query, QueryItem, Read};
use futures_lite::future::block_on;

type Failure = Box<dyn std::error::Error>;

/// A page at a time, which is appended as a batch.
const PAGE: usize = 1_000;

fn main() -> Result<(), Failure> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [dir, name, copies] = args.as_slice() else {
        return Err("usage: packing DIR LEDGER COPIES".into());
    };
    let source = DataDir::open_read_only(Path::new(dir), Options::default())?.ledger(name)?;
    let copy = tempfile::tempdir_in(".")?;
    let ledger = DataDir::open(copy.path(), Options::default())?.create_ledger("l")?;
    let mut encoded = 0;
    for number in 0..copies.parse()? {
        encoded += append_copy(&source, &ledger, number)?;
    }
    println!("{} events, {} of content", block_on(ledger.head())?.position, mib(encoded));
    sizes(&ledger, "as they were written")?;
    reads(&ledger, "as they were written")?;
    let started = Instant::now();
    let compress = Compact { compress: true, ..Compact::default() };
    let done = ledger.compact(compress, &mut |_| ControlFlow::Continue(()))?;
    let seconds = started.elapsed().as_secs_f64();
    println!("compressed {} segments in {seconds:.1} s", done.rewritten);
    sizes(&ledger, "compressed")?;
    reads(&ledger, "compressed")?;
    Ok(())
}

/// Appends every event again, in streams and with tags of this copy. Says how many bytes of text
/// and data that were.
fn append_copy(source: &EngineLedger, to: &EngineLedger, copy: u64) -> Result<u64, Failure> {
    let (mut encoded, mut next) = (0, Some(Read::new(Query::everything()).limit(PAGE)));
    while let Some(read) = next {
        let page = block_on(source.read(read))?;
        next = page.next;
        let mut batch = Vec::new();
        for event in page.events {
            let stream = event.stream.map(|place| format!("{}-{copy}", place.name));
            let tags = event.tags.iter().map(|tag| format!("{tag}-{copy}").parse());
            let tags = tags.collect::<Result<Vec<_>, _>>()?;
            encoded += event.data.len() + event.metadata.len() + event.event_type.as_str().len();
            encoded += tags.iter().map(|tag: &factum_store::Tag| tag.as_str().len()).sum::<usize>();
            encoded += stream.as_ref().map_or(0, String::len);
            let mut new = NewEvent::new(event.event_type, event.data).tagged(tags);
            (new.metadata, new.envelope) = (event.metadata, event.envelope);
            new.stream = stream.map(|name| name.parse()).transpose()?;
            batch.push(new);
        }
        // Small batches, as applications append them.
        for events in batch.chunks(4) {
            to.append_blocking(Append::new(events.iter().cloned()))?;
        }
    }
    Ok(encoded as u64)
}

fn sizes(ledger: &EngineLedger, what: &str) -> Result<(), EngineError> {
    let closed: Vec<_> = ledger.inspect()?.segments;
    let closed: Vec<_> = closed.iter().filter(|one| one.index_bytes.is_some()).collect();
    let log: u64 = closed.iter().map(|segment| segment.bytes).sum();
    let index: u64 = closed.iter().filter_map(|segment| segment.index_bytes).sum();
    println!("{what}: {} in segments, {} in indexes", mib(log), mib(index));
    Ok(())
}

fn reads(ledger: &EngineLedger, what: &str) -> Result<(), Failure> {
    let started = Instant::now();
    let (mut events, mut next) = (0, Some(Read::new(Query::everything()).limit(10_000)));
    while let Some(read) = next {
        let page = block_on(ledger.read(read))?;
        events += page.events.len();
        next = page.next;
    }
    let scan = events as f64 / started.elapsed().as_secs_f64();
    let page = block_on(ledger.read(Read::new(Query::all()).limit(2_000)))?;
    let tags: Vec<_> = page.events.iter().filter_map(|event| event.tags.first().cloned()).collect();
    let started = Instant::now();
    for tag in &tags {
        block_on(ledger.read(Read::new(QueryItem::tags([tag.clone()]).into()).limit(1)))?;
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / tags.len().max(1) as f64;
    println!("{what}: {scan:.0} events/s read through, {micros:.1} µs for one by its tag");
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}
