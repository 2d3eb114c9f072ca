//! Long work: a job goes on by itself, can be asked how far it is, and be cancelled. Few run at a
//! time, and a bounded number of those that ended is remembered (G12). They end with the server.

mod backup;
mod verify;

use std::{
    collections::VecDeque,
    fmt,
    ops::ControlFlow,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use factum::{BackupReport, Damage, Fault, VerifyReport};
use factum_store::{ByteString, Invalid, Timestamp};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::spawn_blocking,
    time::timeout,
};

use super::{Api, ApiError};
use crate::access::{Extent, Principal, Verb, is_system_ledger, now};
pub(crate) use backup::{BackupKept, BackupName, MakeBackup};

/// Jobs that are remembered.
const KEPT_MAX: usize = 100;
/// How long one may wait for the end of a job at a time.
pub(crate) const JOB_WAIT_MAX: Duration = Duration::from_secs(30);

/// Which job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobId(u64);

/// What a job is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Read every byte of this ledger, and check it.
    Verify { ledger: String },
    /// Make, or go on with, the backup of this name.
    Backup { name: BackupName },
}

/// A job that runs, or has ended.
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) task: Task,
    /// Who asked for it.
    pub(crate) by: ByteString,
    pub(crate) began_at: Timestamp,
    now: watch::Sender<Progress>,
    cancelled: AtomicBool,
    stopping: watch::Receiver<bool>,
}

/// How far a job is.
#[derive(Clone)]
pub(crate) struct Progress {
    /// What it is at.
    pub(crate) doing: &'static str,
    pub(crate) bytes_done: u64,
    pub(crate) bytes_all: u64,
    pub(crate) end: Option<Arc<End>>,
}

/// How a job has ended, and when.
pub(crate) struct End {
    pub(crate) at: Timestamp,
    pub(crate) outcome: Outcome,
}

/// What a job came to.
pub(crate) enum Outcome {
    Verified(VerifyReport),
    /// With what is damaged in it, if it was compared.
    BackedUp(BackupReport, Option<Vec<Damage>>),
    /// Somebody, or the end of the server, has ended it early.
    Cancelled,
    Failed(Fault),
}

/// The jobs of a server, oldest first.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Arc<Job>>>);

impl Job {
    /// How far it is.
    pub(crate) fn now(&self) -> Progress {
        self.now.borrow().clone()
    }

    /// Says how far it is; hears whether to go on.
    fn told(&self, doing: &'static str, bytes_done: u64, bytes_all: u64) -> ControlFlow<()> {
        self.now.send_replace(Progress { doing, bytes_done, bytes_all, end: None });
        match self.is_to_end() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn is_to_end(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || *self.stopping.borrow()
    }

    fn end(&self, outcome: Outcome) {
        let end = Some(Arc::new(End { at: now(), outcome }));
        self.now.send_modify(|now| now.end = end);
    }

    async fn ended(&self) {
        // It is told by the job itself, which is here.
        let _ = self.now.subscribe().wait_for(|now| now.end.is_some()).await;
    }
}

impl Jobs {
    fn all(&self) -> VecDeque<Arc<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a job, and forgets the oldest that has ended when there are many.
    fn add(&self, job: Arc<Job>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT_MAX
            && let Some(oldest) = all.iter().position(|job| job.now().end.is_some())
        {
            all.remove(oldest);
        }
        all.push_back(job);
    }

    /// Waits for the end of all, which are told to stop by then.
    pub(super) async fn close(&self) {
        for job in self.all() {
            job.ended().await;
        }
    }
}

impl Api {
    /// The jobs that the principal may see, oldest first.
    pub(crate) fn jobs(&self, principal: &Principal) -> Vec<Arc<Job>> {
        let mut all = Vec::from(self.jobs.all());
        all.retain(|job| may_see(principal, &job.task));
        all
    }

    /// One of them, when it has ended or after a while.
    pub(crate) async fn job(
        &self,
        principal: &Principal,
        id: JobId,
        wait: Duration,
    ) -> Result<Arc<Job>, ApiError> {
        if wait > JOB_WAIT_MAX {
            let problem = format!("is more than {}", JOB_WAIT_MAX.as_millis());
            return Err(Invalid::new("wait_ms", problem).into());
        }
        let mut jobs = self.jobs(principal).into_iter();
        let job = jobs.find(|job| job.id == id).ok_or_else(|| Fault::Unknown {
            what: "job",
            name: id.to_string(),
            known: Vec::new(),
        })?;
        if !wait.is_zero() && job.now().end.is_none() {
            let _place = self.long_answer().await?;
            let _ = timeout(wait, job.ended()).await;
        }
        Ok(job)
    }

    /// Tells one to end. It does, soon; one that has ended already stays as it is.
    pub(crate) async fn cancel_job(
        &self,
        principal: &Principal,
        id: JobId,
    ) -> Result<Arc<Job>, ApiError> {
        let job = self.job(principal, id, Duration::ZERO).await?;
        job.cancelled.store(true, Ordering::Relaxed);
        Ok(job)
    }

    /// Begins a job, which keeps its place until it has ended.
    fn begin<W>(
        &self,
        principal: &Principal,
        task: Task,
        stopping: watch::Receiver<bool>,
        place: OwnedSemaphorePermit,
        work: W,
    ) -> Result<Arc<Job>, ApiError>
    where
        W: FnOnce(&Job) -> Result<Outcome, Fault> + Send + 'static,
    {
        let random = getrandom::u64().map_err(|error| Fault::Unavailable(error.to_string()))?;
        let begun = Progress { doing: "beginning", bytes_done: 0, bytes_all: 0, end: None };
        let job = Arc::new(Job {
            id: JobId(random),
            task,
            by: principal.name().clone(),
            began_at: now(),
            now: watch::Sender::new(begun),
            cancelled: AtomicBool::new(false),
            stopping,
        });
        self.jobs.add(Arc::clone(&job));
        let running = Arc::clone(&job);
        tokio::spawn(async move {
            let worker = Arc::clone(&running);
            let outcome = match spawn_blocking(move || work(&worker)).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) if running.is_to_end() => Outcome::Cancelled,
                Ok(Err(fault)) => Outcome::Failed(fault),
                Err(error) => Outcome::Failed(Fault::Bug(format!("a job ended early: {error}"))),
            };
            drop(place);
            running.end(outcome);
        });
        Ok(job)
    }
}

/// Jobs are for those who may ask for them.
fn may_see(principal: &Principal, task: &Task) -> bool {
    match task {
        Task::Verify { ledger } if !is_system_ledger(ledger) => {
            principal.extent(Verb::Admin, ledger) == Extent::All
        }
        Task::Verify { .. } | Task::Backup { .. } => principal.may_steer(),
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for JobId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let fits = text.len() == 16 && text.bytes().all(digit);
        let number = fits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| Invalid::new("job", "is not an id of 16 digits 0-9a-f"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Config;

    fn api() -> Api {
        Api::new(BTreeMap::new(), None, &Config::default())
    }

    /// A job that ends when it is told to.
    async fn endless(api: &Api, stopping: &watch::Sender<bool>) -> Arc<Job> {
        let place = api.bulkheads.verifications.enter().await.expect("is free");
        let task = Task::Verify { ledger: "bank".to_owned() };
        let everybody = Principal::everybody();
        let begun = api.begin(&everybody, task, stopping.subscribe(), place, |job| {
            while job.told("verifying", 1, 2).is_continue() {
                std::thread::yield_now();
            }
            Err(Fault::Unavailable("was stopped".to_owned()))
        });
        begun.expect("begins")
    }

    fn is_cancelled(job: &Job) -> bool {
        job.now().end.is_some_and(|end| matches!(end.outcome, Outcome::Cancelled))
    }

    #[tokio::test]
    async fn a_job_ends_when_it_is_cancelled_or_the_server_stops() {
        let (api, stopping) = (api(), watch::Sender::new(false));
        let everybody = Principal::everybody();
        let job = endless(&api, &stopping).await;
        assert!(job.now().end.is_none());
        api.cancel_job(&everybody, job.id).await.expect("is known");
        job.ended().await;
        assert!(is_cancelled(&job));
        let job = endless(&api, &stopping).await;
        stopping.send_replace(true);
        api.jobs.close().await;
        assert!(is_cancelled(&job));
    }

    #[tokio::test]
    async fn a_job_that_panics_has_failed_and_gives_its_place_back() {
        let (api, stopping) = (api(), watch::Sender::new(false));
        for _ in 0..2 {
            let place = api.bulkheads.backups.enter().await.expect("is free");
            let task = Task::Backup { name: "a".parse().expect("a name") };
            let everybody = Principal::everybody();
            let begun = api.begin(&everybody, task, stopping.subscribe(), place, |_| panic!("no"));
            let job = begun.expect("begins");
            job.ended().await;
            let failed = job.now().end.is_some_and(|end| matches!(end.outcome, Outcome::Failed(_)));
            assert!(failed);
        }
    }

    #[tokio::test]
    async fn g12_ended_jobs_are_forgotten_when_there_are_many() {
        let (api, stopping) = (api(), watch::Sender::new(false));
        let first = endless(&api, &stopping).await;
        for _ in 0..KEPT_MAX + 5 {
            let place = api.bulkheads.backups.enter().await.expect("is free");
            let task = Task::Backup { name: "a".parse().expect("a name") };
            let everybody = Principal::everybody();
            let begun = api.begin(&everybody, task, stopping.subscribe(), place, |_| {
                Ok(Outcome::Verified(VerifyReport::default()))
            });
            begun.expect("begins").ended().await;
        }
        let all = api.jobs(&Principal::everybody());
        assert_eq!(all.len(), KEPT_MAX);
        assert_eq!(all[0].id, first.id, "what runs is not forgotten");
        stopping.send_replace(true);
        first.ended().await;
    }
}
