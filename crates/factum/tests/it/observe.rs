//! Who observes an application is told of each step, as part of what, and how it ended; and events
//! carry the trace of the command that they came of.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use factum::{
    App, Ending, Observed, Observer, Step,
    store::memory::{MemoryLedger, MemoryViewStore},
};

use crate::bank::*;

/// What was told: a step, what it is part of, its own trace, its end.
type Told = Arc<Mutex<Vec<(String, Option<String>, String, Option<Ending>)>>>;

#[derive(Clone, Default)]
struct Witness {
    told: Told,
    steps: Arc<AtomicU64>,
}

/// Where it stands in what was told.
struct Seen {
    told: Told,
    at: usize,
    trace: String,
}

impl Observer for Witness {
    fn begin(&self, step: Step<'_>, within: Option<&str>) -> Box<dyn Observed> {
        let what = match step {
            Step::Command { name } => format!("command {name}"),
            Step::Decide { attempt } => format!("decide {attempt}"),
            Step::Append { events } => format!("append {events}"),
            Step::Project { view, events } => {
                let traces = events.iter().map(|event| event.envelope.trace.as_deref());
                format!("project {view} {:?}", traces.collect::<Vec<_>>())
            }
            other => panic!("unknown: {other:?}"),
        };
        let trace = format!("t{}", self.steps.fetch_add(1, Ordering::SeqCst));
        let mut told = self.told.lock().unwrap();
        told.push((what, within.map(str::to_owned), trace.clone(), None));
        Box::new(Seen { told: Arc::clone(&self.told), at: told.len() - 1, trace })
    }
}

impl Observed for Seen {
    fn trace(&self) -> Option<&str> {
        Some(&self.trace)
    }

    fn end(self: Box<Self>, ending: Ending) {
        self.told.lock().unwrap()[self.at].3 = Some(ending);
    }
}

async fn observed() -> (App, Arc<MemoryLedger>, Witness) {
    let (ledger, witness) = (Arc::new(MemoryLedger::new()), Witness::default());
    let app = App::over(ledger.clone(), Arc::new(MemoryViewStore::new()));
    let app = app.domain(documents()).observed_by(Arc::new(witness.clone())).await.unwrap();
    (app, ledger, witness)
}

#[tokio::test]
async fn each_step_is_told_as_part_of_what_it_belongs_to() {
    let (app, ledger, witness) = observed().await;
    let done = app.run(Open { account: account(1), cents: 5 }).trace("caller").await.unwrap();
    app.view("accounts").unwrap().get("a01").after(&done).await.unwrap();
    let told = witness.told.lock().unwrap().clone();
    let step = |what: &str, within: Option<&str>, trace: &str| {
        let within = within.map(str::to_owned);
        (what.to_owned(), within, trace.to_owned(), Some(Ending::Done))
    };
    assert_eq!(
        told,
        [
            step("command open", Some("caller"), "t0"),
            step("decide 1", Some("t0"), "t1"),
            step("append 3", Some("t0"), "t2"),
            step("project accounts [Some(\"t0\"), Some(\"t0\")]", None, "t3"),
        ]
    );
    let traces = everything(&*ledger).await.into_iter().map(|event| event.envelope.trace);
    assert!(traces.into_iter().all(|trace| trace.as_deref() == Some("t0")));
}

#[tokio::test]
async fn a_refusal_is_an_ending_of_its_own() {
    let (app, _, witness) = observed().await;
    assert!(app.run(pay(1, 2, 5)).await.is_err());
    let told = witness.told.lock().unwrap().clone();
    let endings: Vec<_> = told.iter().map(|step| (step.0.as_str(), step.3)).collect();
    assert_eq!(
        endings,
        [
            ("command transfer", Some(Ending::Refused)),
            ("decide 1", Some(Ending::Refused)),
            ("append 1", Some(Ending::Done)),
        ]
    );
    assert_eq!(told[0].1, None);
}

#[tokio::test]
async fn unobserved_events_carry_the_trace_that_was_said() {
    let (app, ledger) = in_memory().await;
    app.run(Open { account: account(1), cents: 5 }).trace("caller").await.unwrap();
    app.run(Open { account: account(2), cents: 5 }).await.unwrap();
    let traces = everything(&*ledger).await.into_iter().map(|event| event.envelope.trace);
    let traces: Vec<_> = traces.map(|trace| trace.map(|text| text.to_string())).collect();
    let caller = || Some("caller".to_owned());
    assert_eq!(traces, [caller(), caller(), caller(), None, None, None]);
}
