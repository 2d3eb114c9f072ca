//! [`App`]: a domain on a ledger, with its views.

use std::{collections::BTreeMap, future::IntoFuture, sync::Arc};

use factum_domain::{Decide, Domain, Fold};
use factum_store::{BoxFuture, Checkpoint, Ledger, Position, ViewStore};

use crate::{
    Fault, FoldHandle, Observer,
    read::GetState,
    run::{Projector, Run, RunNamed, Running, Snapshots, Status},
    view::ViewHandle,
};

/// A domain on a ledger, with its views. Cheap to clone; the views' threads stop when the last
/// clone is dropped.
#[derive(Clone)]
pub struct App {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) views: Arc<dyn ViewStore>,
    pub(crate) snapshots: Snapshots,
    pub(crate) domain: Domain,
    pub(crate) projectors: BTreeMap<String, Projector>,
    pub(crate) record_commands: bool,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// What must live as long as the application: the opened directory and its lock.
    _keep: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// Where a view stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewStatus {
    /// Its name.
    pub name: String,
    /// What it has applied.
    pub checkpoint: Checkpoint,
    /// Positions of the ledger that it has not looked at yet.
    pub lag_events: u64,
    /// Why it stands still, if it does.
    pub error: Option<String>,
    /// The event that it stands still before, if it is known to be one.
    pub failing: Option<FailingEvent>,
    /// How often it has been tried in vain since it stands still.
    pub failures: u64,
}

/// An event that a view can't apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingEvent {
    /// Its place in the ledger.
    pub position: Position,
    /// Its type.
    pub event_type: String,
}

impl ViewStatus {
    fn of(name: String, status: Status, head: Position) -> Self {
        let Status { checkpoint, error, failing, failures, .. } = status;
        let lag_events = head.0.saturating_sub(checkpoint.position.0);
        Self { name, checkpoint, lag_events, error, failing, failures }
    }
}

impl App {
    /// Opens the ledger at a path or URL, by default the ledger `default`:
    /// `App::open("bank.factum").ledger("main").domain(domain).await`. With the feature `remote`
    /// that may be a ledger of a server: `App::open("https://HOST:PORT/main").token(token)`.
    #[cfg(any(all(feature = "embedded", feature = "sqlite"), feature = "remote"))]
    #[must_use]
    pub fn open(url: impl Into<String>) -> crate::Opening {
        crate::Opening::new(url.into())
    }

    /// An application over any ports.
    #[must_use]
    pub fn over(ledger: Arc<dyn Ledger>, views: Arc<dyn ViewStore>) -> AppBuilder {
        AppBuilder::new(ledger, views)
    }

    /// Runs a command: `app.run(command).key("req-42").await`.
    #[must_use]
    pub fn run<C: Decide>(&self, command: C) -> Run<C> {
        Run::new(self.clone(), command)
    }

    /// Runs the command of this name from JSON: `app.command("transfer", json).key("k").await`.
    #[must_use]
    pub fn command(&self, name: &str, json: &[u8]) -> RunNamed {
        RunNamed::new(self.clone(), name.to_owned(), json.to_vec())
    }

    /// The state of a fold: `app.get::<Account>(id).as_of(AsOf::Position(p)).await`.
    #[must_use]
    pub fn get<F: Fold>(&self, key: F::By) -> GetState<F> {
        GetState::new(self.clone(), key)
    }

    /// The view of this name.
    ///
    /// # Errors
    /// [`Fault::Unknown`] when there is none.
    pub fn view(&self, name: &str) -> Result<ViewHandle, Fault> {
        if self.inner.projectors.contains_key(name) {
            return Ok(ViewHandle::new(self.clone(), name.to_owned()));
        }
        let known = self.inner.projectors.keys().cloned().collect();
        Err(Fault::Unknown { what: "view", name: name.to_owned(), known })
    }

    /// The fold of this name, whose state is read as JSON.
    ///
    /// # Errors
    /// [`Fault::Unknown`] when there is none.
    pub fn fold(&self, name: &str) -> Result<FoldHandle, Fault> {
        let domain = self.domain();
        match domain.fold_named(name) {
            Some(fold) => Ok(FoldHandle::new(self.clone(), fold.clone())),
            None => {
                let known = domain.folds().map(|fold| fold.model().name.to_owned()).collect();
                Err(Fault::Unknown { what: "fold", name: name.to_owned(), known })
            }
        }
    }

    /// Where each view stands.
    ///
    /// # Errors
    /// [`Fault`] when the ledger's head can't be read.
    pub async fn views(&self) -> Result<Vec<ViewStatus>, Fault> {
        let head = self.inner.ledger.head().await?.position;
        let status = |(name, projector): (&String, &Projector)| {
            ViewStatus::of(name.clone(), projector.status(), head)
        };
        Ok(self.inner.projectors.iter().map(status).collect())
    }

    /// Has a view that stands still tried again at once, instead of after its pause; says where it
    /// stands when that was done. One that is well goes on.
    ///
    /// # Errors
    /// [`Fault::Unknown`], or [`Fault`] when the ledger's head can't be read.
    pub async fn retry(&self, view: &str) -> Result<ViewStatus, Fault> {
        self.view(view)?;
        let status = self.inner.projectors[view].retry().await?;
        let head = self.inner.ledger.head().await?.position;
        Ok(ViewStatus::of(view.to_owned(), status, head))
    }

    /// Waits until all views have applied what is in the ledger now. `progress` is told the least
    /// position that all have reached, and the goal.
    ///
    /// # Errors
    /// [`Fault::View`] when a view stands still.
    pub async fn catch_up(
        &self,
        mut progress: impl FnMut(Position, Position),
    ) -> Result<(), Fault> {
        let goal = self.inner.ledger.head().await?.position;
        let projectors = &self.inner.projectors;
        let least = || {
            let all = projectors.values().map(|projector| projector.status().checkpoint.position);
            all.min().unwrap_or(goal).min(goal)
        };
        for projector in projectors.values() {
            projector.reach(goal, |_| progress(least(), goal)).await?;
        }
        Ok(())
    }

    /// Throws a view's rows and keyframes away and projects it again. Meanwhile it answers with what
    /// it has applied so far, and says how far that is.
    ///
    /// # Errors
    /// [`Fault::Unknown`], or [`Fault::View`] when it can't be built.
    pub async fn rebuild(
        &self,
        view: &str,
        mut progress: impl FnMut(Position, Position),
    ) -> Result<(), Fault> {
        let goal = self.inner.ledger.head().await?.position;
        self.begin_rebuild(view).await?;
        self.inner.projectors[view].reach(goal, |position| progress(position, goal)).await
    }

    /// The same, without waiting until it has caught up.
    ///
    /// # Errors
    /// As [`App::rebuild`].
    pub async fn begin_rebuild(&self, view: &str) -> Result<(), Fault> {
        self.view(view)?;
        self.inner.projectors[view].rebuild().await
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.inner.ledger
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.inner.domain
    }

    /// Stops the views' threads, their checkpoints written. Reads of views then answer with what
    /// was applied by then. A view store that does not answer is waited for 5 seconds.
    pub async fn close(&self) {
        let threads: Vec<_> = self.inner.projectors.values().filter_map(Projector::stop).collect();
        let ended = tokio::task::spawn_blocking(move || threads.into_iter().for_each(Running::end));
        let _ = ended.await;
    }
}

/// An application under construction: await it.
pub struct AppBuilder {
    ledger: Arc<dyn Ledger>,
    views: Arc<dyn ViewStore>,
    snapshots: Snapshots,
    domain: Domain,
    record_commands: bool,
    observer: Option<Arc<dyn Observer>>,
    keep: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

impl AppBuilder {
    fn new(ledger: Arc<dyn Ledger>, views: Arc<dyn ViewStore>) -> Self {
        Self {
            ledger,
            views,
            snapshots: Snapshots::none(),
            domain: Domain::new("app"),
            record_commands: true,
            observer: None,
            keep: None,
        }
    }

    /// What the application is made of.
    #[must_use]
    pub fn domain(mut self, domain: Domain) -> Self {
        self.domain = domain;
        self
    }

    /// Whether each command is recorded with its outcome and what it read; by default yes. Keyed
    /// commands are recorded in any case: the record is what a retry is answered from.
    #[must_use]
    pub fn record_commands(mut self, record: bool) -> Self {
        self.record_commands = record;
        self
    }

    /// Who is told of the work that is done.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Keeps snapshots of folds in a directory, which is derived and may be deleted.
    #[must_use]
    pub fn snapshots(mut self, dir: impl Into<std::path::PathBuf>) -> Self {
        self.snapshots = Snapshots::in_dir(dir.into());
        self
    }

    #[cfg(all(feature = "embedded", feature = "sqlite"))]
    pub(crate) fn keeping(mut self, value: Arc<dyn std::any::Any + Send + Sync>) -> Self {
        self.keep = Some(value);
        self
    }

    async fn build(self) -> Result<App, Fault> {
        self.domain.check()?;
        let mut projectors = BTreeMap::new();
        for view in self.domain.views() {
            let (ledger, views) = (Arc::clone(&self.ledger), Arc::clone(&self.views));
            let observer = self.observer.clone();
            let projector = Projector::start(ledger, views, Arc::clone(view), observer).await?;
            projectors.insert(view.name().to_string(), projector);
        }
        let inner = Inner {
            ledger: self.ledger,
            views: self.views,
            snapshots: self.snapshots,
            domain: self.domain,
            projectors,
            record_commands: self.record_commands,
            observer: self.observer,
            _keep: self.keep,
        };
        Ok(App { inner: Arc::new(inner) })
    }
}

impl IntoFuture for AppBuilder {
    type Output = Result<App, Fault>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.build())
    }
}
