//! `/problems`: what each kind of problem means. The `type` of a problem document leads here.

use axum::{extract::Path, response::Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    answer::ok,
    problem::{Kind, Problem, ProblemType, TYPES},
};

/// What a kind of problem means.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Explanation {
    #[serde(rename = "type")]
    uri: String,
    #[serde(flatten)]
    row: &'static ProblemType,
}

impl Explanation {
    fn of(row: &'static ProblemType) -> Self {
        Self { uri: row.uri(), row }
    }
}

pub(crate) async fn list() -> Result<Response, Problem> {
    ok(&TYPES.iter().map(Explanation::of).collect::<Vec<_>>())
}

pub(crate) async fn explain(Path(slug): Path<String>) -> Result<Response, Problem> {
    let row = TYPES.iter().find(|row| row.slug == slug);
    let row = row.ok_or_else(|| {
        Problem::new(
            Kind::UnknownRoute,
            format!("there is no problem {slug:?}; GET /problems lists them"),
        )
    })?;
    ok(&Explanation::of(row))
}
