//! Live state: [`App::get`](crate::App::get) folds the ledger itself, now or as of a moment.

use std::{future::IntoFuture, marker::PhantomData, ops::Deref, sync::Arc};

use factum_domain::{Fold, Reads};
use factum_store::{BoxFuture, Invalid, Ledger, Position, Timestamp};

use crate::{App, Fault, Token, run::load};

/// A moment of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Just after this event.
    Position(Position),
    /// After the last event that was recorded at or before this time.
    Time(Timestamp),
}

impl From<Position> for AsOf {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

impl From<Timestamp> for AsOf {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

/// The position of a moment; a position beyond the head is refused.
pub(crate) async fn position_of(ledger: &dyn Ledger, as_of: AsOf) -> Result<Position, Fault> {
    match as_of {
        AsOf::Time(time) => Ok(ledger.position_at(time).await?),
        AsOf::Position(position) => {
            let head = ledger.head().await?.position;
            if position <= head {
                return Ok(position);
            }
            Err(Invalid::new("as_of", format!("is {position}, beyond the head {head}")).into())
        }
    }
}

/// The position of a moment, by default of now, which must not be before `after`.
pub(crate) async fn moment(
    ledger: &dyn Ledger,
    as_of: Option<AsOf>,
    after: Token,
) -> Result<Position, Fault> {
    let position = match as_of {
        Some(moment) => position_of(ledger, moment).await?,
        None => ledger.head().await?.position,
    };
    match position < after.0 {
        false => Ok(position),
        true => {
            let problem = format!("is {}, beyond the moment that is read, {position}", after.0);
            Err(Invalid::new("after", problem).into())
        }
    }
}

/// A fold's state, and up to where it was read.
pub struct State<F> {
    state: Arc<F>,
    position: Position,
}

impl<F> State<F> {
    /// Every event up to here is in the state, none after it.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
}

impl<F> Deref for State<F> {
    type Target = F;
    fn deref(&self) -> &F {
        &self.state
    }
}

/// A read of a fold's state: await it.
pub struct GetState<F: Fold> {
    app: App,
    key: F::By,
    after: Token,
    as_of: Option<AsOf>,
    fold: PhantomData<fn() -> F>,
}

impl<F: Fold> GetState<F> {
    pub(crate) fn new(app: App, key: F::By) -> Self {
        Self { app, key, after: Token::default(), as_of: None, fold: PhantomData }
    }

    /// The state must have seen this.
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

    async fn read(self) -> Result<State<F>, Fault> {
        let inner = &self.app.inner;
        let position = moment(&*inner.ledger, self.as_of, self.after).await?;
        let mut reads = Reads::new();
        loop {
            if let Ok(state) = reads.fold::<F>(&self.key, &[]) {
                return Ok(State { state, position });
            }
            for mut need in reads.take_needs() {
                load(inner, &mut need, position).await?;
                reads.provide(need);
            }
        }
    }
}

impl<F: Fold> IntoFuture for GetState<F> {
    type Output = Result<State<F>, Fault>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.read())
    }
}
