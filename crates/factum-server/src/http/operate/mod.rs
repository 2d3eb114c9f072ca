//! What operators ask: long work as jobs, backups, and the configuration as it holds.

mod backups;
mod jobs;
mod projectors;
mod settings;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    answer::ok,
    problem::{Kind, Problem},
    route::{Route, get, post},
    streams::Nothing,
};
use crate::api::Job;
use backups::{BackupsJson, MakeBody};
use jobs::{JobJson, JobsJson};
use projectors::{ProjectorJson, ProjectorsJson};
use settings::SettingsJson;

/// The part of the table that is about operating a server.
pub(super) fn routes() -> Vec<Route> {
    let config = get(
        "/v1/config",
        "show_config",
        "Every setting as it holds, and who said it; nothing that is secret",
        settings::show,
    )
    .answers::<SettingsJson>();
    let all = [about_jobs(), about_backups(), about_projectors(), vec![config]];
    all.into_iter().flatten().collect()
}

fn about_jobs() -> Vec<Route> {
    vec![
        post(
            "/v1/ledgers/{ledger}/verify",
            "verify_ledger",
            "Read every byte of a ledger and check it, as a job",
            jobs::verify,
        )
        .takes::<Nothing>()
        .answers_as::<JobJson>(202, "application/json"),
        get("/v1/jobs", "list_jobs", "The jobs that run or have ended", jobs::list)
            .answers::<JobsJson>(),
        get(
            "/v1/jobs/{job}",
            "describe_job",
            "A job: how far it is, or what it came to",
            jobs::show,
        )
        .parameters(jobs::PARAMETERS)
        .answers::<JobJson>()
        .may(&[Kind::UnknownJob]),
        post("/v1/jobs/{job}/cancel", "cancel_job", "Tell a job to end early", jobs::cancel)
            .takes::<Nothing>()
            .answers::<JobJson>()
            .may(&[Kind::UnknownJob]),
    ]
}

fn about_backups() -> Vec<Route> {
    vec![
        get("/v1/backups", "list_backups", "The backups that there are", backups::list)
            .answers::<BackupsJson>()
            .may(&[Kind::NotSetUp]),
        post(
            "/v1/backups",
            "make_backup",
            "Back all ledgers up under a name, as a job; again, only what is new",
            backups::make,
        )
        .takes::<MakeBody>()
        .example(r#"{"name":"nightly"}"#)
        .answers_as::<JobJson>(202, "application/json")
        .may(&[Kind::NotSetUp]),
    ]
}

fn about_projectors() -> Vec<Route> {
    vec![
        get(
            "/v1/ledgers/{ledger}/projectors",
            "list_projectors",
            "What keeps the views: where it stands, and the event that it can't apply",
            projectors::list,
        )
        .answers::<ProjectorsJson>(),
        get(
            "/v1/ledgers/{ledger}/projectors/{view}",
            "describe_projector",
            "The projector of a view",
            projectors::show,
        )
        .answers::<ProjectorJson>()
        .may(&[Kind::UnknownView]),
        post(
            "/v1/ledgers/{ledger}/projectors/{view}/retry",
            "retry_projector",
            "Try again at once what a projector stands still before",
            projectors::retry,
        )
        .takes::<Nothing>()
        .answers::<ProjectorJson>()
        .may(&[Kind::UnknownView]),
        post(
            "/v1/ledgers/{ledger}/projectors/{view}/rebuild",
            "rebuild_projector",
            "Throw the rows of a view away and make them anew",
            projectors::rebuild,
        )
        .takes::<Nothing>()
        .answers::<ProjectorJson>()
        .may(&[Kind::UnknownView]),
    ]
}

/// A job that was begun, and where it is asked.
fn begun(job: &Job) -> Result<Response, Problem> {
    let mut response = ok(&JobJson::of(job))?;
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::try_from(format!("/v1/jobs/{}", job.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
