//! Where a test works: a directory for what is crashed, another for the witness.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

/// Where to work.
#[derive(Args, Clone, Debug)]
pub(crate) struct Places {
    /// Where ledgers are made; the directory for temporary files unless it is named.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where the witness is kept: another file system, if there is one.
    #[arg(long, value_name = "DIR")]
    witness: Option<PathBuf>,
}

/// Two directories of this process's own.
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) witness: PathBuf,
}

/// A file system of its own on nearly every Linux.
const SHARED_MEMORY: &str = "/dev/shm";

impl Places {
    pub(crate) fn make(&self, test: &str) -> anyhow::Result<Home> {
        let name = format!("factum-crash-{test}-{}", std::process::id());
        let elsewhere = Path::new(SHARED_MEMORY);
        let elsewhere =
            if elsewhere.is_dir() { elsewhere.to_owned() } else { std::env::temp_dir() };
        let dir = self.dir.clone().unwrap_or_else(std::env::temp_dir).join(&name);
        let witness = self.witness.clone().unwrap_or(elsewhere).join(format!("{name}-witness"));
        for dir in [&dir, &witness] {
            std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        }
        Ok(Home { dir, witness })
    }
}

impl Home {
    /// What to look at after a failure.
    pub(crate) fn keep(&self) -> String {
        format!("kept in {} and {}", self.dir.display(), self.witness.display())
    }

    /// Nothing failed: nothing is left behind.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.dir)?;
        Ok(std::fs::remove_dir_all(&self.witness)?)
    }
}
