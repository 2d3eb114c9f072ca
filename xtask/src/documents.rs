//! Every path that a document names in backquotes exists: documents rot by files that move.

use std::{fs, path::Path};

/// The documents, and the folders below which each of its paths may be.
const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

pub(crate) fn violations(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document))?;
        for (number, line) in text.lines().enumerate() {
            for path in named_paths(line).filter(|path| !root.join(path).exists()) {
                found.push(format!("{document}:{}: there is no {path}", number + 1));
            }
        }
    }
    Ok(found)
}

/// Words in backquotes that begin like a path of this repository.
fn named_paths(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        let ours = ["crates/", "examples/", "xtask/", ".ci/", "docs/"];
        ours.iter().any(|start| word.starts_with(start)) && !word.contains([' ', '*', '{', '<'])
    })
}

#[cfg(test)]
mod tests {
    use super::named_paths;

    #[test]
    fn paths_are_found_in_backquotes_only() {
        let line = "see `crates/factum/src/app.rs`, crates/x and `make test`, `crates/{a,b}`";
        assert_eq!(named_paths(line).collect::<Vec<_>>(), ["crates/factum/src/app.rs"]);
    }
}
