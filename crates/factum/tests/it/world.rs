//! Applications to test, what is in them, and chances that can be repeated.

use std::sync::Arc;

use factum::{
    App, Domain, Fault, ViewRead,
    store::{
        Append, Ledger, NewEvent, Position, Query, Read, RecordedEvent,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use serde_json::Value;

use crate::bank::{Deposited, Opened, Withdrawn, account, domain};

/// Random numbers that follow from a seed.
pub(crate) struct Chance(u64);

impl Chance {
    /// A new seed each run, printed; `FACTUM_SEED` in the environment repeats one.
    pub(crate) fn new() -> Self {
        let given = std::env::var("FACTUM_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| uuid::Uuid::now_v7().as_u128() as u64);
        println!("to repeat: FACTUM_SEED={seed}");
        Self(seed)
    }

    /// From 0 to `below` - 1.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// An application in memory.
pub(crate) async fn in_memory() -> App {
    over(Arc::new(MemoryLedger::new())).await
}

/// An application over this ledger, its views in memory.
pub(crate) async fn over(ledger: Arc<dyn Ledger>) -> App {
    App::over(ledger, Arc::new(MemoryViewStore::new())).domain(domain()).await.unwrap()
}

/// The embedded application in a directory.
pub(crate) async fn embedded(dir: &tempfile::TempDir, domain: Domain) -> App {
    App::open(dir.path().to_str().unwrap()).domain(domain).await.unwrap()
}

/// All that is in a ledger; positions without gaps are checked on the way (G3).
pub(crate) async fn events(ledger: &dyn Ledger) -> Vec<RecordedEvent> {
    let (mut events, mut next) = (Vec::new(), Some(Read::new(Query::everything())));
    while let Some(read) = next {
        let page = ledger.read(read).await.unwrap();
        events.extend(page.events);
        next = page.next;
    }
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event.position, Position(position), "positions have no gaps");
    }
    events
}

/// The head of an application's ledger.
pub(crate) async fn head(app: &App) -> Position {
    app.ledger().head().await.unwrap().position
}

/// What `read` answers, as keys and JSON.
pub(crate) async fn rows(read: ViewRead) -> Result<Vec<(String, Value)>, Fault> {
    let answer = read.limit(10_000).await?;
    assert_eq!(answer.next, None, "all of it fits a page");
    let parse = |document: &[u8]| serde_json::from_slice(document).unwrap();
    Ok(answer.rows.into_iter().map(|row| (row.key, parse(&row.document))).collect())
}

/// Random deposits and withdrawals between random accounts, in batches of up to ten events.
pub(crate) async fn random_history(ledger: &dyn Ledger, chance: &mut Chance, events: usize) {
    let mut recorded = 0;
    while recorded < events {
        let batch: Vec<_> = (0..=chance.below(9)).map(|_| random_event(chance)).collect();
        recorded += batch.len();
        ledger.append(Append::new(batch)).await.unwrap();
    }
}

fn random_event(chance: &mut Chance) -> NewEvent {
    let account = account(1 + chance.below(20).into());
    let cents = 1 + chance.below(1_000) as i64;
    let event = match chance.below(10) {
        0 => factum::new_event(&Opened { account, owner: format!("owner {cents}") }),
        1..=5 => factum::new_event(&Deposited { account, cents }),
        _ => factum::new_event(&Withdrawn { account, cents }),
    };
    event.unwrap()
}
