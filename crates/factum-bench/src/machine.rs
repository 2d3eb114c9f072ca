//! What the figures were measured on, so that they mean something to a reader.

use std::{fs, path::Path, process::Command};

use serde::Serialize;

/// The machine and the disk.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
    /// What the floor was measured with.
    pub(crate) floor: String,
}

impl Machine {
    /// This machine, and the file system under a directory.
    pub(crate) fn under(dir: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib.unwrap_or_default() / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), dir),
            floor: match said_by(Command::new("fio").arg("--version")) {
                fio if fio.is_empty() => "a loop of this program's own; there is no fio".into(),
                fio => fio,
            },
        }
    }
}

/// The kind of the file system that a directory is on: of those mounted above it, the deepest.
fn file_system(mounts: &str, dir: &Path) -> String {
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounted.filter(|(place, _)| dir.starts_with(place));
    let deepest = above.max_by_key(|(place, _)| place.len());
    deepest.map(|(_, kind)| kind.to_owned()).unwrap_or_default()
}

/// The first line a program says; nothing when there is no such program.
pub(crate) fn said_by(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_above_a_directory_is_its_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\nnone /mnt tmpfs rw 0 0\n/dev/b /mnt/disk xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/mnt/disk/bench")), "xfs");
        assert_eq!(file_system(mounts, Path::new("/mnt/diskless")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/home")), "ext4");
    }
}
