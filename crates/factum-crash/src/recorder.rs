//! A block device whose every write and flush is logged: a file, behind QEMU's storage daemon,
//! behind a loop device.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::machine::{run, sparse_file};

/// A running recorder; it ends when it is dropped.
pub(crate) struct Recorder {
    daemon: Child,
    /// The loop device.
    pub(crate) device: PathBuf,
    pub(crate) log: PathBuf,
}

/// How long the daemon may take to offer its device.
const PATIENCE: Duration = Duration::from_secs(20);

impl Recorder {
    /// Starts one in a directory, for a disk of so many bytes.
    pub(crate) fn start(dir: &Path, bytes: u64) -> anyhow::Result<Self> {
        let (disk, log, offered) =
            (dir.join("disk.img"), dir.join("disk.log"), dir.join("disk.dev"));
        sparse_file(&disk, bytes)?;
        sparse_file(&log, 512)?;
        sparse_file(&offered, 0)?;
        let node = |name: &str, path: &Path| {
            format!("driver=file,node-name={name},filename={}", path.display())
        };
        let logged = "driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size=512";
        let export = format!(
            "type=fuse,id=offered,node-name=logged,mountpoint={},writable=on",
            offered.display()
        );
        let mut command = Command::new("qemu-storage-daemon");
        for node in [&node("disk", &disk), &node("log", &log), logged] {
            command.args(["--blockdev", node]);
        }
        command.args(["--export", &export]).stdin(Stdio::null());
        let daemon = command.spawn().context("starting qemu-storage-daemon")?;
        let mut recorder = Self { daemon, device: PathBuf::new(), log };
        recorder.wait_until_offered(&offered, bytes)?;
        let device = run("losetup", &["-f".as_ref(), "--show".as_ref(), offered.as_os_str()])?;
        recorder.device = device.into();
        Ok(recorder)
    }

    fn wait_until_offered(&mut self, offered: &Path, bytes: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        while std::fs::metadata(offered).map_or(0, |found| found.len()) != bytes {
            if let Some(ended) = self.daemon.try_wait()? {
                anyhow::bail!("qemu-storage-daemon ended at once ({ended})");
            }
            anyhow::ensure!(begun.elapsed() < PATIENCE, "qemu-storage-daemon offers nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends it: the log is whole.
    pub(crate) fn finish(mut self) -> anyhow::Result<PathBuf> {
        self.end();
        Ok(self.log.clone())
    }

    fn end(&mut self) {
        if self.device.starts_with("/dev") {
            let _ = run("losetup", &["-d".as_ref(), self.device.as_os_str()]);
            self.device = PathBuf::new();
        }
        // A daemon that is asked ends its export first, unlike one that is killed.
        let _ = run("kill", &[self.daemon.id().to_string()]);
        let _ = self.daemon.wait();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}
