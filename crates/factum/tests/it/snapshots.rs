//! Snapshots of folds: they save reading, and are never believed more than the ledger (G8).

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use factum::{
    prelude::*,
    store::{
        Append, Position,
        memory::{MemoryLedger, MemoryViewStore},
    },
};

use crate::{bank::*, ports::TwistedLedger, world::*, wrappers::Odd};

type Counted = Arc<TwistedLedger<Odd>>;

async fn counted(ledger: &Arc<MemoryLedger>, dir: &Path) -> (App, Counted) {
    let odd = Odd::default().over(ledger.clone());
    let app = App::over(odd.clone(), Arc::new(MemoryViewStore::new()));
    (app.domain(documents()).snapshots(dir).await.unwrap(), odd)
}

/// The state, and how many events were read for it.
async fn read(app: &App, odd: &Counted) -> (i64, u64) {
    let before = odd.twist.read.load(Ordering::SeqCst);
    let state = app.get::<Account>(account(0)).await.unwrap();
    (state.cents, odd.twist.read.load(Ordering::SeqCst) - before)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let inside = std::fs::read_dir(dir)
        .unwrap()
        .flat_map(|sub| std::fs::read_dir(sub.unwrap().path()).unwrap());
    inside.map(|file| file.unwrap().path()).collect()
}

async fn busy_account(payments: u64) -> Arc<MemoryLedger> {
    let (app, ledger) = in_memory().await;
    fund(&app, 2, 1_000).await;
    for _ in 0..payments {
        app.run(pay(0, 1, 1)).await.unwrap();
    }
    ledger
}

#[tokio::test]
async fn g8_a_snapshot_and_its_tail_are_the_full_fold() {
    let ledger = busy_account(factum::SNAPSHOT_EVERY + 10).await;
    let dir = tempfile::tempdir().unwrap();
    let (app, odd) = counted(&ledger, dir.path()).await;
    let (cents, full) = read(&app, &odd).await;
    assert!(full > factum::SNAPSHOT_EVERY);
    assert_eq!(read(&app, &odd).await, (cents, 1), "the snapshot's own last event, as its proof");
    app.run(pay(0, 1, 7)).await.unwrap();
    assert_eq!(read(&app, &odd).await, (cents - 7, 2));
    let past = app.get::<Account>(account(0)).as_of(Position(6)).await.unwrap();
    assert_eq!(past.cents, 1_000, "a snapshot of later is of no use for the past");
    assert_eq!(read(&app, &odd).await, (cents - 7, 2), "and the past replaces none of later");
}

#[tokio::test]
async fn a_snapshot_that_is_damaged_foreign_or_gone_is_as_good_as_none() {
    let ledger = busy_account(factum::SNAPSHOT_EVERY + 10).await;
    let dir = tempfile::tempdir().unwrap();
    let (app, odd) = counted(&ledger, dir.path()).await;
    let (cents, full) = read(&app, &odd).await;
    let file = files(dir.path()).pop().unwrap();
    let whole = std::fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        std::fs::write(&file, damaged).unwrap();
        assert_eq!(read(&app, &odd).await, (cents, full), "byte {at}");
    }
    std::fs::write(&file, &whole[..40]).unwrap();
    assert_eq!(read(&app, &odd).await, (cents, full));
    std::fs::remove_dir_all(dir.path()).unwrap();
    assert_eq!(read(&app, &odd).await, (cents, full));
    // The same directory for another ledger, whose events have other ids.
    let other = busy_account(factum::SNAPSHOT_EVERY + 20).await;
    let (app, odd) = counted(&other, dir.path()).await;
    let truth = in_memory_state(&other).await;
    assert_eq!(read(&app, &odd).await.0, truth);
}

async fn in_memory_state(ledger: &Arc<MemoryLedger>) -> i64 {
    let app = over(ledger.clone(), Arc::new(MemoryViewStore::new()), documents()).await;
    app.get::<Account>(account(0)).await.unwrap().cents
}

mod counting {
    use serde::{Deserialize, Serialize};

    use super::*;

    /// Another fold of the same name.
    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Account {
        pub(super) open: bool,
        pub(super) cents: i64,
    }

    #[fold(by = AccountId, snapshot)]
    impl Account {
        fn withdrawn(&mut self, _: &Withdrawn) {
            self.cents += 1;
        }
    }
}

#[tokio::test]
async fn g8_a_snapshot_of_other_code_is_not_used() {
    let ledger = busy_account(factum::SNAPSHOT_EVERY + 10).await;
    let dir = tempfile::tempdir().unwrap();
    let (app, odd) = counted(&ledger, dir.path()).await;
    let whole = read(&app, &odd).await;
    let count = async || app.get::<counting::Account>(account(0)).await.unwrap().cents as u64;
    let payments = factum::SNAPSHOT_EVERY + 10;
    assert_eq!(count().await, payments);
    // Not even under the other's file name: the fingerprint is inside too.
    let [a, b] = <[PathBuf; 2]>::try_from(files(dir.path())).unwrap();
    let (in_a, in_b) = (std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    std::fs::write(a, in_b).unwrap();
    std::fs::write(b, in_a).unwrap();
    assert_eq!((read(&app, &odd).await, count().await), (whole, payments));
}

#[tokio::test]
async fn g8_a_snapshot_of_another_ledger_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let deposits = factum::SNAPSHOT_EVERY + 10;
    for cents in [2, 3, 5] {
        let (app, odd) = counted(&Arc::new(MemoryLedger::new()), dir.path()).await;
        let batch = (0..deposits).map(|_| deposit(0, cents));
        app.ledger().append(Append::new(batch)).await.unwrap();
        let whole = cents * deposits as i64;
        assert_eq!(read(&app, &odd).await.0, whole);
        assert_eq!(read(&app, &odd).await, (whole, 1), "its own is kept instead");
    }
    // In this one that account has nothing.
    let (app, odd) = counted(&Arc::new(MemoryLedger::new()), dir.path()).await;
    let batch = (0..deposits).map(|_| deposit(1, 1));
    app.ledger().append(Append::new(batch)).await.unwrap();
    assert_eq!(read(&app, &odd).await.0, 0);
}

#[tokio::test]
async fn the_past_does_not_replace_a_newer_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let (app, odd) = counted(&Arc::new(MemoryLedger::new()), dir.path()).await;
    let deposits = factum::SNAPSHOT_EVERY + 10;
    let batch = (0..deposits).map(|_| deposit(0, 1));
    app.ledger().append(Append::new(batch)).await.unwrap();
    read(&app, &odd).await;
    // Long enough ago to be worth a snapshot of its own.
    let past = Position(factum::SNAPSHOT_EVERY);
    let then = app.get::<Account>(account(0)).as_of(past).await.unwrap();
    assert_eq!(then.cents as u64, factum::SNAPSHOT_EVERY);
    assert_eq!(read(&app, &odd).await, (deposits as i64, 1));
}

#[tokio::test]
async fn g8_every_moment_is_the_same_with_and_without_snapshots() {
    let (dir, ledger) = (tempfile::tempdir().unwrap(), Arc::new(MemoryLedger::new()));
    let (kept, odd) = counted(&ledger, dir.path()).await;
    let plain = over(odd.clone(), Arc::new(MemoryViewStore::new()), documents()).await;
    let mut chance = chance();
    for _ in 0..30 {
        random_history(&*odd, &mut chance, 250).await;
        let head = head(&plain).await.0;
        for p in [head, chance.below(head), chance.below(head)].map(Position) {
            let id = account(chance.below(3));
            let a = kept.get::<Account>(id.clone()).as_of(p).await.unwrap();
            let b = plain.get::<Account>(id).as_of(p).await.unwrap();
            assert_eq!((a.open, a.cents, a.position()), (b.open, b.cents, b.position()));
        }
    }
    assert!(!files(dir.path()).is_empty());
}

#[tokio::test]
async fn a_directory_that_cant_be_written_costs_time_only() {
    let ledger = busy_account(factum::SNAPSHOT_EVERY + 10).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("no directory");
    std::fs::write(&file, "").unwrap();
    let (app, odd) = counted(&ledger, &file).await;
    assert_eq!(read(&app, &odd).await, read(&app, &odd).await);
}

#[tokio::test]
async fn g8_a_fold_by_its_name_is_the_same_at_every_moment() {
    let ledger = busy_account(factum::SNAPSHOT_EVERY + 10).await;
    let dir = tempfile::tempdir().unwrap();
    let (app, _) = counted(&ledger, dir.path()).await;
    let fold = app.fold("account").unwrap();
    assert_eq!(fold.model().by, ["account"]);
    let key = account(0).to_string();
    let first = fold.get(&key).await.unwrap();
    assert!(first.snapshot.is_none() && first.replayed > factum::SNAPSHOT_EVERY);
    let head = first.seen.position;
    for position in (0..=head.0).step_by(50).chain([head.0]).map(Position) {
        let named = fold.get(&key).as_of(position).await.unwrap();
        let typed = app.get::<Account>(account(0)).as_of(position).await.unwrap();
        assert_eq!(named.seen.position, position);
        let state: serde_json::Value = serde_json::from_slice(&named.state).unwrap();
        assert_eq!(state, serde_json::to_value(&*typed).unwrap(), "at {position}");
        assert!(named.snapshot.is_none_or(|snapshot| snapshot <= position), "at {position}");
    }
    let again = fold.get(&key).await.unwrap();
    assert_eq!((again.state, again.replayed), (first.state, 0), "the snapshot is all of it");
    let refused = fold.get(&key).as_of(Position(200)).replay_max(10).await.unwrap_err();
    assert!(matches!(refused, factum::Fault::Unavailable(_)), "{refused}");
    let refused = fold.get("").await.unwrap_err();
    assert!(matches!(refused, factum::Fault::Invalid(_)), "{refused}");
    assert!(matches!(app.fold("none"), Err(factum::Fault::Unknown { what: "fold", .. })));
}
