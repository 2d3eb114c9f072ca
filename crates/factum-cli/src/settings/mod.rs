//! The settings of a server: from a file, from the environment and from flags, with one precedence
//! for all of them, flag > environment > file > default, and a source for each value.
//!
//! The settings are the fields of [`Program`] and of the server's [`Config`]; a field that is added
//! there is a setting at once. An unknown one is refused rather than ignored (G12's sister: a limit
//! that was misspelt is no limit).

mod known;
mod layers;

use std::{collections::BTreeMap, fmt, path::PathBuf};

use factum::StoreOptions;
use factum_server::{Config, Setting, bytes};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::failure::Failure;

pub(crate) use known::{defaults, what};
use layers::Layer;

/// What the program itself needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Program {
    /// The data directory.
    pub(crate) dir: PathBuf,
    /// What is logged: a level, or levels by module.
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    /// See [`StoreOptions`].
    #[serde(with = "bytes")]
    pub(crate) segment_bytes_max: u64,
    #[serde(with = "bytes")]
    pub(crate) index_cache_bytes: u64,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON document a line.
    Json,
}

impl Default for Program {
    fn default() -> Self {
        let StoreOptions { segment_bytes_max, index_cache_bytes } = StoreOptions::default();
        let (dir, log, log_format) = ("factum-data".into(), "warn".into(), LogFormat::Text);
        Self { dir, log, log_format, segment_bytes_max, index_cache_bytes }
    }
}

impl Program {
    /// How the data directory is opened.
    pub(crate) fn store(&self) -> StoreOptions {
        let &Self { segment_bytes_max, index_cache_bytes, .. } = self;
        StoreOptions { segment_bytes_max, index_cache_bytes }
    }
}

/// Everything that was said on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// Flags of settings: the flag, the setting, its value.
    pub(crate) flags: Vec<(String, String, Value)>,
    /// `--set KEY=VALUE`.
    pub(crate) set: Vec<String>,
}

/// All settings, and where each came from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) program: Program,
    pub(crate) server: Config,
    /// Each setting's value, as it is written, and who said it.
    pub(crate) values: BTreeMap<String, (Value, Source)>,
    /// Variables of the environment that look like settings and are none.
    pub(crate) unused: Vec<String>,
}

/// Who said a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

impl Settings {
    /// What holds, of all that was said.
    pub(crate) fn load(said: &Said) -> Result<Self, Failure> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::of(said, variables)
    }

    /// The same for a server to show.
    pub(crate) fn said(&self) -> Vec<Setting> {
        let one = |(key, (value, source)): (&String, &(Value, Source))| Setting {
            key: key.clone(),
            value: value.clone(),
            from: source.to_string(),
            said: None,
            what: what(key).unwrap_or_default().to_owned(),
        };
        self.values.iter().map(one).collect()
    }

    /// What holds when nothing is said but the directory.
    pub(crate) fn unsaid(dir: Option<PathBuf>) -> Self {
        let program = Program::default();
        Self {
            program: Program { dir: dir.unwrap_or(program.dir.clone()), ..program },
            server: Config::default(),
            values: BTreeMap::new(),
            unused: Vec::new(),
        }
    }

    fn of(
        said: &Said,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Failure> {
        let defaults = defaults();
        let mut values: BTreeMap<_, _> = defaults
            .iter()
            .map(|(key, value)| (key.clone(), (value.clone(), Source::Default)))
            .collect();
        let (environment, unused) = Layer::environment(variables, &defaults);
        let file = said.file.clone().or_else(|| environment.config.clone().map(PathBuf::from));
        let layers = [
            file.map(|path| Layer::file(&path, &defaults)).transpose()?.unwrap_or_default(),
            environment.layer,
            Layer::flags(said, &defaults)?,
        ];
        for layer in layers {
            values.extend(layer.0);
        }
        Ok(Self {
            program: read(&values, &known::program())?,
            server: read(&values, &known::server())?,
            values,
            unused,
        })
    }
}

/// The settings of one owner as its type; what is wrong is said with the setting and who said it.
fn read<T: DeserializeOwned>(
    values: &BTreeMap<String, (Value, Source)>,
    keys: &BTreeMap<String, Value>,
) -> Result<T, Failure> {
    let mut document = Map::new();
    for key in keys.keys() {
        put(&mut document, key, values[key].0.clone());
    }
    serde_path_to_error::deserialize(Value::Object(document)).map_err(|error| {
        let path = error.path().to_string();
        let said = values.iter().find(|(key, _)| path == **key || is_below(&path, key));
        let by = said.map(|(_, (_, source))| format!(" ({source})")).unwrap_or_default();
        let what = format!("the setting {path}{by}: {}", error.inner());
        Failure::invalid(
            what,
            "factum config shows every setting; docs/configuration.md says what each is",
        )
    })
}

/// Whether a path leads into the value of a key: `hosts[1]` of `hosts`.
fn is_below(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// Puts a value where `a.b.c` says.
fn put(document: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(document.insert(key.to_owned(), value)),
        Some((table, rest)) => {
            let below = document.entry(table).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    /// The settings of this file and environment and these `--set`s.
    fn load(file: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Settings, Failure> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("factum.toml");
        std::fs::write(&path, file).expect("is written");
        let set = set.iter().map(|&set| set.to_owned()).collect();
        let said = Said { file: Some(path), set, ..Said::default() };
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Settings::of(&said, environment.iter().map(owned))
    }

    fn refused(file: &str, environment: &[(&str, &str)], set: &[&str]) -> String {
        load(file, environment, set).expect_err("is refused").what
    }

    #[test]
    fn a_flag_is_over_the_environment_over_the_file_over_the_default() {
        let file = "queries_max = 1\ncommands_max = 1\nstreams_max = 1\n";
        let environment = [("FACTUM_COMMANDS_MAX", "2"), ("FACTUM_STREAMS_MAX", "2")];
        let settings = load(file, &environment, &["streams_max=3"]).expect("is fine");
        let Config { queries_max, commands_max, streams_max, .. } = settings.server;
        assert_eq!((queries_max, commands_max, streams_max), (1, 2, 3));
        let from = |key: &str| settings.values[key].1.to_string();
        assert!(from("queries_max").ends_with("factum.toml:1"), "{}", from("queries_max"));
        assert_eq!(from("commands_max"), "environment FACTUM_COMMANDS_MAX");
        assert_eq!(from("streams_max"), "flag --set streams_max=3");
        assert_eq!(from("patience"), "default");
    }

    /// Each setting can be said in each way, by the text that shows its default.
    #[test]
    fn every_setting_can_be_said_in_each_way() {
        for (key, value) in defaults() {
            let text = match &value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if value.is_null() {
                continue;
            }
            let name = layers::variable(&key);
            load("", &[(&name, &text)], &[])
                .unwrap_or_else(|e| panic!("{name}={text}: {}", e.what));
            load("", &[], &[&format!("{key}={text}")]).unwrap_or_else(|e| panic!("{}", e.what));
            load(&format!("{key} = {value}"), &[], &[]).unwrap_or_else(|e| panic!("{}", e.what));
        }
    }

    #[test]
    fn sizes_spans_and_lists_are_read() {
        let file = "body_bytes_max = \"1MiB\"\npatience = \"250ms\"\nhosts = [\"a\", \"b\"]\n";
        let server = load(file, &[], &[]).expect("is fine").server;
        assert_eq!((server.body_bytes_max, server.patience), (1 << 20, Duration::from_millis(250)));
        assert_eq!(server.hosts, ["a", "b"]);
        let environment = [("FACTUM_HOSTS", "c, d"), ("FACTUM_BODY_BYTES_MAX", "2MiB")];
        let server = load(file, &environment, &[]).expect("is fine").server;
        assert_eq!((server.hosts, server.body_bytes_max), (vec!["c".into(), "d".into()], 2 << 20));
    }

    /// The example of docs/access.md.
    #[test]
    fn a_table_of_an_issuer_and_its_roles_is_one_setting() {
        let document = include_str!("../../../../docs/access.md");
        let file = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        let jwt = load(file.expect("an example"), &[], &[]).expect("is fine").server.jwt;
        let jwt = jwt.expect("is there");
        assert_eq!((&*jwt.audience, &*jwt.claim), ("factum", "/realm_access/roles"));
        assert_eq!(jwt.roles["teller"], ["append,read on shop"]);
        let text = r#"{ issuer = "https://a", audience = "b", leeway = "5s" }"#;
        let jwt = load("", &[("FACTUM_JWT", text)], &[]).expect("is fine").server.jwt;
        assert_eq!(jwt.map(|jwt| jwt.leeway), Some(Duration::from_secs(5)));
        let unknown = refused("[jwt]\nissuer = \"a\"\naudience = \"b\"\nkeys = 1\n", &[], &[]);
        assert!(unknown.contains("jwt") && unknown.contains("keys"), "{unknown}");
    }

    #[test]
    fn what_is_unknown_or_wrong_is_refused_with_its_place() {
        let unknown = refused("dir = \"x\"\n\nconections_max = 5\n", &[], &[]);
        for part in ["factum.toml:3", "conections_max", "connections_max"] {
            assert!(unknown.contains(part), "{unknown}");
        }
        let table = refused("[listen]\nx = 1\n", &[], &[]);
        assert!(table.contains("factum.toml:") && table.contains("listen"), "{table}");
        let broken = refused("dir = \"x\"\nlisten = \n", &[], &[]);
        assert!(broken.contains("factum.toml:2"), "{broken}");
        let wrong = refused("log = \"warn\"\nlisten = \"nowhere\"\n", &[], &[]);
        assert!(wrong.contains("factum.toml:2") && wrong.contains("listen"), "{wrong}");
        let negative = refused("", &[("FACTUM_QUERIES_MAX", "-1")], &[]);
        assert!(negative.contains("environment FACTUM_QUERIES_MAX"), "{negative}");
        assert!(refused("", &[], &["patience=soon"]).contains("flag --set patience=soon"));
        assert!(refused("", &[], &["patience"]).contains("KEY=VALUE"));
        assert!(refused("", &[], &["patiense=1s"]).contains("patience"));
    }

    #[test]
    fn variables_that_are_no_settings_are_told_and_not_used() {
        let environment = [("FACTUM_LITSEN", "1"), ("FACTUM_CONFIG", ""), ("PATH", "/bin")];
        let settings = load("", &environment, &[]).expect("is fine");
        assert_eq!(settings.unused, ["FACTUM_LITSEN"]);
    }

    #[test]
    fn text_can_not_say_more_than_one_setting() {
        let hosts = "[\"a\"]\nqueries_max = 5";
        let settings = load("", &[("FACTUM_HOSTS", hosts)], &[]).expect("is a list of odd names");
        assert_eq!(settings.server.queries_max, Config::default().queries_max);
        assert_eq!(settings.values["hosts"].0, json!([hosts]));
    }
}
