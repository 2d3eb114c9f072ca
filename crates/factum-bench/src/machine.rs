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
            file_system: said_by(Command::new("stat").args(["-f", "-c", "%T"]).arg(dir)),
            floor: match said_by(Command::new("fio").arg("--version")) {
                fio if fio.is_empty() => "a loop of this program's own; there is no fio".into(),
                fio => fio,
            },
        }
    }
}

/// The first line a program says; nothing when there is no such program.
pub(crate) fn said_by(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().trim().to_owned()
}
