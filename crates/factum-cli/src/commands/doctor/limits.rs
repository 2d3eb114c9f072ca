//! What the process may take: open files, memory, threads; by its own limits and by those of its
//! control group.

use std::{
    fs,
    path::{Path, PathBuf},
};

use factum_server::Config;
use rustix::process::{Resource, getrlimit};

use super::finding::{Finding, Look};
use crate::output::{bytes, grouped};

const FILES: Look = Look("limits", "open files");
const MEMORY: Look = Look("limits", "memory");
const THREADS: Look = Look("limits", "threads");

/// What a server keeps for everything but connections.
const FILES_KEPT: u64 = 256;
/// With fewer, ledgers and views alone can take them all.
const FILES_MIN: u64 = 1_024;
/// What a server at work needs beside what is being received.
const MEMORY_MIN: u64 = 128 << 20;
/// Threads of the runtime, of blocking work, of views and ledgers.
const THREADS_MIN: u64 = 128;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    // A server raises its own limit up to this.
    let files = getrlimit(Resource::Nofile).maximum;
    let read = |file: &Path| fs::read_to_string(file).ok();
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let least =
        |limit: Limit| limit.paths(&groups).iter().filter_map(|file| number(&read(file)?)).min();
    let process = getrlimit(Resource::As).current;
    let available = read(Path::new("/proc/meminfo")).and_then(|text| available(&text));
    let memory = [least(Limit::Memory), process, available].into_iter().flatten().min();
    let threads = [least(Limit::Threads), getrlimit(Resource::Nproc).current];
    vec![
        open_files(files, config.connections_max as u64),
        memory_of(memory, least(Limit::Memory), config.bodies_bytes_max as u64),
        threads_of(threads.into_iter().flatten().min()),
    ]
}

fn open_files(files: Option<u64>, connections: u64) -> Finding {
    let Some(files) = files else { return FILES.good("no limit") };
    let found = format!("{} at most", grouped(files));
    let wanted = connections + FILES_KEPT;
    let advice = format!("LimitNOFILE={wanted} in the unit, or ulimit -Hn {wanted}");
    match files {
        files if files < FILES_MIN => {
            FILES.bad(format!("{found}: ledgers and views alone can take them all"), advice)
        }
        files if files < wanted => FILES.warning(
            format!(
                "{found}: {} connections at a time, of the {} of connections_max",
                grouped(files - FILES_KEPT),
                grouped(connections)
            ),
            advice,
        ),
        _ => FILES.good(found),
    }
}

/// `least` is what there is under all limits, `group` the control group's own.
fn memory_of(least: Option<u64>, group: Option<u64>, bodies: u64) -> Finding {
    let Some(least) = least else {
        return MEMORY.warning("can't be found out", "mount /proc, to see it");
    };
    let of = group.map(|max| format!(" (the control group may have {})", bytes(max)));
    let found = format!("{} available{}", bytes(least), of.unwrap_or_default());
    let wanted = MEMORY_MIN + bodies;
    match least < wanted {
        true => MEMORY.warning(
            format!("{found}; bodies alone may take {}", bytes(bodies)),
            format!("give it {}, or a smaller bodies_bytes_max", bytes(wanted)),
        ),
        false => MEMORY.good(found),
    }
}

fn threads_of(threads: Option<u64>) -> Finding {
    match threads {
        None => THREADS.good("no limit"),
        Some(threads) if threads < THREADS_MIN => THREADS.bad(
            format!("{} at most", grouped(threads)),
            "TasksMax=512 in the unit, or ulimit -u 512",
        ),
        Some(threads) => THREADS.good(format!("{} at most", grouped(threads))),
    }
}

/// A limit of a control group.
#[derive(Clone, Copy)]
enum Limit {
    Memory,
    Threads,
}

impl Limit {
    /// The files that can hold it, of version 2 and 1, from the process's group up to the root.
    fn paths(self, groups: &str) -> Vec<PathBuf> {
        let (controller, v1, v2) = match self {
            Self::Memory => ("memory", "memory.limit_in_bytes", "memory.max"),
            Self::Threads => ("pids", "pids.max", "pids.max"),
        };
        let mut files = Vec::new();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let (root, name) = match controllers {
                "" => (PathBuf::from("/sys/fs/cgroup"), v2),
                all if all.split(',').any(|one| one == controller) => {
                    (Path::new("/sys/fs/cgroup").join(controller), v1)
                }
                _ => continue,
            };
            let group = Path::new(path.trim_start_matches('/'));
            files.extend(group.ancestors().map(|group| root.join(group).join(name)));
        }
        files
    }
}

/// A limit as the kernel writes it; no limit is `max`, and was a number too large to be meant.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|number| *number < 1 << 60)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Mark;

    #[test]
    fn too_few_files_are_bad_and_fewer_than_connections_are_told() {
        assert_eq!(open_files(Some(64), 8_192).mark, Mark::Bad);
        let few = open_files(Some(4_096), 8_192);
        assert_eq!(few.mark, Mark::Warning);
        assert!(few.found.contains("3,840 connections") && few.advice.contains("8448"), "{few:?}");
        assert_eq!(open_files(Some(8_448), 8_192).mark, Mark::Good);
        assert_eq!(open_files(None, 8_192).mark, Mark::Good);
    }

    #[test]
    fn the_limits_of_a_control_group_are_those_of_all_above_it() {
        let v2 = "0::/system.slice/factum.service\n";
        let files: Vec<_> = Limit::Memory.paths(v2);
        assert_eq!(files.len(), 3);
        assert!(files[0].ends_with("system.slice/factum.service/memory.max"), "{files:?}");
        let v1 = "8:pids:/a\n4:cpu,memory:/a\n";
        assert!(Limit::Threads.paths(v1)[0].ends_with("pids/a/pids.max"));
        assert!(Limit::Memory.paths(v1)[0].ends_with("memory/a/memory.limit_in_bytes"));
        assert_eq!((number("max\n"), number("9223372036854771712\n")), (None, None));
        assert_eq!(number("1048576\n"), Some(1 << 20));
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
    }

    #[test]
    fn little_memory_is_told_with_what_would_do() {
        let little = memory_of(Some(100 << 20), Some(100 << 20), 64 << 20);
        assert_eq!(little.mark, Mark::Warning);
        assert!(little.advice.contains("192"), "{little:?}");
        assert_eq!(memory_of(Some(1 << 30), None, 64 << 20).mark, Mark::Good);
    }
}
