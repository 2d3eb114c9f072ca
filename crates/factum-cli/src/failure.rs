//! What a command says when it could not do what was asked: [`Failure`], and the exit codes that
//! scripts act on.
//!
//! A failure is two sentences, what happened and what to try, and one number. The numbers are part
//! of the interface: they are in `factum --help`, in this crate's README, and never change meaning.

use std::{io, io::Write};

use serde_json::json;

/// The exit codes. Their numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Unexpected = 1,
    Invalid = 2,
    Refused = 3,
    NotFound = 4,
    Locked = 5,
    Format = 6,
    Damaged = 7,
    Full = 8,
    ReadOnly = 9,
    Unavailable = 10,
}

impl Exit {
    /// Each code, its name in JSON, and what it means.
    pub(crate) const TABLE: [(Self, &str, &str); 11] = [
        (Self::Ok, "ok", "done"),
        (
            Self::Unexpected,
            "unexpected",
            "should not happen, please report it; of doctor: all is not well",
        ),
        (Self::Invalid, "invalid", "wrong usage or malformed input; nothing was changed"),
        (Self::Refused, "refused", "refused by a rule, or a condition did not hold (conflict)"),
        (Self::NotFound, "not_found", "no such ledger, view, row, command or file"),
        (Self::Locked, "locked", "another process holds the data directory"),
        (Self::Format, "format", "not a data directory, or one of a newer version"),
        (Self::Damaged, "damaged", "bytes on disk are damaged: file, offset, position are named"),
        (Self::Full, "full", "no room on the disk; nothing was acknowledged"),
        (Self::ReadOnly, "read_only", "the data directory can't be written"),
        (Self::Unavailable, "unavailable", "not available now, too slow, or outcome unknown"),
    ];

    fn name(self) -> &'static str {
        Self::TABLE.iter().find(|row| row.0 == self).map_or("unexpected", |row| row.1)
    }

    /// The part of `factum --help` about them.
    pub(crate) fn help() -> String {
        let rows = Self::TABLE.map(|(exit, _, meaning)| format!("  {:>2}  {meaning}", exit as u8));
        format!("Exit codes:\n{}", rows.join("\n"))
    }
}

/// Why a command ended without doing what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// One sentence: what happened. Empty when there is nothing to say (the reader has gone).
    pub(crate) what: String,
    /// One sentence: what to try. It may be empty.
    pub(crate) hint: String,
    /// More for machines.
    pub(crate) detail: Option<serde_json::Value>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: hint.into(), detail: None }
    }

    pub(crate) fn invalid(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, what, hint)
    }

    pub(crate) fn not_found(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, what, hint)
    }

    /// Whoever read our output has gone (`| head`): that is a normal end.
    pub(crate) fn reader_gone() -> Self {
        Self::new(Exit::Ok, "", "")
    }

    /// What is wrong is in the answer already: only the code is left to say.
    pub(crate) fn said_already() -> Self {
        Self::new(Exit::Unexpected, "", "")
    }

    /// The same with more for machines.
    pub(crate) fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Says it on stderr: two lines for people, one JSON object for machines.
    pub(crate) fn say(&self, json: bool) {
        if self.what.is_empty() {
            return;
        }
        let text = if json { self.to_json().to_string() } else { self.to_text() };
        // When even stderr is gone, the exit code is all that is left to say.
        let _ = writeln!(io::stderr(), "{text}");
    }

    fn to_text(&self) -> String {
        let lead = format!("factum: {}", self.what);
        if self.hint.is_empty() { lead } else { format!("{lead}\n  try: {}", self.hint) }
    }

    fn to_json(&self) -> serde_json::Value {
        let mut error = json!({
            "code": self.exit.name(), "exit": self.exit as u8,
            "message": self.what, "try": self.hint,
        });
        if let Some(detail) = &self.detail {
            error["detail"] = detail.clone();
        }
        json!({ "error": error })
    }
}

impl From<io::Error> for Failure {
    /// Of writing to stdout, the only file that commands write themselves.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::reader_gone(),
            io::ErrorKind::StorageFull => {
                Self::new(Exit::Full, "no room where the output goes", "make room and run it again")
            }
            _ => Self::new(Exit::Unexpected, format!("can't write the output: {error}"), ""),
        }
    }
}
