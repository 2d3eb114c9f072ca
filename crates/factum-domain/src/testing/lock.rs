//! The test that compares a committed `events.lock` with the code. This is the one place of the
//! crate that touches a file, and only tests call it.

use std::{io::ErrorKind, path::Path};

use crate::{
    Domain,
    lock::{LockProblem, compare_locks},
};

/// Fails unless the file says what the code says. `UPDATE_EVENTS_LOCK=1 cargo test` adds what is
/// new to it; a change that recorded events would not survive is refused even then.
///
/// ```text
/// #[test]
/// fn events_are_what_events_lock_says() {
///     check_events_lock(&domain(), "events.lock");    // beside Cargo.toml
/// }
/// ```
///
/// # Panics
/// When it differs, with what to do.
#[track_caller]
pub fn check_events_lock(domain: &Domain, path: impl AsRef<Path>) {
    let update = std::env::var_os("UPDATE_EVENTS_LOCK").is_some_and(|value| value == "1");
    if let Err(problem) = compare_lock_file(domain, path.as_ref(), update) {
        panic!("{problem}");
    }
}

/// The same as a value, with the switch as an argument.
///
/// # Errors
/// What differs, and what to do.
pub fn compare_lock_file(domain: &Domain, path: &Path, update: bool) -> Result<(), String> {
    let shown = path.display();
    let code = domain.events_lock();
    let locked = match std::fs::read_to_string(path) {
        Ok(text) => text.replace("\r\n", "\n"),
        Err(e) if e.kind() == ErrorKind::NotFound && update => String::new(),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(format!(
                "there is no {shown}: run `UPDATE_EVENTS_LOCK=1 cargo test` and commit it"
            ));
        }
        Err(e) => return Err(format!("{shown} can't be read: {e}")),
    };
    let problems = compare_locks(&locked, &code);
    let breaking = problems.iter().any(|problem| matches!(problem, LockProblem::Breaking(_)));
    if breaking || (!problems.is_empty() && !update) {
        let list: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        let advice = if breaking {
            "before the first release, delete the file and write it anew"
        } else {
            "run `UPDATE_EVENTS_LOCK=1 cargo test` and commit it"
        };
        return Err(format!("{shown} and the code differ ({advice}):{list}"));
    }
    if locked == code {
        return Ok(());
    }
    if !update {
        return Err(format!(
            "{shown} is not as it would be written: run `UPDATE_EVENTS_LOCK=1 cargo test` and commit it"
        ));
    }
    std::fs::write(path, code).map_err(|e| format!("{shown} can't be written: {e}"))
}
