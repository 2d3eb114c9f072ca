//! The load: commands, appends, reads, those who follow, and those who follow slowly, over HTTP and
//! gRPC. Each checks what it is answered; anything but the documented "busy" is a fault.

use std::{
    io::Read as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use factum_client::{Client, RemoteLedger};
use factum_store::{
    Append, AppendError, EventType, Ledger as _, NewEvent, Query, QueryItem, Read, Signal,
    Subscribe, Tag,
};
use futures_lite::{StreamExt as _, future::block_on};
use serde_json::{Value, json};

use super::{judge::Row, web::Web};

/// The ledger that is appended to, read and followed. Commands are those of the order system.
pub(super) const LEDGER: &str = "load";
const COMMAND: &str = "POST /v1/ledgers/retail/commands/list_product";
/// Events of a page.
const PAGE: u64 = 100;
/// How long who sends commands or appends thinks before the next.
const THINKS: Duration = Duration::from_millis(5);
/// What a slow reader takes at a time, and how long it waits before the next.
const SLOW_BYTES: usize = 2 << 10;
const SLOW_STEP: Duration = Duration::from_millis(100);
/// Faults that are kept to be shown.
const FAULTS_SHOWN: usize = 8;

/// What everybody of the load shares.
pub(super) struct Load {
    pub(super) address: String,
    over: AtomicBool,
    /// Since the last row of the table.
    now: Counts,
    /// Events that were acknowledged in all.
    pub(super) recorded: AtomicU64,
    took: Mutex<Vec<u32>>,
    faults: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Counts {
    appends: AtomicU64,
    reads: AtomicU64,
    followed: AtomicU64,
    busy: AtomicU64,
    reopened: AtomicU64,
}

impl Load {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            over: AtomicBool::new(false),
            now: Counts::default(),
            recorded: AtomicU64::new(0),
            took: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Relaxed);
    }

    pub(super) fn reopened(&self) {
        self.now.reopened.fetch_add(1, Relaxed);
    }

    /// What was counted since the last row; what is seen from outside is for others to add.
    pub(super) fn row(&self) -> Row {
        let taken = |count: &AtomicU64| count.swap(0, Relaxed);
        let took = std::mem::take(&mut *self.took.lock().unwrap_or_else(PoisonError::into_inner));
        Row {
            took,
            appends: taken(&self.now.appends),
            reads: taken(&self.now.reads),
            followed: taken(&self.now.followed),
            busy: taken(&self.now.busy),
            reopened: taken(&self.now.reopened),
            ..Row::default()
        }
    }

    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does a kind of work until it is over or fails.
    pub(super) fn work(&self, what: &str, work: impl FnOnce(&Self) -> anyhow::Result<()>) {
        let Err(error) = work(self) else { return };
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < FAULTS_SHOWN {
            faults.push(format!("{what}: {error:#}"));
        }
    }

    /// Whether an answer is a "yes"; a documented "not now" is counted.
    fn accepted(&self, status: u16, body: &[u8]) -> anyhow::Result<bool> {
        if status == 429 {
            self.now.busy.fetch_add(1, Relaxed);
            std::thread::sleep(THINKS);
            return Ok(false);
        }
        ensure!((200..300).contains(&status), "{status}: {}", String::from_utf8_lossy(body));
        Ok(true)
    }

    fn appended(&self) {
        self.now.appends.fetch_add(1, Relaxed);
        self.recorded.fetch_add(1, Relaxed);
    }

    /// Commands, timed.
    pub(super) fn commands(&self, who: &str) -> anyhow::Result<()> {
        let mut web = Web::connect(&self.address)?;
        for number in 0_u64.. {
            if self.is_over() {
                break;
            }
            let product_id = format!("{who}-{number}");
            let listed = json!({ "product_id": product_id, "name": "a lamp", "variants": {} });
            let body = json!({ "listed": listed }).to_string();
            let begun = Instant::now();
            let answer = web.ask(COMMAND, &body)?;
            if self.accepted(answer.status, &answer.body)? {
                let took = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
                self.took.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            }
            std::thread::sleep(THINKS);
        }
        Ok(())
    }

    /// Appends over HTTP.
    pub(super) fn appends(&self) -> anyhow::Result<()> {
        let mut web = Web::connect(&self.address)?;
        let data = "x".repeat(200);
        for number in 0_u64.. {
            if self.is_over() {
                break;
            }
            let event = json!({ "type": "noted", "tags": [tag(number)], "data": data });
            let body = json!({ "events": [event] }).to_string();
            let answer = web.ask(&format!("POST /v1/ledgers/{LEDGER}/events"), &body)?;
            if self.accepted(answer.status, &answer.body)? {
                self.appended();
            }
            std::thread::sleep(THINKS);
        }
        Ok(())
    }

    /// Appends one more, whoever has ended.
    pub(super) fn append_one(&self) -> anyhow::Result<()> {
        let body = json!({ "events": [{ "type": "noted", "data": "the last" }] }).to_string();
        let append = format!("POST /v1/ledgers/{LEDGER}/events");
        let answer = Web::connect(&self.address)?.ask(&append, &body)?;
        ensure!(answer.status == 200, "{}", String::from_utf8_lossy(&answer.body));
        self.recorded.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Appends over gRPC.
    pub(super) fn remote_appends(&self) -> anyhow::Result<()> {
        let ledger = self.remote()?;
        for number in 0_u64.. {
            if self.is_over() {
                break;
            }
            let event = NewEvent::new(EventType::new("noted")?, "\"over gRPC\"");
            let append = Append::new([event.tagged([Tag::new(tag(number))?])]);
            match block_on(ledger.append(append)) {
                Ok(_) => self.appended(),
                Err(error) => self.busy_or(error)?,
            }
            std::thread::sleep(THINKS);
        }
        Ok(())
    }

    /// The client says "unavailable" for a server that is busy.
    fn busy_or(&self, error: AppendError) -> anyhow::Result<()> {
        match &error {
            AppendError::Unavailable(why) if why.contains("as many") => {
                self.now.busy.fetch_add(1, Relaxed);
                Ok(())
            }
            _ => Err(error.into()),
        }
    }

    /// Reads without a pause, over HTTP: pages from anywhere, pages of a tag, rows of a view.
    pub(super) fn reads(&self, seed: u64) -> anyhow::Result<()> {
        let mut web = Web::connect(&self.address)?;
        let mut random = fastrand::Rng::with_seed(seed);
        let events = format!("GET /v1/ledgers/{LEDGER}/events?limit={PAGE}");
        while !self.is_over() {
            let what = match random.u8(..4) {
                0 => format!("{events}&tag={}", tag(random.u64(..))),
                1 => "GET /v1/ledgers/retail/views/products?limit=50".to_owned(),
                2 => format!("{events}&direction=backward"),
                _ => format!("{events}&after={}", random.u64(..=self.recorded.load(Relaxed))),
            };
            let answer = web.ask(&what, "").with_context(|| what.clone())?;
            if self.accepted(answer.status, &answer.body).with_context(|| what)? {
                self.now.reads.fetch_add(1, Relaxed);
            }
        }
        Ok(())
    }

    /// The same over gRPC.
    pub(super) fn remote_reads(&self, seed: u64) -> anyhow::Result<()> {
        let ledger = self.remote()?;
        let mut random = fastrand::Rng::with_seed(seed);
        while !self.is_over() {
            let wanted = Tag::new(tag(random.u64(..)))?;
            let query = Query::from(QueryItem::tags([wanted.clone()]));
            let page = block_on(ledger.read(Read::new(query).limit(PAGE as usize)))?;
            let right = page.events.iter().all(|event| event.tags.contains(&wanted));
            ensure!(right, "an event without the tag that was asked for");
            self.now.reads.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// Follows over HTTP, and sees that no position is missing.
    pub(super) fn follows(&self) -> anyhow::Result<()> {
        let mut web = Web::connect(&self.address)?;
        let mut last = self.head()?;
        web.follow(&format!("/v1/ledgers/{LEDGER}/events?after={last}"))?;
        let mut is_event = false;
        while !self.is_over() {
            let line = web.line()?;
            match line.split_once(": ") {
                Some(("event", kind)) => {
                    ensure!(
                        kind != "problem",
                        "a stream ended with {}, {}",
                        web.line()?,
                        web.line()?
                    );
                    is_event = kind == "event";
                }
                Some(("id", id)) if is_event => {
                    let id: u64 = id.parse()?;
                    ensure!(id == last + 1, "G6: after {last} comes {id}");
                    last = id;
                    self.now.followed.fetch_add(1, Relaxed);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The same over gRPC.
    pub(super) fn remote_follows(&self) -> anyhow::Result<()> {
        let ledger = self.remote()?;
        let mut last = block_on(ledger.head())?.position;
        let mut signals = ledger.subscribe(Subscribe { query: Query::all(), after: last });
        while !self.is_over() {
            let signal = block_on(signals.next()).context("a subscription ended")??;
            if let Signal::Event(event) = signal {
                ensure!(event.position == last.next(), "G6: after {last} comes {}", event.position);
                last = event.position;
                self.now.followed.fetch_add(1, Relaxed);
            }
        }
        Ok(())
    }

    /// Follows everything from the beginning, and takes it bit by bit.
    pub(super) fn follows_slowly(&self) -> anyhow::Result<()> {
        let mut bytes = vec![0; SLOW_BYTES];
        while !self.is_over() {
            let mut web = Web::connect(&self.address)?;
            web.follow(&format!("/v1/ledgers/{LEDGER}/events"))?;
            while !self.is_over() {
                // When it has caught up there is something now and then.
                if web.stream.read(&mut bytes)? == 0 {
                    self.reopened();
                    break;
                }
                std::thread::sleep(SLOW_STEP);
            }
        }
        Ok(())
    }

    fn remote(&self) -> anyhow::Result<RemoteLedger> {
        let client = block_on(Client::to(format!("http://{}", self.address)).connect())?;
        Ok(client.ledger(LEDGER))
    }

    /// The position of the last event.
    pub(super) fn head(&self) -> anyhow::Result<u64> {
        let mut web = Web::connect(&self.address)?;
        let answer = web.ask(&format!("GET /v1/ledgers/{LEDGER}"), "")?;
        let ledger: Value = serde_json::from_slice(&answer.body)?;
        ledger["head"]["position"].as_u64().context("a ledger without a head")
    }
}

fn tag(number: u64) -> String {
    format!("n:{}", number % 500)
}
