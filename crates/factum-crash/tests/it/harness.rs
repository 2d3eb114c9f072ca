//! Runs the program.

use std::process::Command;

/// How a run ended, and all that it said.
pub(crate) struct Run {
    pub(crate) ok: bool,
    pub(crate) said: String,
}

/// Runs it to its end.
pub(crate) fn factum_crash(args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_factum-crash"))
        .args(args)
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    println!("{said}");
    Run { ok: output.status.success(), said }
}

impl Run {
    /// It found nothing wrong.
    #[track_caller]
    pub(crate) fn clean(self) -> Self {
        assert!(self.ok, "{}", self.said);
        self
    }

    /// It found the deliberate bug.
    #[cfg(feature = "sabotage")]
    #[track_caller]
    pub(crate) fn finds(self, what: &str) {
        assert!(!self.ok && self.said.contains(what), "not caught: {}", self.said);
    }
}
