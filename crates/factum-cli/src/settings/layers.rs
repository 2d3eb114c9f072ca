//! What one file, one environment, one command line says: settings by their keys, each with its
//! source.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::{Said, Source};
use crate::failure::Failure;

/// What the names of variables begin with.
const PREFIX: &str = "FACTUM_";
/// Variables of this program that are no settings.
const OTHERS: [&str; 7] = [
    "FACTUM_CA",
    "FACTUM_CLIENT_CERTIFICATE",
    "FACTUM_CLIENT_KEY",
    "FACTUM_CONFIG",
    "FACTUM_SEED",
    "FACTUM_TOKEN",
    "FACTUM_URL",
];

/// Settings by their keys.
#[derive(Debug, Default)]
pub(super) struct Layer(pub(super) BTreeMap<String, (Value, Source)>);

/// What the environment says.
pub(super) struct Environment {
    pub(super) layer: Layer,
    /// The file of settings.
    pub(super) config: Option<String>,
}

/// The variable that says a setting.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

impl Layer {
    /// Every key of a file must be known: a limit that is misspelt is no limit.
    pub(super) fn file(path: &Path, known: &BTreeMap<String, Value>) -> Result<Self, Failure> {
        let refused = |line: usize, what: String| {
            let what = format!("{}:{line}: {what}", path.display());
            Failure::invalid(what, "factum config shows every setting")
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::not_found(format!("can't read {}: {error}", path.display()), "--config FILE")
        })?;
        let wrong = |error: toml::de::Error| {
            let line = line(&text, error.span().unwrap_or_default().start);
            refused(line, error.message().to_owned())
        };
        let values: Map<String, Value> = toml::from_str(&text).map_err(wrong)?;
        let spans = DeTable::parse(&text).map_err(wrong)?;
        let mut lines = BTreeMap::new();
        leaves(spans.get_ref(), "", known, &mut |key, at| {
            lines.insert(key, line(&text, at));
        });
        let mut layer = Self::default();
        for (key, line) in lines {
            if !known.contains_key(&key) {
                return Err(refused(line, unknown(&key, known)));
            }
            let value = find(&values, &key).cloned().unwrap_or(Value::Null);
            layer.0.insert(key, (value, Source::File { path: path.to_owned(), line }));
        }
        Ok(layer)
    }

    /// What the variables say; and the names of those that look like settings and are none: other
    /// programs make such variables, so they are no reason to stop.
    pub(super) fn environment(
        variables: impl IntoIterator<Item = (String, String)>,
        known: &BTreeMap<String, Value>,
    ) -> (Environment, Vec<String>) {
        let keys: BTreeMap<String, &String> =
            known.keys().map(|key| (variable(key), key)).collect();
        let (mut layer, mut config, mut unused) = (Self::default(), None, Vec::new());
        for (name, text) in variables {
            match keys.get(&name) {
                Some(&key) => {
                    let value = value(&text, &known[key]);
                    layer.0.insert(key.clone(), (value, Source::Environment(name)));
                }
                None if name == "FACTUM_CONFIG" => config = (!text.is_empty()).then_some(text),
                None if name.starts_with(PREFIX) && !OTHERS.contains(&&*name) => unused.push(name),
                None => {}
            }
        }
        unused.sort_unstable();
        (Environment { layer, config }, unused)
    }

    /// What the command line says.
    pub(super) fn flags(said: &Said, known: &BTreeMap<String, Value>) -> Result<Self, Failure> {
        let mut layer = Self::default();
        for (flag, key, value) in &said.flags {
            layer.0.insert(key.clone(), (value.clone(), Source::Flag(flag.clone())));
        }
        for set in &said.set {
            let refused = |what| Failure::invalid(what, "--set patience=5s");
            let (key, text) = set
                .split_once('=')
                .ok_or_else(|| refused(format!("--set {set}: it must be KEY=VALUE")))?;
            let default = known
                .get(key)
                .ok_or_else(|| refused(format!("--set {set}: {}", unknown(key, known))))?;
            let source = Source::Flag(format!("--set {set}"));
            layer.0.insert(key.to_owned(), (value(text, default), source));
        }
        Ok(layer)
    }
}

fn unknown(key: &str, known: &BTreeMap<String, Value>) -> String {
    let all: Vec<_> = known.keys().map(String::as_str).collect();
    format!("there is no setting {key}; there are {}", all.join(", "))
}

/// Calls `leaf` with the key of each value, and where it is. A table that is a setting itself is
/// one value.
fn leaves(
    table: &DeTable<'_>,
    above: &str,
    known: &BTreeMap<String, Value>,
    leaf: &mut dyn FnMut(String, usize),
) {
    for (name, value) in table.iter() {
        let key = match above {
            "" => name.get_ref().to_string(),
            above => format!("{above}.{}", name.get_ref()),
        };
        match value.get_ref() {
            DeValue::Table(below) if !known.contains_key(&key) => leaves(below, &key, known, leaf),
            _ => leaf(key, name.span().start),
        }
    }
}

fn find<'a>(values: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    if let Some(value) = values.get(key) {
        return Some(value);
    }
    let (table, rest) = key.split_once('.')?;
    find(values.get(table)?.as_object()?, rest)
}

/// The line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// A text as a value of the kind that the default has; without a default, as TOML if it is.
fn value(text: &str, default: &Value) -> Value {
    match default {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Array(_) => list(text),
        _ => toml_value(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// A list as TOML writes it, or texts with commas between them.
fn list(text: &str) -> Value {
    if let Some(list @ Value::Array(_)) = toml_value(text) {
        return list;
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
}

/// A value, if the text is one and nothing else.
fn toml_value(text: &str) -> Option<Value> {
    let mut values: Map<String, Value> = toml::from_str(&format!("value = {text}")).ok()?;
    let value = values.remove("value")?;
    values.is_empty().then_some(value)
}
