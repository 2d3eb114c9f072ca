//! `factum views`: the views of an application, and where each stands.

use clap::Args;
use factum::ViewStatus;
use serde_json::json;

use crate::{
    args::{Application, Place},
    failure::Failure,
    open,
    output::{Output, grouped},
};

/// List an application's views: what each has applied, how far behind it is, and why it stands
/// still, if it does.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum views --dir retail-demo --ledger retail
  factum views --dir retail-demo --ledger retail --json")]
pub(crate) struct Views {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    application: Application,
}

impl Views {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let app = open::app(&self.place, &self.application).await?;
        let views = app.views().await.map_err(open::failure)?;
        app.close().await;
        if !output.for_people() {
            let views: Vec<_> = views.iter().map(to_json).collect();
            return Ok(output.json(&json!({ "views": views }))?);
        }
        let rows = views.into_iter().map(|view| {
            [
                view.name,
                grouped(view.checkpoint.position.0),
                grouped(view.lag_events),
                view.error.unwrap_or_else(|| "ok".to_owned()),
            ]
        });
        Ok(output.table(["view", "position", "events behind", "state"], rows)?)
    }
}

fn to_json(view: &ViewStatus) -> serde_json::Value {
    json!({
        "name": view.name, "position": view.checkpoint.position, "lag_events": view.lag_events,
        "error": view.error,
    })
}
