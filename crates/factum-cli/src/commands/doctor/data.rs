//! The data directory: whether it can be written, who else may read it, whether this program can
//! read what is in it, and whether the clock is behind what was recorded.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use factum::Store;

use super::{
    existing,
    finding::{Finding, Look},
    sync::nameless,
};
use crate::{failure::Failure, open, output::count};

const WRITABLE: Look = Look("data", "writable");
const OWNER: Look = Look("data", "owner");
const OTHERS: Look = Look("data", "others");
const LEDGERS: Look = Look("data", "ledgers");
const NEWEST: Look = Look("clock", "newest event");

/// What the group and all others may do, of a file's mode.
const OF_OTHERS: u32 = 0o077;
/// Clocks differ by as much.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// And whether it can be written.
pub(super) async fn look(dir: &Path) -> (Vec<Finding>, bool) {
    let writable = writable(dir);
    let can = writable.mark < super::Mark::Bad;
    let mut findings = vec![writable];
    if let Ok(about) = fs::metadata(dir)
        && about.is_dir()
    {
        findings.extend(owner(about.uid(), rustix::process::geteuid().as_raw()));
        findings.push(others(about.mode(), dir));
        let empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
        if !empty {
            findings.extend(content(dir).await);
        }
    }
    (findings, can)
}

fn writable(dir: &Path) -> Finding {
    let shown = dir.display();
    let place = existing(dir);
    let there = dir.is_dir();
    if !there && fs::symlink_metadata(dir).is_ok() {
        return WRITABLE.bad(format!("{shown} is not a directory"), "another --dir");
    }
    match (nameless(&place), there) {
        (Ok(_), true) => WRITABLE.good(format!("{shown}")),
        (Ok(_), false) => WRITABLE.good(format!("{shown} is not there yet, and can be made")),
        (Err(error), _) => {
            let advice = match error.kind() {
                ErrorKind::PermissionDenied => "run it as the user it belongs to, or chown it",
                ErrorKind::ReadOnlyFilesystem => "a place that is not mounted read-only",
                _ => "another --dir",
            };
            WRITABLE.bad(format!("{} can't be written: {error}", place.display()), advice)
        }
    }
}

fn owner(owner: u32, user: u32) -> Option<Finding> {
    let found = format!("it belongs to user {owner}, and this is user {user}");
    (owner != user)
        .then(|| OWNER.warning(found, "run as its owner: what is made now, the owner may not open"))
}

fn others(mode: u32, dir: &Path) -> Finding {
    let found = format!("mode {:03o}", mode & 0o777);
    match mode & OF_OTHERS {
        0 => OTHERS.good(format!("{found}: for its owner alone")),
        _ => OTHERS.warning(
            format!("{found}: other users of this machine may look at what is recorded"),
            format!("chmod 700 {}", dir.display()),
        ),
    }
}

/// What is in it, as it is: nothing is opened to be written.
async fn content(dir: &Path) -> Vec<Finding> {
    match ledgers(dir).await {
        Ok((ledgers, newest)) => {
            let mut findings = vec![LEDGERS.good(count(ledgers, "ledger"))];
            findings.extend(newest.map(|newest| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                age(newest, now)
            }));
            findings
        }
        Err(Failure { what, hint, .. }) => vec![LEDGERS.bad(what, hint)],
    }
}

/// How many ledgers there are, and when the newest event was recorded, after 1970.
async fn ledgers(dir: &Path) -> Result<(u64, Option<Duration>), Failure> {
    let store: Store = open::store_as_it_is(dir)?;
    let names = store.ledgers().map_err(open::failure)?;
    let mut newest = None;
    for name in &names {
        let head = open::ledger(&store, name)?.head().await.map_err(open::read_failure)?;
        if head.position.0 > 0 {
            newest = newest.max(Some(Duration::from_micros(head.recorded_at.micros)));
        }
    }
    Ok((names.len() as u64, newest))
}

fn age(newest: Duration, now: Duration) -> Finding {
    let ahead = newest.saturating_sub(now);
    match ahead > AHEAD_MAX {
        true => NEWEST.bad(
            format!("recorded {} s from now: the clock was set back", ahead.as_secs()),
            "set the clock; until it is there, new events all carry that time",
        ),
        false => NEWEST.good(format!("recorded {} s ago", (now.saturating_sub(newest)).as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Mark;

    #[test]
    fn who_else_may_read_is_told() {
        assert_eq!(others(0o40700, Path::new("x")).mark, Mark::Good);
        for open in [0o40750, 0o40755, 0o40701] {
            assert_eq!(others(open, Path::new("x")).mark, Mark::Warning);
        }
        assert!(owner(0, 0).is_none());
        assert_eq!(owner(1_000, 0).map(|finding| finding.mark), Some(Mark::Warning));
    }

    #[test]
    fn a_clock_behind_what_was_recorded_is_bad() {
        let now = Duration::from_secs(1_800_000_000);
        assert_eq!(age(now - Duration::from_secs(5), now).found, "recorded 5 s ago");
        assert_eq!(age(now + Duration::from_secs(30), now).mark, Mark::Good);
        assert_eq!(age(now + Duration::from_secs(3_600), now).mark, Mark::Bad);
    }
}
