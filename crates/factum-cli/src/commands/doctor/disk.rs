//! The disk below the data directory: its room, and whether its file system keeps what it is given
//! (G2).

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    existing,
    finding::{Finding, Look},
};
use crate::output::bytes;

const SPACE: Look = Look("disk", "space");
const INODES: Look = Look("disk", "files");
const KIND: Look = Look("disk", "file system");

/// With less room than this many times what makes the server unready, it is time to look.
const SPACE_COMFORT: u64 = 8;
/// Files that a ledger can be expected to make for some time.
const INODES_MIN: u64 = 10_000;

pub(super) fn look(dir: &Path, free_min: u64) -> Vec<Finding> {
    let dir = existing(dir);
    let mut findings = match rustix::fs::statvfs(&dir) {
        Ok(found) => {
            let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
            let mut findings = vec![space(bytes(found.f_bavail), bytes(found.f_blocks), free_min)];
            // Some file systems have no number of files.
            if found.f_files > 0 && found.f_favail < INODES_MIN {
                let left = format!("{} more files can be made", found.f_favail);
                findings.push(INODES.warning(left, "delete small files, or take another disk"));
            }
            findings
        }
        Err(error) => vec![SPACE.bad(format!("can't be found out: {error}"), "look at the disk")],
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    findings.extend(Mount::of(&dir, &mounts).map(|mount| mount.judged()));
    findings
}

fn space(free: u64, all: u64, free_min: u64) -> Finding {
    let found = format!("{} free of {}", bytes(free), bytes(all));
    let least = bytes(free_min);
    match free {
        _ if all < free_min => SPACE.bad(
            format!("{found}; the server wants {least} free and will never be ready"),
            "a larger disk, or a smaller disk_free_bytes_min",
        ),
        _ if free < free_min => SPACE.bad(
            format!("{found}; below {least} the server is not ready"),
            "make room, or a smaller disk_free_bytes_min",
        ),
        _ if free / SPACE_COMFORT < free_min => {
            SPACE.warning(found, format!("make room before it is {least}"))
        }
        _ => SPACE.good(found),
    }
}

/// What is mounted where the data are.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    kind: String,
    source: String,
    options: Vec<String>,
}

impl Mount {
    /// The mount that a directory is in: the one with the longest path, of several the last.
    fn of(dir: &Path, mountinfo: &str) -> Option<Self> {
        let mounts = mountinfo.lines().filter_map(Self::parsed);
        mounts
            .filter(|mount| dir.starts_with(&mount.at))
            .max_by_key(|mount| mount.at.as_os_str().len())
    }

    /// `36 35 98:0 /root /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue`
    fn parsed(line: &str) -> Option<Self> {
        let (about, of) = line.split_once(" - ")?;
        let mut about = about.split(' ').skip(4);
        let at = PathBuf::from(unescaped(about.next()?));
        let options = about.next()?;
        let mut of = of.split(' ');
        let (kind, source) = (of.next()?.to_owned(), of.next()?.to_owned());
        let options =
            options.split(',').chain(of.next().into_iter().flat_map(|all| all.split(',')));
        Some(Self { at, kind, source, options: options.map(str::to_owned).collect() })
    }

    fn says(&self, option: &str) -> bool {
        self.options.iter().any(|said| said == option)
    }

    fn judged(&self) -> Finding {
        let found = format!("{} ({} on {})", self.kind, self.source, self.at.display());
        if self.says("ro") {
            return KIND.bad(format!("{found}, read-only"), "mount it so that it can be written");
        }
        if self.says("nobarrier") || self.says("barrier=0") {
            let lost =
                format!("{found}, without barriers: a power cut loses what was acknowledged");
            return KIND.bad(lost, "mount it without nobarrier and barrier=0");
        }
        match self.kind.as_str() {
            "tmpfs" | "ramfs" | "devtmpfs" => KIND.bad(
                format!("{found}: memory; everything is lost when the machine ends"),
                "--dir on a disk",
            ),
            "overlay" | "overlayfs" | "aufs" => KIND.warning(
                format!("{found}: a container's own layer; it is gone with the container"),
                "a volume for the data directory",
            ),
            kind if is_remote(kind) => KIND.warning(
                format!("{found}: over the network; locks and syncs are as good as that server's"),
                "a local disk; or be sure that it syncs, and that no other machine writes there",
            ),
            _ => KIND.good(found),
        }
    }
}

fn is_remote(kind: &str) -> bool {
    const REMOTE: [&str; 14] = [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "virtiofs",
        "ceph",
        "glusterfs",
        "lustre",
        "afs",
        "beegfs",
        "gfs2",
        "ocfs2",
    ];
    REMOTE.contains(&kind) || kind.starts_with("fuse.")
}

/// Mount points have their spaces and backslashes as octal numbers.
fn unescaped(path: &str) -> String {
    let known = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    known.iter().fold(path.to_owned(), |path, (code, text)| path.replace(code, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Mark;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
23 22 0:21 / /tmp rw - tmpfs tmpfs rw,size=1024k
24 22 0:30 / /data rw - nfs4 files:/export rw,vers=4.2
25 22 8:1 / /fast rw,nobarrier - xfs /dev/sda1 rw
26 22 8:2 / /with\\040space rw - btrfs /dev/sdb rw
27 22 8:3 / /old ro,relatime - ext4 /dev/sdc ro
28 22 0:31 / /box rw - overlay overlay rw,lowerdir=/a
";

    fn judged(dir: &str) -> (Mark, String) {
        let mount = Mount::of(Path::new(dir), MOUNTS).expect("is in a mount");
        let finding = mount.judged();
        (finding.mark, finding.found)
    }

    #[test]
    fn g2_a_file_system_that_keeps_nothing_is_bad() {
        assert_eq!(judged("/var/lib"), (Mark::Good, "ext4 (/dev/vda on /)".into()));
        assert_eq!(judged("/with space/x").0, Mark::Good);
        assert_eq!(judged("/data/factum").0, Mark::Warning);
        assert_eq!(judged("/box").0, Mark::Warning);
        for bad in ["/tmp/x", "/fast", "/old"] {
            assert_eq!(judged(bad).0, Mark::Bad, "{bad}");
        }
        assert_eq!(judged("/tmpdir").0, Mark::Good, "/tmpdir is not in /tmp");
    }

    #[test]
    fn room_is_judged_by_what_makes_the_server_unready() {
        let mark = |free, all| space(free, all, 100).mark;
        assert_eq!(mark(99, 1_000), Mark::Bad);
        assert_eq!(mark(100, 1_000), Mark::Warning);
        assert_eq!(mark(800, 1_000), Mark::Good);
        assert!(space(50, 90, 100).found.contains("never be ready"));
    }
}
