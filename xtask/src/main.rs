//! Checks of the tree itself. `cargo run -p xtask` prints what it finds; the same checks are tests.
//!
//! * `arrows`: who may depend on whom (the table of ARCHITECTURE.md, as data).
//! * `documents`: every path that a document names exists.
//! * `size`: the retail domain fits in its 450 lines.

mod arrows;
mod documents;
mod size;

use std::{path::Path, process::ExitCode};

/// A check: what is wrong with the tree at a root, a line each.
type Check = fn(&Path) -> anyhow::Result<Vec<String>>;

fn main() -> ExitCode {
    let checks: [(&str, Check); 3] = [
        ("arrows", arrows::violations),
        ("documents", documents::violations),
        ("size", size::violations),
    ];
    let wanted = std::env::args().nth(1);
    let mut clean = true;
    for (name, check) in checks {
        if wanted.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        match check(root()) {
            Ok(found) if found.is_empty() => println!("{name}: clean"),
            Ok(found) => {
                clean = false;
                found.iter().for_each(|line| println!("{name}: {line}"));
            }
            Err(error) => {
                clean = false;
                println!("{name}: {error:#}");
            }
        }
    }
    println!("retail domain: {} of {} lines", size::retail_lines(root()), size::RETAIL_LINES_MAX);
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::{arrows, documents, root, size};

    fn assert_clean(found: anyhow::Result<Vec<String>>) {
        let found = found.expect("the check runs");
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn the_crates_arrows_point_down() {
        assert_clean(arrows::violations(root()));
    }

    #[test]
    fn every_path_that_a_document_names_exists() {
        assert_clean(documents::violations(root()));
    }

    #[test]
    fn the_retail_domain_fits_in_its_lines() {
        assert_clean(size::violations(root()));
    }
}
