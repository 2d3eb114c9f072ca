//! Which actions the demo runs. A file is checked as a whole before any of it is run: what is wrong
//! is named by line and field.

use std::{fs, io};

use factum::Domain;
use retail::{Action, Actions};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};

/// What may be looked up, and what is passed over; every other action is a command.
const NOT_COMMANDS: [&str; 8] = [
    "calculate",
    "find_user_id_by_email",
    "find_user_id_by_name_zip",
    "get_order_details",
    "get_product_details",
    "get_user_details",
    "list_all_product_types",
    "transfer_to_human_agents",
];

/// The actions that are meant by `all`, `test` or a file's name.
pub(super) fn read(which: &str) -> Result<Actions, Failure> {
    match which {
        "all" => Ok(Actions::all()),
        "test" => Ok(Actions::test()),
        file => read_file(file),
    }
}

fn read_file(file: &str) -> Result<Actions, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        let what = format!("the actions {file:?} can't be read: {error}");
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Invalid,
        };
        Failure::new(exit, what, "--actions all, --actions test, or a file of JSON lines")
    })?;
    check(&text).map_err(|(line, problem)| {
        let what = format!("{file}, line {line}: {problem}");
        Failure::invalid(what, "factum demo --help shows a line; nothing was changed")
            .with(json!({ "file": file, "line": line }))
    })?;
    Actions::read(&text)
        .map_err(|error| Failure::invalid(format!("{file}: {error}"), "factum demo --help"))
}

/// The first line that is not an action, and why.
fn check(text: &str) -> Result<(), (usize, String)> {
    let domain = retail::domain();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        check_line(&domain, line).map_err(|problem| (index + 1, problem))?;
    }
    Ok(())
}

fn check_line(domain: &Domain, line: &str) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_str(line);
    let action: Action = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        let problem = problem.split(" at line ").next().unwrap_or_default();
        if path == "." { problem.to_owned() } else { format!("{path}: {problem}") }
    })?;
    json.end().map_err(|_| "goes on after its end".to_owned())?;
    if NOT_COMMANDS.contains(&action.name.as_str()) {
        return Ok(());
    }
    let Some(decider) = domain.command(&action.name) else {
        return Err(format!("name: there is no action {:?}", action.name));
    };
    let arguments = Value::from(action.arguments).to_string();
    let parsed = decider.parse(arguments.as_bytes());
    parsed.map(drop).map_err(|invalid| invalid.within("arguments").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(change: impl FnOnce(&mut Value)) -> String {
        let mut action = json!({
            "task": "t", "step": 0, "user_id": "u", "writes": true, "name": "cancel_pending_order",
            "arguments": { "order_id": "#W1", "reason": "no longer needed" },
        });
        change(&mut action);
        action.to_string()
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_field() {
        let good = action(|_| ());
        assert_eq!(check(&good), Ok(()));
        for (line, said) in [
            ("{".to_owned(), "EOF"),
            (action(|a| drop(a.as_object_mut().map(|a| a.remove("step")))), "missing field `step`"),
            (action(|a| a["step"] = json!("x")), "step: invalid type"),
            (action(|a| a["name"] = json!("dance")), "name: there is no action \"dance\""),
            (
                action(|a| a["arguments"] = json!({ "order_id": "#W1" })),
                "arguments.reason is missing",
            ),
            (action(|a| a["arguments"]["order_id"] = json!(7)), "arguments.order_id"),
            (good.clone() + "]", "after its end"),
        ] {
            let (at, problem) = check(&format!("{good}\n\n{line}\n")).expect_err("is refused");
            assert_eq!(at, 3);
            assert!(problem.contains(said), "{line} gave {problem:?}");
        }
    }

    #[test]
    fn every_action_that_the_program_carries_is_known() {
        let domain = retail::domain();
        for action in &Actions::all() {
            let known = domain.command(&action.name).is_some();
            assert_ne!(known, NOT_COMMANDS.contains(&action.name.as_str()), "{}", action.name);
            assert_eq!(known, action.writes, "{}", action.name);
        }
    }
}
