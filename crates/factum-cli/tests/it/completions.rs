//! `factum completions`, for each shell.

use crate::harness::{command, factum};

#[test]
fn completions_are_there_for_each_shell_and_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let run = factum(["completions", shell]).ok();
        for word in ["subscribe", "rebuild", "as-of", "no-match-after"] {
            assert!(run.stdout.contains(word), "{shell} does not know {word}");
        }
    }
    factum(["completions", "tcl"]).exits(2).says(&["tcl", "possible values"]);
}

#[test]
fn bash_accepts_its_completions() {
    let script = factum(["completions", "bash"]).ok().stdout;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), script).expect("it is written");
    let bash = std::process::Command::new("bash").arg("-n").arg(file.path()).status();
    match bash {
        Ok(status) => assert!(status.success(), "bash finds a mistake"),
        Err(error) => println!("SKIPPED: bash is not here ({error})"),
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = command(["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the binary ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
