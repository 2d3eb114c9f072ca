//! Commands: run one, once for each key (G5); and the catalogue of those there are.

use factum::{DeciderModel, Outcome};

use super::{Api, ApiError};
use crate::{
    access::{Principal, Verb},
    metrics::Began,
};

/// Which command to run.
pub(crate) struct RunCommand {
    pub(crate) ledger: String,
    pub(crate) command: String,
    /// Its fields, as JSON.
    pub(crate) input: String,
    /// Makes a retry safe.
    pub(crate) key: Option<String>,
}

impl Api {
    pub(crate) async fn run(
        &self,
        principal: &Principal,
        request: RunCommand,
    ) -> Result<Outcome, ApiError> {
        let began = Began::now();
        let (served, _) = self.reach(principal, Verb::Command, &request.ledger)?;
        let app = &served.app;
        if !principal.may_run(&request.command, &request.ledger) {
            let name = principal.name();
            self.audit(|audit| audit.right_refused(name, Verb::Command, &request.ledger));
            let problem = format!("{name} has no right to the command {:?}", request.command);
            return Err(ApiError::Forbidden { problem });
        }
        let run = app.command(&request.command, request.input.as_bytes());
        let run = match principal.name().is_empty() {
            true => run,
            false => run.actor(principal.name().to_string()),
        };
        let run = match request.key {
            Some(key) => run.key(key),
            None => run,
        };
        let run = match principal.trace() {
            Some(trace) => run.trace(trace.text().to_string()),
            None => run,
        };
        let answer = match self.bulkheads.commands.run(run.into_future()).await {
            Ok(answer) => answer.map_err(ApiError::from),
            Err(error) => Err(error),
        };
        self.count_command((&request.ledger, app), &request.command, began, &answer);
        answer
    }

    /// The commands, with what they read, emit and refuse.
    pub(crate) fn commands(
        &self,
        principal: &Principal,
        ledger: &str,
    ) -> Result<Vec<DeciderModel>, ApiError> {
        let app = self.app(principal, Verb::Read, ledger)?;
        Ok(app.domain().commands().map(|decider| decider.model().clone()).collect())
    }
}
