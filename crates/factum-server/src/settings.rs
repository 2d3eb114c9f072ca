//! [`Setting`]: a setting of a running server, and who said it. What is secret is never shown.

use serde_json::{Value, json};

use crate::Config;

/// A setting, as it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name: `queries_max`, `tls.certificate`.
    pub key: String,
    /// What holds.
    pub value: Value,
    /// Who said it: `default`, `environment FACTUM_DIR`, a file and its line.
    pub from: String,
    /// What was said, where something else holds: a port that was found, a limit of the machine.
    pub said: Option<Value>,
    /// What it is for, in a few words.
    pub what: String,
}

/// Parts of a name that say that the value is nobody's business.
const SECRET: [&str; 5] = ["secret", "password", "token", "credential", "header"];

/// How a source begins that is a flag with the value in it.
const SET: &str = "flag --set ";

impl Setting {
    /// The same, for others to see. Of a secret only whether there is one; of an address no
    /// password that is in it.
    pub(crate) fn shown(&self) -> Self {
        let hidden = |value: &Value| match value {
            value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => value.clone(),
            _ if is_secret(&self.key) => json!("(not shown)"),
            value => without_passwords(value),
        };
        // A flag that says a setting has its value in it.
        let from = match self.from.strip_prefix(SET) {
            Some(rest) => format!("{SET}{}", rest.split('=').next().unwrap_or_default()),
            None => self.from.clone(),
        };
        let (value, said) = (hidden(&self.value), self.said.as_ref().map(hidden));
        Self { value, said, from, ..self.clone() }
    }
}

/// What holds of what was said. What nobody has spoken of is what the program chose.
pub(crate) fn effective(said: Vec<Setting>, config: &Config) -> Vec<Setting> {
    // Settings are texts, numbers, lists and tables: all that JSON has.
    let holds = serde_json::to_value(config).unwrap_or_default();
    let mut all: Vec<_> = said.into_iter().map(|setting| now(setting, &holds)).collect();
    for (key, value) in holds.as_object().into_iter().flatten() {
        let is_of = |name: &str| name == key || name.starts_with(&format!("{key}."));
        if !all.iter().any(|setting| is_of(&setting.key)) {
            let (from, what) = ("the program".to_owned(), String::new());
            all.push(Setting { key: key.clone(), value: value.clone(), from, said: None, what });
        }
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

fn now(setting: Setting, holds: &Value) -> Setting {
    match holds.pointer(&format!("/{}", setting.key.replace('.', "/"))) {
        Some(value) if *value != setting.value => {
            Setting { said: Some(setting.value), value: value.clone(), ..setting }
        }
        _ => setting,
    }
}

fn is_secret(key: &str) -> bool {
    SECRET.iter().any(|word| key.contains(word))
}

fn without_passwords(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(without_password(text)),
        Value::Array(items) => items.iter().map(without_passwords).collect(),
        Value::Object(fields) => {
            let one = |(name, value): (&String, &Value)| match is_secret(name) {
                true => (name.clone(), json!("(not shown)")),
                false => (name.clone(), without_passwords(value)),
            };
            Value::Object(fields.iter().map(one).collect())
        }
        other => other.clone(),
    }
}

/// `https://user:password@host/` without who and what.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://(not shown)@{host}{path}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &str, value: Value) -> Setting {
        let (from, what) = ("default".to_owned(), String::new());
        Setting { key: key.to_owned(), value, from, said: None, what }
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let shown = |key: &str, value: Value| setting(key, value).shown().value;
        assert_eq!(shown("oidc.client_secret", json!("s3cret")), "(not shown)");
        assert_eq!(shown("otlp_headers", json!(["authorization=s3cret"])), "(not shown)");
        assert_eq!(shown("require_token", json!(true)), true);
        assert_eq!(shown("otlp", json!("https://u:s3cret@h:1/p")), "https://(not shown)@h:1/p");
        assert_eq!(
            shown("otlp", json!({"url": "http://h/p", "password": "s3cret"})),
            json!({
                "url": "http://h/p", "password": "(not shown)",
            })
        );
        let mut said = setting("x_token", json!("s3cret"));
        said.said = Some(json!("s3cret"));
        said.from = "flag --set x_token=s3cret".to_owned();
        assert!(!format!("{:?}", said.shown()).contains("s3cret"));
        assert_eq!(said.shown().from, "flag --set x_token");
    }

    #[test]
    fn what_holds_is_told_from_what_was_said() {
        let config = Config { connections_max: 7, ..Config::default() };
        let told = vec![setting("connections_max", json!(8_192)), setting("dir", json!("d"))];
        let all = effective(told, &config);
        let named = |key: &str| all.iter().find(|one| one.key == key).expect("is there").clone();
        let most = named("connections_max");
        assert_eq!((most.value, most.said), (json!(7), Some(json!(8_192))));
        assert_eq!((named("dir").said, named("dir").from.as_str()), (None, "default"));
        assert_eq!(named("queries_max").from, "the program");
        assert!(all.is_sorted_by(|a, b| a.key < b.key));
    }
}
