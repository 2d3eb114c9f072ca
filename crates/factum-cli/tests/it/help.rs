//! Help: every command has a sentence, examples that parse, and the exit codes are documented.

use crate::harness::factum;

const COMMANDS: [&str; 22] = [
    "demo",
    "serve",
    "config",
    "doctor",
    "health",
    "append",
    "read",
    "subscribe",
    "ledgers",
    "views",
    "view",
    "run",
    "rebuild",
    "stream",
    "compact",
    "group",
    "verify",
    "backup",
    "restore",
    "repair",
    "inspect",
    "completions",
];

/// The examples of a help text: its lines that are commands.
fn examples(help: &str) -> Vec<&str> {
    let from = help.find("Examples:").expect("there are examples");
    help[from..].lines().map(str::trim).filter(|line| line.starts_with("factum ")).collect()
}

#[test]
fn every_command_is_listed_and_has_examples_of_itself() {
    let listed = factum(["--help"]).ok().stdout;
    for name in COMMANDS {
        assert!(listed.contains(&format!("\n  {name} ")), "{name} is not listed");
        let help = factum([name, "--help"]).ok().stdout;
        let own = examples(&help);
        assert!(own.len() >= 2, "{name} has {} examples", own.len());
        let lead = format!("factum {name}");
        assert!(own.iter().all(|e| e.starts_with(&lead)), "{name} has {own:?}");
    }
}

#[test]
fn the_exit_codes_are_in_the_help_and_in_the_readme_alike() {
    let help = factum(["--help"]).ok().stdout;
    let from = help.find("Exit codes:").expect("there are exit codes");
    let readme = include_str!("../../README.md");
    let mut codes = 0;
    for line in help[from..].lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let (code, meaning) = line.trim().split_once("  ").expect("a code and its meaning");
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "{row:?} is not in the README");
        codes += 1;
    }
    assert_eq!(codes, 11);
}

#[test]
fn a_wrong_command_line_is_two_and_says_what_is_right() {
    factum(["raed"]).exits(2).says(&["raed", "read"]);
    factum(["read", "--as-of", "yesterday"]).exits(2).says(&["yesterday", "RFC 3339"]);
    factum(["read", "--tag", ""]).exits(2).says(&["--tag"]);
    let error = factum(["read", "--afte", "1", "--json"]).exits(2).json_error();
    assert_eq!(error["code"], "invalid");
    assert!(error["message"].as_str().expect("text").contains("--afte"), "{error}");
}
