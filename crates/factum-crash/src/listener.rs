//! Hears what a child says, and outlives it.

use std::{
    io::{BufRead as _, BufReader},
    process::ChildStdout,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::line::Line;

/// Reads what a child says until it is dead.
pub(crate) struct Listener {
    heard: JoinHandle<anyhow::Result<Vec<Line>>>,
    speaks: Arc<AtomicBool>,
}

impl Listener {
    /// Hears everything.
    pub(crate) fn start(stdout: ChildStdout) -> Self {
        Self::noting(stdout, |_| {})
    }

    /// Hears everything, and tells `note` of each line as it comes.
    pub(crate) fn noting(
        stdout: ChildStdout,
        mut note: impl FnMut(&Line) + Send + 'static,
    ) -> Self {
        let speaks = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&speaks);
        let heard = std::thread::spawn(move || {
            let (mut lines, mut stdout) = (Vec::new(), BufReader::new(stdout));
            let mut line = String::new();
            // What is cut off was never said.
            while stdout.read_line(&mut line)? > 0 && line.ends_with('\n') {
                lines.push(line.trim_end().parse()?);
                lines.last().iter().for_each(|line| note(line));
                line.clear();
                first.store(true, Ordering::Relaxed);
            }
            Ok(lines)
        });
        Self { heard, speaks }
    }

    /// Waits until the child has said something, or is dead.
    pub(crate) fn wait_for_a_line(&self) {
        while !self.speaks.load(Ordering::Relaxed) && !self.heard.is_finished() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Everything it said. The child is dead.
    pub(crate) fn finish(self) -> anyhow::Result<Vec<Line>> {
        self.heard.join().map_err(|_| anyhow::anyhow!("listening failed"))?
    }
}
