//! What is asked of the operating system by its own programs: file systems in a file, loop devices,
//! and the cut.
//!
//! The cut is one `ioctl`, which no safe crate offers; a line of perl or python makes it, so that
//! this workspace stays without `unsafe`.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

/// This machine does not permit it.
#[derive(Debug)]
pub(crate) struct PassedOver(pub(crate) String);

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for PassedOver {}

/// A step without which nothing can be tested here.
pub(crate) trait Needed<T> {
    fn needed(self, what: &str) -> anyhow::Result<T>;
}

impl<T> Needed<T> for anyhow::Result<T> {
    fn needed(self, what: &str) -> Self {
        self.map_err(|error| PassedOver(format!("{what}: {error:#}")).into())
    }
}

/// Runs a program to its end; an error with what it said when it fails.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> anyhow::Result<String> {
    let output =
        Command::new(program).args(args).output().with_context(|| format!("starting {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    anyhow::ensure!(output.status.success(), "{program}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// What most servers have.
    Ext4,
    /// What many databases are put on.
    Xfs,
}

impl Kind {
    /// Makes an empty file system on a device or in a file.
    pub(crate) fn make(self, on: &Path) -> anyhow::Result<()> {
        let on = on.as_os_str();
        match self {
            Self::Ext4 => run(
                "mkfs.ext4",
                &["-q".as_ref(), "-F".as_ref(), "-E".as_ref(), "nodiscard".as_ref(), on],
            )?,
            Self::Xfs => run("mkfs.xfs", &["-q".as_ref(), "-f".as_ref(), "-K".as_ref(), on])?,
        };
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// XFS refuses to be smaller than 300 MiB.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Ext4 => 128 << 20,
            Self::Xfs => 320 << 20,
        }
    }
}

/// A mounted file system; it is unmounted in the end, whatever happens.
pub(crate) struct Mounted {
    pub(crate) at: PathBuf,
}

impl Mounted {
    /// Mounts a file, by a loop device, or a device.
    pub(crate) fn new(kind: Kind, what: &Path, at: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at)?;
        let options = if what.starts_with("/dev") { "noatime" } else { "loop,noatime" };
        let args = [
            "-t".as_ref(),
            kind.name().as_ref(),
            "-o".as_ref(),
            options.as_ref(),
            what.as_os_str(),
            at.as_os_str(),
        ];
        run("mount", &args)?;
        Ok(Self { at: at.to_owned() })
    }

    /// The power is cut: from now on nothing reaches the disk, its journal included.
    pub(crate) fn cut(&self) -> anyhow::Result<()> {
        // FS_IOC_SHUTDOWN with the flag NOLOGFLUSH, the same for both file systems.
        const PERL: &str = "open F, '<', $ARGV[0] or die $!; my $f = pack 'L', 2; \
                            ioctl F, 0x8004587d, $f or die $!";
        const PYTHON: &str = "import fcntl, os, struct, sys; \
                              fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
        let at = self.at.as_os_str();
        let by_perl = run("perl", &["-e".as_ref(), PERL.as_ref(), at]);
        match by_perl {
            Ok(_) => Ok(()),
            Err(perl) => match run("python3", &["-c".as_ref(), PYTHON.as_ref(), at]) {
                Ok(_) => Ok(()),
                Err(python) => anyhow::bail!("{perl:#}; {python:#}"),
            },
        }
    }

    /// Unmounts it, once whoever used it is gone.
    pub(crate) fn unmount(self) -> anyhow::Result<()> {
        for _ in 0..100 {
            if run("umount", &[&self.at]).is_ok() {
                std::mem::forget(self);
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        anyhow::bail!("{} can't be unmounted", self.at.display())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = run("umount", &["-l".as_ref(), self.at.as_os_str()]);
    }
}

/// A file of zeros that takes no room until it is written.
pub(crate) fn sparse_file(path: &Path, bytes: u64) -> anyhow::Result<()> {
    let file = std::fs::File::create(path).with_context(|| format!("making {}", path.display()))?;
    Ok(file.set_len(bytes)?)
}
