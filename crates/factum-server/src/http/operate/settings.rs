//! `/v1/config`: the configuration as it holds.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Setting,
    access::Principal,
    http::{Shared, answer::ok, problem::Problem},
    schema,
};

/// Every setting, by name.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
pub(super) struct SettingsJson {
    settings: Vec<SettingJson>,
}

/// A setting. Of a secret only whether there is one is told.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Setting")]
struct SettingJson {
    key: String,
    #[schemars(with = "schema::Json")]
    value: Value,
    /// Who said it: `default`, a variable, a flag, a line of a file.
    from: String,
    /// What was said, where something else holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schema::Json")]
    said: Option<Value>,
    /// What it is for.
    what: String,
}

impl SettingJson {
    fn of(setting: Setting) -> Self {
        let Setting { key, value, from, said, what } = setting;
        Self { key, value, from, said, what }
    }
}

/// GET.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
) -> Result<Response, Problem> {
    let settings = shared.api.settings(&principal)?;
    ok(&SettingsJson { settings: settings.into_iter().map(SettingJson::of).collect() })
}
