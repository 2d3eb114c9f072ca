//! `/v1/jobs`: long work, how far it is and what it came to; and `…/verify`, which begins some.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use factum::{BackupReport, Damage, VerifyReport};
use factum_store::{Invalid, Position};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::begun;
use crate::{
    access::Principal,
    api::{JOB_WAIT_MAX, Job, JobId, Outcome, Task},
    http::{
        Shared,
        answer::ok,
        known::Known,
        parameters::Parameters,
        problem::{Problem, ProblemJson},
        streams::Nothing,
    },
    json, schema,
};

/// Damaged places that are named; all of them are counted.
const DAMAGE_MAX: usize = 100;

/// The parameters of a job.
pub(super) const PARAMETERS: &[Known] = &[Known::milliseconds(
    "wait_ms",
    JOB_WAIT_MAX.as_millis() as u64,
    "wait so long for the job's end before it is answered",
)];

/// The jobs, oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Jobs")]
pub(super) struct JobsJson {
    jobs: Vec<JobJson>,
}

/// A job. Beside its state there is what it came to: `verified`, `backed_up` or `problem`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(super) struct JobJson {
    id: String,
    task: TaskName,
    /// The ledger that is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<String>,
    /// The backup that is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
    state: StateName,
    /// What it is at, or was at last.
    doing: &'static str,
    #[schemars(with = "schema::Count")]
    bytes_done: u64,
    /// About how many there are.
    #[schemars(with = "schema::Count")]
    bytes_all: u64,
    /// Who asked for it; nothing where nobody has to say who they are.
    by: String,
    #[schemars(with = "schema::Time")]
    began_at: String,
    #[schemars(with = "Option<schema::Time>")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<VerifiedJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backed_up: Option<BackedUpJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ProblemJson>")]
    problem: Option<Value>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobTask")]
enum TaskName {
    Verify,
    Backup,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobState")]
enum StateName {
    Running,
    Done,
    Cancelled,
    Failed,
}

/// What was read and checked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Verified")]
struct VerifiedJson {
    #[schemars(with = "schema::Count")]
    events: u64,
    #[schemars(with = "schema::Count")]
    bytes: u64,
    /// How many places are damaged; nothing was repaired.
    #[schemars(with = "schema::Count")]
    damaged: usize,
    /// The first 100 of them.
    damage: Vec<DamageJson>,
}

/// What a backup holds now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BackedUp")]
struct BackedUpJson {
    ledgers: Vec<UpToJson>,
    /// Bytes that it holds, and those that were new.
    #[schemars(with = "schema::Count")]
    bytes: u64,
    #[schemars(with = "schema::Count")]
    copied: u64,
    #[schemars(with = "schema::Count")]
    files: u64,
    /// What differs from the backup's own checksums, the first 100 places, if it was compared.
    damage: Option<Vec<DamageJson>>,
}

/// Up to where a ledger is in a backup.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BackedUpLedger")]
pub(super) struct UpToJson {
    pub(super) name: String,
    #[schemars(with = "schema::Place")]
    pub(super) position: Position,
}

/// Damaged bytes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Damage")]
struct DamageJson {
    file: String,
    #[schemars(with = "schema::Count")]
    offset: u64,
    /// Around which position.
    #[schemars(with = "schema::Place")]
    position: Position,
    what: String,
}

impl JobJson {
    pub(super) fn of(job: &Job) -> Self {
        let now = job.now();
        let (task, ledger, backup) = match &job.task {
            Task::Verify { ledger } => (TaskName::Verify, Some(ledger.clone()), None),
            Task::Backup { name } => (TaskName::Backup, None, Some(name.to_string())),
        };
        let running = Self {
            id: job.id.to_string(),
            task,
            ledger,
            backup,
            state: StateName::Running,
            doing: now.doing,
            bytes_done: now.bytes_done,
            bytes_all: now.bytes_all,
            by: job.by.to_string(),
            began_at: json::time(job.began_at),
            ended_at: now.end.as_ref().map(|end| json::time(end.at)),
            verified: None,
            backed_up: None,
            problem: None,
        };
        match now.end.as_ref().map(|end| &end.outcome) {
            None => running,
            Some(outcome) => running.ended(outcome),
        }
    }

    fn ended(self, outcome: &Outcome) -> Self {
        let done = Self { state: StateName::Done, ..self };
        match outcome {
            Outcome::Verified(report) => Self { verified: Some(VerifiedJson::of(report)), ..done },
            Outcome::BackedUp(report, damage) => {
                let backed_up = Some(BackedUpJson::of(report, damage.as_deref()));
                Self { backed_up, ..done }
            }
            Outcome::Cancelled => Self { state: StateName::Cancelled, ..done },
            Outcome::Failed(fault) => {
                let problem = Some(Problem::from(fault.clone()).document());
                Self { state: StateName::Failed, problem, ..done }
            }
        }
    }
}

impl VerifiedJson {
    fn of(report: &VerifyReport) -> Self {
        let VerifyReport { events, bytes, ref damage } = *report;
        Self { events, bytes, damaged: damage.len(), damage: damages(damage) }
    }
}

impl BackedUpJson {
    fn of(report: &BackupReport, damage: Option<&[Damage]>) -> Self {
        let up_to = report
            .ledgers
            .iter()
            .map(|ledger| UpToJson { name: ledger.name.clone(), position: ledger.head });
        let BackupReport { bytes, copied, files, .. } = *report;
        Self { ledgers: up_to.collect(), bytes, copied, files, damage: damage.map(damages) }
    }
}

fn damages(all: &[Damage]) -> Vec<DamageJson> {
    let one = |damage: &Damage| {
        let Damage { file, offset, position, what } = damage.clone();
        DamageJson { file, offset, position, what }
    };
    all.iter().take(DAMAGE_MAX).map(one).collect()
}

/// POST `/v1/ledgers/{ledger}/verify`.
pub(super) async fn verify(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    begun(&*shared.api.verify(&principal, ledger, shared.stopping.clone()).await?)
}

/// GET: all of them.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
) -> Result<Response, Problem> {
    let jobs = shared.api.jobs(&principal);
    ok(&JobsJson { jobs: jobs.iter().map(|job| JobJson::of(job)).collect() })
}

/// GET: one of them.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(job): Path<String>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let wait = Duration::from_millis(parameters.one("wait_ms")?.unwrap_or_default());
    ok(&JobJson::of(&*shared.api.job(&principal, id(&job)?, wait).await?))
}

/// POST `…/cancel`.
pub(super) async fn cancel(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(job): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    ok(&JobJson::of(&*shared.api.cancel_job(&principal, id(&job)?).await?))
}

fn id(text: &str) -> Result<JobId, Problem> {
    text.parse().map_err(|invalid: Invalid| Problem::invalid(invalid.field, invalid.problem))
}
