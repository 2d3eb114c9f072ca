//! The service `Commands`.

use factum_proto::{
    Failure, ledger,
    v1::{self, commands_server::Commands},
};
use factum_store::Invalid;
use tonic::{Request, Response, Status};

use super::{Face, failure::status};
use crate::api::RunCommand;

#[tonic::async_trait]
impl Commands for Face {
    async fn run(
        &self,
        request: Request<v1::RunRequest>,
    ) -> Result<Response<v1::RunResponse>, Status> {
        let (principal, asked) = self.open(request)?;
        let v1::RunRequest { ledger: named, command, input, key } = asked;
        let input = String::from_utf8(input.into())
            .map_err(|_| Failure::from(Invalid::new("input", "is not UTF-8, so it is no JSON")))?;
        if key.as_deref() == Some("") {
            let problem = "is empty; leave it out instead";
            return Err(Failure::from(Invalid::new("key", problem)).into());
        }
        let run = RunCommand { ledger: ledger(named), command, input, key };
        let outcome = self.api.run(&principal, run).await.map_err(status)?;
        let refusal = outcome.refusal.map(|refused| v1::Refusal {
            code: refused.code,
            message: refused.message,
            data: refused.data.to_string().into(),
        });
        Ok(Response::new(v1::RunResponse {
            refusal,
            receipt: outcome.receipt.map(Into::into),
            position: outcome.position.0,
            events: outcome.events,
            replayed: outcome.replayed,
        }))
    }
}
