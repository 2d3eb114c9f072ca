//! Asking a view: rows with their freshness, as of now, after a receipt, or at a moment.

use std::{future::IntoFuture, time::Duration};

use factum_store::{
    BoxFuture, Checkpoint, Invalid, Position, Row, RowsPage, RowsRequest, Timestamp, ViewName,
};

use crate::{
    App, AsOf, Fault, Token,
    read::position_of,
    run::{Projector, scratch_at},
};

/// Rows of a page unless the question says otherwise.
const LIMIT: usize = 100;
/// The most rows of a page.
const LIMIT_MAX: usize = 10_000;
/// How long a question waits for the view to apply a receipt, unless it says otherwise.
const DEADLINE: Duration = Duration::from_secs(5);

/// How fresh an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Every event up to here is in the rows, none after it.
    pub position: Position,
    /// When that event was recorded.
    pub recorded_at: Timestamp,
    /// Positions of the ledger after it.
    pub lag_events: u64,
    /// Milliseconds between that event and the ledger's last one.
    pub lag_ms: u64,
    /// Whether the view stands still: it can't be kept, and this is the last that is known.
    pub stale: bool,
}

/// Some rows of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In the view's order.
    pub rows: Vec<Row>,
    /// The cursor of the next page; `None` when this was the last.
    pub next: Option<String>,
    /// How fresh they are.
    pub freshness: Freshness,
    /// For a moment of the past: how many events were replayed to reach it from a keyframe.
    pub replayed: u64,
}

/// A view that can be asked.
#[derive(Clone)]
pub struct ViewHandle {
    app: App,
    name: String,
}

impl ViewHandle {
    pub(crate) fn new(app: App, name: String) -> Self {
        Self { app, name }
    }

    /// The rows of a key.
    #[must_use]
    pub fn get(&self, key: impl Into<String>) -> ViewRead {
        ViewRead::new(self, Some(key.into()))
    }

    /// All rows, a page at a time.
    #[must_use]
    pub fn list(&self) -> ViewRead {
        ViewRead::new(self, None)
    }
}

/// A question to a view: await it.
pub struct ViewRead {
    app: App,
    name: String,
    request: RowsRequest,
    after: Token,
    as_of: Option<AsOf>,
    deadline: Duration,
}

impl ViewRead {
    fn new(view: &ViewHandle, key: Option<String>) -> Self {
        Self {
            app: view.app.clone(),
            name: view.name.clone(),
            request: RowsRequest { key, cursor: None, limit: LIMIT },
            after: Token::default(),
            as_of: None,
            deadline: DEADLINE,
        }
    }

    /// At most this many rows; by default 100, at most 10,000.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.request.limit = limit;
        self
    }

    /// Goes on where an earlier answer ended: its `next`.
    #[must_use]
    pub fn cursor(mut self, cursor: Option<String>) -> Self {
        self.request.cursor = cursor;
        self
    }

    /// The rows must have seen this (G9).
    #[must_use]
    pub fn after(mut self, token: impl Into<Token>) -> Self {
        self.after = token.into();
        self
    }

    /// The rows at a moment of the past.
    #[must_use]
    pub fn as_of(mut self, moment: impl Into<AsOf>) -> Self {
        self.as_of = Some(moment.into());
        self
    }

    /// How long to wait for `after`; by default 5 seconds. A moment of the past does not wait.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    async fn read(self) -> Result<Answer, Fault> {
        let limit = self.request.limit;
        if limit == 0 || limit > LIMIT_MAX {
            let problem = format!("is {limit}; it must be from 1 to {LIMIT_MAX}");
            return Err(Invalid::new("limit", problem).into());
        }
        let inner = &self.app.inner;
        let head = inner.ledger.head().await?.position;
        if self.after.0 > head {
            let problem = format!("is {}, beyond the head {head}", self.after.0);
            return Err(Invalid::new("after", problem).into());
        }
        let projector = &inner.projectors[&self.name];
        match self.as_of {
            Some(moment) => self.read_as_of(projector, moment).await,
            None => self.read_now(projector).await,
        }
    }

    async fn read_now(&self, projector: &Projector) -> Result<Answer, Fault> {
        match tokio::time::timeout(self.deadline, self.rows_now(projector)).await {
            Ok(answer) => answer,
            Err(_) => {
                let position = projector.status().checkpoint.position;
                Err(Fault::Timeout { view: self.name.clone(), position, wanted: self.after.0 })
            }
        }
    }

    async fn rows_now(&self, projector: &Projector) -> Result<Answer, Fault> {
        loop {
            projector.reach_patiently(self.after.0).await?;
            // First where the view stands, then the rows: they have seen at least that much. When
            // the rows' own checkpoint is behind it, nothing in between concerned this view.
            let status = projector.status();
            let page = self.app.inner.views.rows(projector.name(), self.request.clone()).await?;
            let seen = match page.checkpoint.position >= status.checkpoint.position {
                true => page.checkpoint,
                false => status.checkpoint,
            };
            // Unless the view is being built anew: then it says so before its rows go.
            let later = projector.status();
            if later.rebuilds == status.rebuilds
                && later.checkpoint.position >= status.checkpoint.position
            {
                return self.answer(page, seen, status.error.is_some(), 0).await;
            }
        }
    }

    async fn read_as_of(&self, projector: &Projector, moment: AsOf) -> Result<Answer, Fault> {
        let inner = &self.app.inner;
        let position = position_of(&*inner.ledger, moment).await?;
        if position < self.after.0 {
            let problem =
                format!("is {}, beyond the moment that is read, {position}", self.after.0);
            return Err(Invalid::new("after", problem).into());
        }
        let view: &ViewName = projector.name();
        let (scratch, checkpoint, replayed) =
            scratch_at(&*inner.ledger, &*inner.views, projector.view(), position).await?;
        let page = scratch.rows(view, self.request.clone()).await?;
        self.answer(page, checkpoint, false, replayed).await
    }

    async fn answer(
        &self,
        page: RowsPage,
        seen: Checkpoint,
        stale: bool,
        replayed: u64,
    ) -> Result<Answer, Fault> {
        let head = self.app.inner.ledger.head().await?;
        let freshness = Freshness {
            position: seen.position,
            recorded_at: seen.recorded_at,
            lag_events: head.position.0.saturating_sub(seen.position.0),
            lag_ms: head.recorded_at.millis_since(seen.recorded_at),
            stale,
        };
        Ok(Answer { rows: page.rows, next: page.next, freshness, replayed })
    }
}

impl IntoFuture for ViewRead {
    type Output = Result<Answer, Fault>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.read())
    }
}
