//! [`Standing`]: for how long somebody is who they were found to be. A stream that was opened in time
//! ends when its token is revoked, is rotated away or expires: otherwise it would go on for ever.

use std::{sync::Arc, time::Duration};

use factum_store::{BoxFuture, Timestamp};
use tokio::time::sleep;

use super::{
    Shown,
    book::{Found, TokenId},
    secret::Hash,
    tokens::{Tokens, now},
};

/// How long is slept at most before it is looked again: clocks are set.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What somebody has shown of themselves.
#[derive(Clone)]
pub(crate) enum Standing {
    /// A JWT, which ends by itself.
    Until(Timestamp),
    /// The secret of a token of this server.
    Secret(Arc<Tokens>, TokenId, Hash),
    /// The certificate of the connection.
    Certificate(Arc<Tokens>, Arc<Shown>),
}

impl Standing {
    /// Until when it is good, as far as is known; `None` when it no longer is.
    fn ends(&self) -> Option<Timestamp> {
        let now = now();
        let found = match self {
            Self::Until(end) => return Some(*end).filter(|end| now < *end),
            Self::Secret(tokens, id, hash) => tokens.of_secret(*id, hash, now),
            Self::Certificate(tokens, shown) => tokens.of_certificate(shown, now),
        };
        match found {
            Found::Good(_, ends) => Some(ends),
            Found::Worthless | Found::Nobody => None,
        }
    }

    /// Whether it is good at this moment.
    pub(crate) fn is_good(&self) -> bool {
        self.ends().is_some()
    }

    /// Until it is good no longer.
    pub(crate) fn ended(&self) -> BoxFuture<'static, ()> {
        let this = self.clone();
        Box::pin(async move {
            let mut changes = match &this {
                Self::Until(_) => None,
                Self::Secret(tokens, ..) | Self::Certificate(tokens, _) => Some(tokens.changes()),
            };
            while let Some(end) = this.ends() {
                let left = Duration::from_micros(end.micros.saturating_sub(now().micros));
                let sleep = sleep(left.min(SLEEP_MAX));
                match &mut changes {
                    None => sleep.await,
                    Some(changes) => tokio::select! {
                        () = sleep => {}
                        _ = changes.changed() => {}
                    },
                }
            }
        })
    }
}
