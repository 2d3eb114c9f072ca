//! Who may depend on whom. The table is ARCHITECTURE.md's, as data; `cargo metadata` says what is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Each crate of ours, and which of ours it may name outside its tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("factum-store", &[]),
    ("factum-macros", &[]),
    ("factum-engine", &["factum-store"]),
    ("factum-sqlite", &["factum-store"]),
    ("factum-domain", &["factum-store", "factum-macros"]),
    (
        "factum",
        &[
            "factum-store",
            "factum-domain",
            "factum-macros",
            "factum-engine",
            "factum-sqlite",
            "factum-client",
        ],
    ),
    ("factum-consumers", &["factum-store"]),
    ("factum-proto", &["factum-store"]),
    ("factum-client", &["factum-proto", "factum-store"]),
    ("factum-server", &["factum", "factum-consumers", "factum-proto", "factum-store"]),
    ("factum-cli", &["factum", "factum-server", "retail"]),
    ("factum-crash", &["factum-client", "factum-engine", "factum-store"]),
    ("retail", &["factum"]),
    ("factum-sim", &["factum-engine", "factum-store"]),
    ("xtask", &[]),
];

/// What a crate may not reach, however far down.
const UNREACHABLE: &[(&str, &[&str])] = &[
    ("factum-store", &["tokio", "rusqlite", "axum"]),
    ("factum-engine", &["tokio", "serde_json", "rusqlite", "axum"]),
    ("factum-domain", &["tokio", "rand", "rusqlite", "axum", "rustix"]),
    ("factum-consumers", &["tokio", "rand", "serde_json", "rusqlite", "axum", "rustix"]),
    ("factum-sqlite", &["tokio", "axum"]),
    ("factum", &["opentelemetry"]),
    ("factum-client", &["rusqlite", "factum-engine", "factum-domain"]),
];

pub(crate) fn violations(root: &Path) -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(vec!["--locked".into()])
        .exec()
        .context("cargo metadata --locked")?;
    let mut found = named_crates(&metadata);
    found.extend(reached_crates(&metadata)?);
    Ok(found)
}

/// The direct arrows between our own crates.
fn named_crates(metadata: &Metadata) -> Vec<String> {
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|p| &**p.name).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut found = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = allowed.get(&**package.name) else {
            found.push(format!("{} is not in the table of xtask/src/arrows.rs", package.name));
            continue;
        };
        for to in used_outside_tests(package).filter(|to| ours.contains(to.as_str())) {
            if !allowed.contains(&to.as_str()) {
                found.push(format!("{} must not depend on {to}", package.name));
            }
        }
    }
    found
}

fn used_outside_tests(package: &Package) -> impl Iterator<Item = String> + '_ {
    let normal = |d: &&cargo_metadata::Dependency| d.kind != DependencyKind::Development;
    package.dependencies.iter().filter(normal).map(|d| d.name.to_string())
}

/// What is reached through foreign crates too.
fn reached_crates(metadata: &Metadata) -> anyhow::Result<Vec<String>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata without a resolve")?;
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut found = Vec::new();
    for (from, forbidden) in UNREACHABLE {
        let packages = metadata.workspace_packages();
        let start = packages.iter().find(|p| &*p.name == from).context("a crate of the table")?;
        let mut seen = BTreeSet::new();
        let mut open = vec![&start.id];
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let outside_tests = nodes[id]
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            open.extend(outside_tests.map(|dep| &dep.pkg));
        }
        let reached: BTreeSet<&str> = seen.iter().map(|id| &**metadata[id].name).collect();
        for name in forbidden.iter().filter(|name| reached.contains(*name)) {
            found.push(format!("{from} must not reach {name}"));
        }
    }
    Ok(found)
}
