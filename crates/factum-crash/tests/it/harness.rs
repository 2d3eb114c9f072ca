//! Runs the program.

use std::process::Command;

/// How a run ended, and all that it said.
pub(crate) struct Run {
    code: Option<i32>,
    pub(crate) said: String,
}

/// How a run ends that the machine does not permit.
const PASSED_OVER: Option<i32> = Some(3);

/// Runs it to its end; what it leaves after a failure stays for whoever looks at it.
pub(crate) fn factum_crash(args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_factum-crash"))
        .args(args)
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    println!("{said}");
    Run { code: output.status.code(), said }
}

/// Runs it with a deliberate bug; nothing stays.
#[cfg(feature = "sabotage")]
pub(crate) fn with_bug(bug: &str, args: &[&str]) -> Run {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path().to_str().expect("its name is text");
    factum_crash(&[args, &["--dir", home, "--witness", home, "--sabotage", bug]].concat())
}

impl Run {
    /// It found nothing wrong, or could not be tried here: then it says so.
    #[track_caller]
    pub(crate) fn clean(self) {
        let passed_over = self.code == PASSED_OVER && self.said.contains("PASSED OVER");
        assert!(self.code == Some(0) || passed_over, "{}", self.said);
    }

    /// It found the deliberate bug, or could not be tried here.
    #[cfg(feature = "sabotage")]
    #[track_caller]
    pub(crate) fn finds(self, what: &str) {
        if self.code == PASSED_OVER {
            return;
        }
        assert!(self.code == Some(1) && self.said.contains(what), "not caught: {}", self.said);
    }
}
