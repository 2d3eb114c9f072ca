//! Which settings there are, what each is by default, and what it is for.

use std::collections::BTreeMap;

use factum_server::Config;
use serde::Serialize;
use serde_json::Value;

use super::Program;

/// What each setting is for. `docs/configuration.md` has the same, and a test compares them.
#[rustfmt::skip]
const WHAT: &[(&str, &str)] = &[
    ("dir", "the data directory; `retail-demo` with `--demo`"),
    ("log", "what is logged: `error`, `warn`, `info`, `debug`, `trace`, or levels by module (`warn,factum_server=debug`)"),
    ("log_format", "`text` for people, `json` for machines: one document a line"),
    ("segment_bytes_max", "bytes of a file of events before the next is begun: what a start reads at most, and what bounds the index of the newest events in memory"),
    ("index_cache_bytes", "bytes of index files kept in memory at most, for all ledgers together"),
    ("listen", "where it listens; port 0 takes a free one"),
    ("insecure_listen_beyond_loopback", "listen where other machines reach it though there is no TLS, or no token is wanted: what is said can be read and changed on the way"),
    ("require_token", "who presents no token is a stranger, on this machine too; beyond it that is always so"),
    ("hosts", "further names that clients may call the server by (the `Host` header)"),
    ("origins", "other sites whose pages may ask (CORS), such as `https://app.example`"),
    ("tls", "the PEM files to show: a table of `certificate` and `key`, and `client_ca` if clients have certificates too"),
    ("jwt", "whose JWTs are believed, too: a table of `issuer` and `audience`, and what else [access](access.md#jwts) says"),
    ("connections_max", "connections at a time; never more than the limit of open files allows for"),
    ("peer_connections_max", "connections at a time from one address; further ones are closed at once; 0 is no limit"),
    ("streams_max", "requests at a time on one connection, over HTTP/2"),
    ("peer_requests_per_second", "requests a second from one address; 0 is no limit"),
    ("principal_requests_per_second", "requests a second of one principal, wherever it is; 0 is no limit"),
    ("commands_max", "commands and appends at a time"),
    ("queries_max", "reads of events and views at a time"),
    ("subscriptions_max", "streams of events at a time"),
    ("consumers_max", "consumers that wait for events of their group at a time"),
    ("patience", "how long a request waits for its turn before it is refused as `busy`"),
    ("body_bytes_max", "bytes of one body"),
    ("message_bytes_max", "bytes of one gRPC message"),
    ("bodies_bytes_max", "bytes of all bodies and gRPC messages that are being received or worked on"),
    ("head_bytes_max", "bytes of a request's line and headers"),
    ("head_timeout", "how long the head of the next request may take; an idle connection is closed after it"),
    ("idle_timeout", "how long a connection over HTTP/2 may have no request before it is ended"),
    ("body_timeout", "how long a body, or a gRPC message, may take"),
    ("write_timeout", "how long a client may take nothing of an answer or a stream before it is ended"),
    ("view_deadline", "how long a read waits for a view to see the position in `after`"),
    ("heartbeat", "how often a silent stream of events says that it is alive"),
    ("disk_free_bytes_min", "room on the disk below which `/ready` says that the server is not ready"),
    ("backup_dir", "the directory, which has to be there, below which clients may have backups made; without one none are"),
    ("otlp_endpoint", "where spans and log lines are sent, by OTLP over gRPC, such as `http://localhost:4317`; without it, where `OTEL_EXPORTER_OTLP_ENDPOINT` says, and without that there are none"),
    ("grace", "how long requests may go on after the server was asked to stop"),
];

/// What a setting is for.
pub(crate) fn what(key: &str) -> Option<&'static str> {
    WHAT.iter().find(|row| row.0 == key).map(|row| row.1)
}

/// Every setting, and its default.
pub(crate) fn defaults() -> BTreeMap<String, Value> {
    let mut all = program();
    all.extend(server());
    all
}

/// Those of the program.
pub(super) fn program() -> BTreeMap<String, Value> {
    flat(&Program::default())
}

/// Those of the server.
pub(super) fn server() -> BTreeMap<String, Value> {
    flat(&Config::default())
}

/// The fields of a struct by their names, those of a struct in it as `outer.inner`.
fn flat(settings: &impl Serialize) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    // Settings are texts, numbers, lists and tables: all that JSON has.
    let document = serde_json::to_value(settings).unwrap_or_default();
    collect("", document, &mut all);
    all
}

fn collect(key: &str, value: Value, all: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if key.is_empty() || !fields.is_empty() => {
            for (name, value) in fields {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                collect(&key, value, all);
            }
        }
        value => drop(all.insert(key.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_described_and_nothing_else_is() {
        let all = defaults();
        for key in all.keys() {
            assert!(what(key).is_some(), "the setting {key} has no description in WHAT");
        }
        for (key, _) in WHAT {
            assert!(all.contains_key(*key), "{key} is described and is no setting");
        }
    }

    #[test]
    fn the_settings_of_program_and_server_have_different_names_and_variables() {
        let (program, server) = (program(), server());
        assert!(program.keys().all(|key| !server.contains_key(key)));
        let variables: std::collections::BTreeSet<_> =
            defaults().keys().map(|key| super::super::layers::variable(key)).collect();
        assert_eq!(variables.len(), defaults().len());
    }

    #[test]
    fn the_document_says_the_same() {
        let document = include_str!("../../../../docs/configuration.md");
        for (key, default) in defaults() {
            let default = match &default {
                Value::String(text) => text.clone(),
                Value::Null => "none".to_owned(),
                other => other.to_string(),
            };
            let what = what(&key).unwrap_or_default();
            let row = format!("| `{key}` | `{default}` | {what} |");
            assert!(document.contains(&row), "docs/configuration.md has no row\n{row}");
        }
    }
}
