//! `factum rebuild`: builds views anew from the ledger, which is the truth (G7, G8).

use std::time::Instant;

use clap::Args;
use factum::App;
use serde_json::json;

use crate::{
    args::{Application, Place},
    failure::Failure,
    open,
    output::{Output, grouped},
    progress,
};

/// Throw a view's rows away and build them anew from the ledger.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum rebuild orders --dir retail-demo --ledger retail
  factum rebuild --all --dir retail-demo --ledger retail")]
pub(crate) struct Rebuild {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    application: Application,
    /// Which view.
    #[arg(value_name = "VIEW", required_unless_present = "all")]
    view: Option<String>,
    /// All of the application's.
    #[arg(long, conflicts_with = "view")]
    all: bool,
}

impl Rebuild {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let app = open::app(&self.place, &self.application).await?;
        let names = match self.view {
            Some(name) => vec![name],
            None => app.domain().views().map(|view| view.name().to_string()).collect(),
        };
        let mut rebuilt = Vec::new();
        for name in names {
            rebuilt.push(rebuild(&app, name).await?);
        }
        app.close().await;
        show(&rebuilt, output)
    }
}

struct Rebuilt {
    view: String,
    position: u64,
    seconds: f64,
}

impl Rebuilt {
    fn per_second(&self) -> u64 {
        (self.position as f64 / self.seconds.max(1e-6)) as u64
    }
}

async fn rebuild(app: &App, view: String) -> Result<Rebuilt, Failure> {
    let head = app.ledger().head().await.map_err(open::read_failure)?.position.0;
    let bar = progress::counted("rebuilding", head);
    let started = Instant::now();
    app.rebuild(&view, |at, _| bar.set_position(at.0)).await.map_err(open::failure)?;
    bar.finish_and_clear();
    Ok(Rebuilt { view, position: head, seconds: started.elapsed().as_secs_f64() })
}

fn show(rebuilt: &[Rebuilt], output: &mut Output) -> Result<(), Failure> {
    if !output.for_people() {
        let one = |r: &Rebuilt| {
            json!({ "view": r.view, "position": r.position, "seconds": r.seconds,
                    "positions_per_second": r.per_second() })
        };
        let all: Vec<_> = rebuilt.iter().map(one).collect();
        return Ok(output.json(&json!({ "rebuilt": all }))?);
    }
    let rows = rebuilt.iter().map(|r| {
        [r.view.clone(), grouped(r.position), format!("{:.2}", r.seconds), grouped(r.per_second())]
    });
    Ok(output.table(["rebuilt view", "position", "seconds", "positions/s"], rows)?)
}
