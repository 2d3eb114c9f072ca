//! Tokens: made, listed, rotated and revoked by who may administer every ledger.

use std::{sync::Arc, time::Duration};

use factum::Fault;

use super::{Api, ApiError};
use crate::access::{NewToken, Principal, Secret, Token, TokenId, Tokens};

impl Api {
    pub(crate) fn tokens(&self, principal: &Principal) -> Result<Vec<Token>, ApiError> {
        Ok(self.steered(principal)?.list())
    }

    pub(crate) fn token(&self, principal: &Principal, id: TokenId) -> Result<Token, ApiError> {
        Ok(self.steered(principal)?.get(id)?)
    }

    pub(crate) async fn create_token(
        &self,
        principal: &Principal,
        new: NewToken,
    ) -> Result<(Token, Option<Secret>), ApiError> {
        let (tokens, by) = (self.steered(principal)?, principal.name().to_string());
        Ok(self.bulkheads.commands.run(async move { tokens.create(&by, new).await }).await??)
    }

    pub(crate) async fn rotate_token(
        &self,
        principal: &Principal,
        id: TokenId,
        grace: Duration,
    ) -> Result<(Token, Secret), ApiError> {
        let (tokens, by) = (self.steered(principal)?, principal.name().to_string());
        Ok(self
            .bulkheads
            .commands
            .run(async move { tokens.rotate(&by, id, grace).await })
            .await??)
    }

    pub(crate) async fn revoke_token(
        &self,
        principal: &Principal,
        id: TokenId,
    ) -> Result<Token, ApiError> {
        let (tokens, by) = (self.steered(principal)?, principal.name().to_string());
        Ok(self.bulkheads.commands.run(async move { tokens.revoke(&by, id).await }).await??)
    }

    /// The tokens, for who may change them.
    fn steered(&self, principal: &Principal) -> Result<Arc<Tokens>, ApiError> {
        self.steering(principal, "tokens are")?;
        let none = || Fault::Unavailable("this server keeps no tokens".to_owned());
        Ok(self.tokens.clone().ok_or_else(none)?)
    }
}
