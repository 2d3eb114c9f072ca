//! Where tokens are changed: in a data directory, or through the server that holds it.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use factum::store::Timestamp;
use factum_server::{Identity, NewToken, Right, TokenId, Tokens, json};
use serde_json::{Value, json};

use crate::{failure::Failure, open, remote::Asker};

/// Where the tokens are.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    dir: PathBuf,
    /// The server that holds it.
    #[arg(long, env = "FACTUM_URL", value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    asker: Asker,
}

/// What is asked for.
pub(super) enum Asked {
    Create {
        name: String,
        rights: Vec<Right>,
        certificate: Option<Identity>,
        expires: Option<Timestamp>,
    },
    List,
    Rotate {
        id: TokenId,
        grace: Duration,
    },
    Revoke {
        id: TokenId,
    },
}

impl Place {
    /// The answer, in the words of the HTTP interface.
    pub(super) async fn ask(self, asked: Asked) -> Result<Value, Failure> {
        match &self.url {
            Some(url) => {
                let (path, body) = asked.request();
                let server = self.asker.at(url);
                match body {
                    None => server.get(&path),
                    Some(body) => server.post(&path, &body),
                }
            }
            None => self.ask_directory(asked).await,
        }
    }

    async fn ask_directory(&self, asked: Asked) -> Result<Value, Failure> {
        let store = open::store(&self.dir)?;
        let tokens = Tokens::open(&store).await.map_err(open::failure)?;
        // Whoever may write the directory may do everything to it already.
        let by = "directory";
        match asked {
            Asked::Create { name, rights, certificate, expires } => {
                let new = NewToken { name, rights, certificate, expires_at: expires };
                let made = tokens.create(by, new).await;
                made.map(|(token, secret)| json!(json::made(&token, secret.as_ref())))
            }
            Asked::List => {
                let all = tokens.list();
                Ok(json!({ "tokens": all.iter().map(json::token).collect::<Vec<_>>() }))
            }
            Asked::Rotate { id, grace } => {
                let rotated = tokens.rotate(by, id, grace).await;
                rotated.map(|(token, secret)| json!(json::made(&token, Some(&secret))))
            }
            Asked::Revoke { id } => {
                tokens.revoke(by, id).await.map(|token| json!(json::token(&token)))
            }
        }
        .map_err(open::failure)
    }
}

impl Asked {
    fn request(&self) -> (String, Option<Value>) {
        match self {
            Self::List => ("/v1/tokens".into(), None),
            Self::Create { name, rights, certificate, expires } => {
                let body = json!({
                    "name": name, "rights": rights, "certificate": certificate,
                    "expires_at": expires.map(json::time),
                });
                ("/v1/tokens".into(), Some(body))
            }
            Self::Rotate { id, grace } => {
                let body = json!({ "grace_seconds": grace.as_secs() });
                (format!("/v1/tokens/{id}/rotate"), Some(body))
            }
            Self::Revoke { id } => (format!("/v1/tokens/{id}/revoke"), Some(json!({}))),
        }
    }
}
