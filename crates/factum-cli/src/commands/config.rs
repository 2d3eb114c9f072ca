//! `factum config`: the settings as they hold, and who said each.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    output::Output,
    settings::{Said, Settings, what},
};

/// Show every setting of the server as it holds, and where it came from.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum config
  factum config --config /etc/factum/factum.toml --json
  factum config --set patience=5s

A flag is over the environment (FACTUM_PATIENCE), that over the file (patience = \"5s\"), and the file
over the default. A file with a setting that there is not is refused. docs/configuration.md says
what each is for.")]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Where settings come from, beside the environment.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Asked {
    /// A file of settings (TOML) [env: FACTUM_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<std::path::PathBuf>,
    /// A setting; repeat it for more.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

impl Asked {
    pub(crate) fn said(&self) -> Said {
        Said { file: self.config.clone(), set: self.set.clone(), flags: Vec::new() }
    }
}

impl Config {
    pub(crate) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let settings = Settings::load(&self.asked.said())?;
        if !output.for_people() {
            let one = |(key, (value, source)): (&String, &(Value, _))| {
                let from = format!("{source}");
                json!({ "key": key, "value": value, "from": from, "what": what(key) })
            };
            let all: Vec<_> = settings.values.iter().map(one).collect();
            return Ok(output.json(&json!({ "settings": all, "unused": settings.unused }))?);
        }
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => "none".to_owned(),
            other => other.to_string(),
        };
        let rows = settings.values.iter();
        let rows = rows.map(|(key, (value, from))| [key.clone(), text(value), from.to_string()]);
        output.table(["setting", "value", "from"], rows)?;
        if !settings.unused.is_empty() {
            let names = settings.unused.join(", ");
            output.note(format!("These variables look like settings and are none: {names}"))?;
        }
        Ok(())
    }
}
