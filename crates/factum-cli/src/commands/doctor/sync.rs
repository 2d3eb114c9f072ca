//! How fast the disk syncs: what a commit costs, and so how many there can be in a second.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use rustix::fs::{Mode, OFlags};

use super::{
    existing,
    finding::{Finding, Look},
};
use crate::output::grouped;

const SYNC: Look = Look("disk", "sync");

/// What is written before each sync.
const BLOCK: usize = 4 << 10;
/// Blocks that are written in turn; they are there before the first sync is measured, as the
/// engine's are.
const BLOCKS: u32 = 256;
/// Nobody waits longer for all of them.
const TIME_MAX: Duration = Duration::from_secs(5);

/// A commit that takes longer is felt by whoever waits for it.
const SLOW: Duration = Duration::from_millis(10);
/// The same, of one in a hundred.
const SLOW_P99: Duration = Duration::from_millis(100);
/// No disk that keeps its data through a power cut is faster.
const TOO_FAST: Duration = Duration::from_micros(5);

pub(super) fn look(dir: &Path, syncs: u32) -> Finding {
    match measure(&existing(dir), syncs) {
        Ok(took) => judged(took),
        Err(error) => SYNC.bad(format!("a write or a sync failed: {error}"), "look at the disk"),
    }
}

fn judged(mut took: Vec<Duration>) -> Finding {
    took.sort_unstable();
    let at = |part: usize| took.get((took.len() * part / 100).min(took.len() - 1)).copied();
    let (Some(median), Some(p99)) = (at(50), at(99)) else {
        return SYNC.warning("none was measured", "--syncs 400");
    };
    let a_second = (1.0 / median.as_secs_f64().max(1e-9)) as u64;
    let found = format!(
        "median {median:.0?}, p99 {p99:.0?} of {}: about {} commits a second; what comes at once \
         shares one",
        took.len(),
        grouped(a_second)
    );
    match () {
        () if median < TOO_FAST => SYNC.warning(
            format!("{found}; no disk is that fast"),
            "be sure that what is below honours a flush, or a power cut loses what was acknowledged",
        ),
        () if median > SLOW || p99 > SLOW_P99 => {
            SYNC.warning(found, "a faster disk, or one that nothing else writes to")
        }
        () => SYNC.good(found),
    }
}

/// How long each write and sync took.
fn measure(dir: &Path, syncs: u32) -> io::Result<Vec<Duration>> {
    let file = nameless(dir)?;
    let block = [0xA5; BLOCK];
    let place = |n: u32| u64::from(n % BLOCKS) * BLOCK as u64;
    for n in 0..BLOCKS {
        file.write_all_at(&block, place(n))?;
    }
    file.sync_all()?;
    let begun = Instant::now();
    let mut took = Vec::with_capacity(syncs as usize);
    for n in 0..syncs {
        let one = Instant::now();
        file.write_all_at(&block, place(n))?;
        file.sync_data()?;
        took.push(one.elapsed());
        if begun.elapsed() > TIME_MAX {
            break;
        }
    }
    Ok(took)
}

/// A file without a name: it is gone when this process is, however it ends.
pub(super) fn nameless(dir: &Path) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(file) => return Ok(file.into()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
        }
        Err(error) => return Err(error.into()),
    }
    // A file system that knows none, such as NFS: the name is taken back at once.
    let path = dir.join(format!(".factum-doctor-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Mark;

    fn mark(median: Duration, slowest: Duration) -> Mark {
        let mut took = vec![median; 97];
        took.extend([slowest; 3]);
        judged(took).mark
    }

    #[test]
    fn slow_syncs_and_syncs_that_are_none_are_told() {
        let (quick, slow) = (Duration::from_micros(90), Duration::from_millis(20));
        assert_eq!(mark(quick, quick), Mark::Good);
        assert_eq!(mark(slow, slow), Mark::Warning);
        assert_eq!(mark(quick, Duration::from_millis(200)), Mark::Warning);
        assert_eq!(mark(Duration::from_nanos(800), quick), Mark::Warning);
        assert!(judged(vec![quick; 10]).found.contains("11,111 commits a second"));
    }

    #[test]
    fn what_is_measured_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(measure(dir.path(), 20).expect("it can be written").len(), 20);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }
}
