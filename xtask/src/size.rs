//! The retail domain is the product's measure of how little a user has to write.

use std::{fs, path::Path};

/// At most this many lines, without blank lines and comments.
pub(crate) const RETAIL_LINES_MAX: usize = 450;

pub(crate) fn violations(root: &Path) -> anyhow::Result<Vec<String>> {
    let lines = retail_lines(root);
    if lines == 0 {
        return Ok(vec!["examples/retail/src/domain has no code".into()]);
    }
    let over = lines > RETAIL_LINES_MAX;
    Ok(over
        .then(|| format!("the retail domain has {lines} lines, over {RETAIL_LINES_MAX}"))
        .into_iter()
        .collect())
}

/// Lines of code of the retail domain.
pub(crate) fn retail_lines(root: &Path) -> usize {
    code_lines(&root.join("examples/retail/src/domain"))
}

fn code_lines(path: &Path) -> usize {
    if path.is_dir() {
        let Ok(entries) = fs::read_dir(path) else { return 0 };
        return entries.flatten().map(|entry| code_lines(&entry.path())).sum();
    }
    let Ok(text) = fs::read_to_string(path) else { return 0 };
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}
