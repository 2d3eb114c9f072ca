//! Asking for a fold by its name: its state at a key as JSON, now or at a moment, made from a
//! snapshot and what came after it (G8).

use std::future::IntoFuture;

use factum_domain::{FoldModel, NamedFold};
use factum_store::{BoxFuture, Bytes, Checkpoint, Position};

use crate::{
    App, AsOf, Fault, Token,
    read::moment,
    run::{Loaded, checkpoint_at, load_at_most},
};

/// A fold's state at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldAnswer {
    /// The state, as JSON.
    pub state: Bytes,
    /// Every event up to here is in the state, none after it.
    pub seen: Checkpoint,
    /// The last event of the snapshot that it was made from, if there was one.
    pub snapshot: Option<Position>,
    /// How many events were applied after that.
    pub replayed: u64,
}

/// A fold that can be asked.
#[derive(Clone)]
pub struct FoldHandle {
    app: App,
    fold: NamedFold,
}

impl FoldHandle {
    pub(crate) fn new(app: App, fold: NamedFold) -> Self {
        Self { app, fold }
    }

    /// What it is.
    #[must_use]
    pub fn model(&self) -> &FoldModel {
        self.fold.model()
    }

    /// Its state at a key, which is the text of an id; of two, with a comma between them; or `all`.
    #[must_use]
    pub fn get(&self, key: impl Into<String>) -> FoldRead {
        FoldRead {
            fold: self.clone(),
            key: key.into(),
            after: Token::default(),
            as_of: None,
            replay_max: u64::MAX,
        }
    }
}

/// A question to a fold: await it.
pub struct FoldRead {
    fold: FoldHandle,
    key: String,
    after: Token,
    as_of: Option<AsOf>,
    replay_max: u64,
}

impl FoldRead {
    /// The state must have seen this (G9).
    #[must_use]
    pub fn after(mut self, token: impl Into<Token>) -> Self {
        self.after = token.into();
        self
    }

    /// The state at a moment of the past.
    #[must_use]
    pub fn as_of(mut self, moment: impl Into<AsOf>) -> Self {
        self.as_of = Some(moment.into());
        self
    }

    /// Gives up, with [`Fault::Unavailable`], when more events than this are to be applied. As many
    /// as there are unless it is said.
    #[must_use]
    pub fn replay_max(mut self, events: u64) -> Self {
        self.replay_max = events;
        self
    }

    async fn read(self) -> Result<FoldAnswer, Fault> {
        let FoldHandle { app, fold } = self.fold;
        let mut need = fold.at(&self.key)?;
        let ledger = &*app.inner.ledger;
        let position = moment(ledger, self.as_of, self.after).await?;
        let loaded = load_at_most(&app.inner, &mut need, position, self.replay_max).await?;
        let Loaded { snapshot, replayed } = loaded;
        let seen = checkpoint_at(ledger, position).await?;
        Ok(FoldAnswer { state: fold.json(need)?, seen, snapshot, replayed })
    }
}

impl IntoFuture for FoldRead {
    type Output = Result<FoldAnswer, Fault>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.read())
    }
}
