//! The settings: whether a server takes them, and which of them contradict each other.

use std::time::Duration;

use factum_server::Config;

use super::finding::{Finding, Look};
use crate::{
    failure::Failure,
    settings::{Settings, Source},
};

const SETTINGS: Look = Look("settings", "read");
const TOGETHER: Look = Look("settings", "together");

pub(super) fn look(loaded: &Result<Settings, Failure>) -> Vec<Finding> {
    let settings = match loaded {
        Ok(settings) => settings,
        Err(Failure { what, hint, .. }) => return vec![SETTINGS.bad(what, hint)],
    };
    let said = settings.values.values().filter(|(_, by)| *by != Source::Default).count();
    let all = settings.values.len();
    let mut findings = vec![SETTINGS.good(format!("{said} of {all} differ from the defaults"))];
    if !settings.unused.is_empty() {
        let names = settings.unused.join(", ");
        let found = format!("these variables look like settings and are none: {names}");
        findings.push(SETTINGS.warning(found, "factum config shows those that there are"));
    }
    let before = findings.len();
    if let Err(refused) = settings.server.check() {
        findings.push(TOGETHER.bad(refused.to_string(), "docs/access.md"));
    }
    findings.extend(contradictions(&settings.server));
    if findings.len() == before {
        findings.push(TOGETHER.good("no contradiction"));
    }
    findings
}

fn contradictions(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if config.insecure_listen_beyond_loopback {
        let what = "insecure_listen_beyond_loopback: others may read and change what is said";
        found.push(TOGETHER.warning(what, "tls and require_token, and without that setting"));
    }
    if !config.hosts.is_empty() && !config.require_token && config.listen.ip().is_loopback() {
        let what = "it has other names (hosts), so something passes requests on to it, and whoever \
                    comes that way may do everything: no token is wanted";
        found.push(TOGETHER.warning(what, "require_token = true"));
    }
    if config.body_bytes_max > config.bodies_bytes_max {
        let what = "body_bytes_max is more than bodies_bytes_max: a body that large is never taken";
        found.push(TOGETHER.bad(what, "bodies_bytes_max at least as large"));
    }
    if config.heartbeat >= config.write_timeout {
        let what = "heartbeat is not below write_timeout: a reader that has gone is noticed late";
        found.push(TOGETHER.warning(what, "a heartbeat of a quarter of write_timeout"));
    }
    found.extend(nothing_allowed(config));
    found
}

/// Limits of nothing: whatever they are for is never done.
fn nothing_allowed(config: &Config) -> impl Iterator<Item = Finding> {
    let zero = Duration::ZERO;
    let limits = [
        ("commands_max", config.commands_max == 0),
        ("queries_max", config.queries_max == 0),
        ("subscriptions_max", config.subscriptions_max == 0),
        ("connections_max", config.connections_max == 0),
        ("streams_max", config.streams_max == 0),
        ("body_bytes_max", config.body_bytes_max == 0),
        ("head_timeout", config.head_timeout == zero),
        ("body_timeout", config.body_timeout == zero),
        ("write_timeout", config.write_timeout == zero),
        ("heartbeat", config.heartbeat == zero),
    ];
    limits.into_iter().filter(|(_, nothing)| *nothing).map(|(name, _)| {
        TOGETHER.bad(format!("{name} is 0: nothing of it is allowed"), format!("a larger {name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Mark;

    #[test]
    fn the_defaults_contradict_nothing_and_each_contradiction_is_found() {
        assert!(contradictions(&Config::default()).is_empty());
        let default = Config::default;
        let changed = [
            (Config { body_bytes_max: 1 << 40, ..default() }, Mark::Bad, "bodies_bytes_max"),
            (Config { queries_max: 0, ..default() }, Mark::Bad, "queries_max"),
            (Config { heartbeat: Duration::ZERO, ..default() }, Mark::Bad, "heartbeat"),
            (Config { hosts: vec!["a".into()], ..default() }, Mark::Warning, "require_token"),
            (
                Config { heartbeat: Duration::from_secs(90), ..default() },
                Mark::Warning,
                "heartbeat",
            ),
            (
                Config { insecure_listen_beyond_loopback: true, ..default() },
                Mark::Warning,
                "require_token",
            ),
        ];
        for (config, mark, name) in changed {
            let found = contradictions(&config);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].mark, mark);
            assert!(format!("{:?}", found[0]).contains(name), "{found:?}");
        }
    }
}
