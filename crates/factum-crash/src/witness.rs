//! The witness: everything that writers said, in a file elsewhere than what is crashed, synced
//! before the ledger is opened again, so that no fault of the ledger's disk can take it along.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::line::Line;

/// The file of one ledger.
pub(crate) struct Witness {
    file: File,
    pub(crate) path: PathBuf,
}

impl Witness {
    /// A new file in a directory.
    pub(crate) fn create(dir: &Path, name: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let path = dir.join(name);
        let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { file, path })
    }

    /// Keeps what was said in a round.
    pub(crate) fn keep(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.file.write_all(text.as_bytes())?;
        Ok(self.file.sync_data()?)
    }
}
