//! Running a command: read, decide, append; on a conflict, again.
//!
//! Protects G4 (the append is guarded by exactly what was read) and G5 (a keyed command has one
//! outcome: it is looked up first, appended under its key, and a race is answered by the winner's).

use std::{borrow::Cow, future::IntoFuture, time::Duration};

use factum_domain::{AnyCommand, Decide, Reads, Refusal, Refused, Undecided};
use factum_store::{
    Append, AppendError, BoxFuture, ByteString, Condition, Conflict, EventId, Head, IdempotencyKey,
    NewEvent, Position, Query, Read, Receipt, RequestHash,
};
use serde_json::Value;

use crate::{
    App, Done, Ending, Fault, Outcome, RunError, Step,
    app::Inner,
    observe::Doing,
    run::{load, record::Record},
};

/// How often a command is decided before it gives up on conflicts.
const ATTEMPTS_MAX: u32 = 64;
/// The most that the pause before the second attempt lasts; it doubles with each of the first eight.
const PAUSE: Duration = Duration::from_micros(250);
/// Items of one condition of the guard; a ledger takes as many in a query by default.
const GUARD_ITEMS_MAX: usize = 256;
/// How often a decision may ask for more than it has, before that is called a mistake.
const ROUNDS_MAX: u32 = 1_000;

/// Who asks, and under which key.
#[derive(Clone, Default)]
struct Request {
    key: Option<String>,
    actor: Option<String>,
    correlation_id: Option<String>,
    trace: Option<String>,
}

impl Request {
    /// The same, as part of a step that is observed.
    fn within(&self, doing: &Doing) -> Cow<'_, Self> {
        match doing.trace() {
            None => Cow::Borrowed(self),
            Some(trace) => Cow::Owned(Self { trace: Some(trace.to_owned()), ..self.clone() }),
        }
    }
}

/// A command that is run: await it.
pub struct Run<C> {
    app: App,
    command: C,
    request: Request,
}

/// A command that is run by name: await it.
pub struct RunNamed {
    app: App,
    name: String,
    json: Vec<u8>,
    request: Request,
}

macro_rules! request {
    () => {
        /// Makes it safe to retry: the same key and the same command have one outcome, for as long
        /// as the events are kept.
        #[must_use]
        pub fn key(mut self, key: impl Into<String>) -> Self {
            self.request.key = Some(key.into());
            self
        }

        /// Who asks. Keys of different actors never meet.
        #[must_use]
        pub fn actor(mut self, actor: impl Into<String>) -> Self {
            self.request.actor = Some(actor.into());
            self
        }

        /// What larger piece of work it belongs to.
        #[must_use]
        pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
            self.request.correlation_id = Some(id.into());
            self
        }

        /// The trace that it is part of, as a W3C `traceparent`; the events say so.
        #[must_use]
        pub fn trace(mut self, traceparent: impl Into<String>) -> Self {
            self.request.trace = Some(traceparent.into());
            self
        }
    };
}

impl<C: Decide> Run<C> {
    pub(crate) fn new(app: App, command: C) -> Self {
        Self { app, command, request: Request::default() }
    }

    request!();

    async fn run(self) -> Result<Done, RunError<C::Refusal>> {
        let outcome = run(&self.app.inner, &self.command, &self.request).await?;
        let Some(refused) = &outcome.refusal else { return Ok(Done(outcome)) };
        match <C::Refusal as Refusal>::from_parts(&refused.code, &refused.data) {
            Some(refusal) => Err(RunError::Refused(refusal)),
            None => Err(Fault::Corrupt(format!(
                "{} was refused with {:?}, which this program does not know; run a newer program",
                C::NAME,
                refused.code
            ))
            .into()),
        }
    }
}

impl<C: Decide> IntoFuture for Run<C> {
    type Output = Result<Done, RunError<C::Refusal>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl RunNamed {
    pub(crate) fn new(app: App, name: String, json: Vec<u8>) -> Self {
        Self { app, name, json, request: Request::default() }
    }

    request!();

    async fn run(self) -> Result<Outcome, Fault> {
        let domain = &self.app.inner.domain;
        let decider = domain.command(&self.name).ok_or_else(|| {
            let known = domain.commands().map(|d| d.model().command.name.to_owned()).collect();
            Fault::Unknown { what: "command", name: self.name.clone(), known }
        })?;
        let command = decider.parse(&self.json)?;
        run(&self.app.inner, &*command, &self.request).await
    }
}

impl IntoFuture for RunNamed {
    type Output = Result<Outcome, Fault>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

async fn run(inner: &Inner, command: &dyn AnyCommand, request: &Request) -> Result<Outcome, Fault> {
    let step = Step::Command { name: command.name() };
    let doing = Doing::begin(inner.observer.as_deref(), step, request.trace.as_deref());
    let answer = run_once(inner, command, &request.within(&doing)).await;
    doing.end(match &answer {
        Ok(outcome) if outcome.refusal.is_some() => Ending::Refused,
        Ok(_) => Ending::Done,
        Err(Fault::Conflict { .. }) => Ending::Conflict,
        Err(_) => Ending::Failed,
    });
    answer
}

async fn run_once(
    inner: &Inner,
    command: &dyn AnyCommand,
    request: &Request,
) -> Result<Outcome, Fault> {
    let input = command.input()?;
    let key = request.key.as_ref().map(|key| idempotency_key(command, &input, key, request));
    if let Some(key) = &key
        && let Some(receipt) = inner.ledger.receipt(key.clone()).await?
    {
        return replayed(inner, receipt).await;
    }
    let mut attempts = 0;
    loop {
        attempts += 1;
        let step = Step::Decide { attempt: attempts };
        let doing = Doing::begin(inner.observer.as_deref(), step, request.trace.as_deref());
        let decided = decide(inner, command).await?;
        doing.end(if decided.decision.is_ok() { Ending::Done } else { Ending::Refused });
        let conflict = match append(inner, command, &input, decided, &key, request).await? {
            Ok(outcome) => return Ok(outcome),
            Err(conflict) => conflict,
        };
        if attempts == ATTEMPTS_MAX {
            let command = command.name().to_owned();
            return Err(Fault::Conflict { command, attempts, last: conflict });
        }
        pause(attempts).await;
    }
}

fn idempotency_key(
    command: &dyn AnyCommand,
    input: &Value,
    key: &str,
    request: &Request,
) -> IdempotencyKey {
    IdempotencyKey {
        principal: request.actor.clone().unwrap_or_default().into(),
        operation: ByteString::from_static(command.name()),
        key: key.into(),
        request: RequestHash(*blake3::hash(input.to_string().as_bytes()).as_bytes()),
    }
}

/// A decision, and the state it was made from.
struct Decided {
    decision: Result<Vec<NewEvent>, Refused>,
    guard: Query,
    head: Head,
}

/// Asks the decider until it has all that it reads, every bit of it up to the same head.
async fn decide(inner: &Inner, command: &dyn AnyCommand) -> Result<Decided, Fault> {
    let head = inner.ledger.head().await?;
    let mut reads = Reads::new();
    for _ in 0..ROUNDS_MAX {
        match command.decide(&mut reads) {
            Ok(decision) => return Ok(Decided { decision, guard: reads.guard(), head }),
            Err(Undecided::Encode(error)) => return Err(error.into()),
            Err(Undecided::Pending) => {
                for mut need in reads.take_needs() {
                    load(inner, &mut need, head.position).await?;
                    reads.provide(need);
                }
            }
        }
    }
    let name = command.name();
    Err(Fault::Bug(format!("{name} asked for more {ROUNDS_MAX} times; is its decider pure?")))
}

/// The record first, if there is to be one, then the events that it caused; all say who asked.
fn batch(
    record: &Record,
    decided: Vec<NewEvent>,
    recorded: bool,
    request: &Request,
) -> Result<Vec<NewEvent>, Fault> {
    let mut batch = Vec::with_capacity(decided.len() + 1);
    if recorded {
        batch.push(NewEvent { id: Some(EventId(uuid::Uuid::now_v7())), ..record.event()? });
    }
    let cause = batch.first().and_then(|record| record.id);
    batch.extend(decided.into_iter().map(|mut event| {
        event.envelope.causation_ids.extend(cause);
        event
    }));
    let text = |text: &Option<String>| text.clone().map(ByteString::from);
    for event in &mut batch {
        event.envelope.actor = text(&request.actor);
        event.envelope.correlation_id = text(&request.correlation_id);
        event.envelope.command_id = text(&request.key);
        event.envelope.trace = text(&request.trace);
    }
    Ok(batch)
}

/// Appends what was decided.
async fn append(
    inner: &Inner,
    command: &dyn AnyCommand,
    input: &Value,
    decided: Decided,
    key: &Option<IdempotencyKey>,
    request: &Request,
) -> Result<Result<Outcome, Box<Conflict>>, Fault> {
    let Decided { decision, guard, head } = decided;
    let record = Record::new(command.name(), input, &decision, &guard, head.position);
    let recorded = inner.record_commands || key.is_some();
    let batch = batch(&record, decision.unwrap_or_default(), recorded, request)?;
    let outcome = |receipt: Option<Receipt>| {
        let position = receipt.as_ref().map_or(head.position, |receipt| receipt.last);
        let (refusal, events) = (record.refusal.clone(), record.events);
        Outcome { refusal, receipt, position, events, replayed: false }
    };
    if batch.is_empty() {
        return Ok(Ok(outcome(None)));
    }
    let mut append = Append::new(batch);
    // A condition may not hold more items than a ledger takes in one query.
    for items in guard.items.chunks(GUARD_ITEMS_MAX) {
        let query = Query { items: items.to_vec() };
        append = append.when(Condition::NoMatch { query, after: head.position });
    }
    append.key = key.clone();
    let step = Step::Append { events: append.events.len() };
    let doing = Doing::begin(inner.observer.as_deref(), step, request.trace.as_deref());
    let answer = inner.ledger.append(append).await;
    doing.end(match &answer {
        Ok(_) => Ending::Done,
        Err(AppendError::Conflict(_)) => Ending::Conflict,
        Err(_) => Ending::Failed,
    });
    match answer {
        Ok(receipt) if receipt.replayed => replayed(inner, receipt).await.map(Ok),
        Ok(receipt) => Ok(Ok(outcome(Some(receipt)))),
        Err(AppendError::Conflict(conflict)) => Ok(Err(conflict)),
        Err(AppendError::OutcomeUnknown(why)) => unknown(inner, key, why).await.map(Ok),
        Err(error) => Err(error.into()),
    }
}

/// A keyed command can be looked up; without a key only a person can say whether it happened.
async fn unknown(
    inner: &Inner,
    key: &Option<IdempotencyKey>,
    why: String,
) -> Result<Outcome, Fault> {
    if let Some(key) = key
        && let Ok(Some(receipt)) = inner.ledger.receipt(key.clone()).await
    {
        return replayed(inner, receipt).await;
    }
    Err(Fault::OutcomeUnknown(why))
}

/// The outcome that was recorded under a key.
async fn replayed(inner: &Inner, receipt: Receipt) -> Result<Outcome, Fault> {
    let read = Read::new(Query::everything()).after(receipt.first.prev()).up_to(receipt.first);
    let page = inner.ledger.read(read.limit(1)).await?;
    let event = page.events.first().ok_or_else(|| {
        Fault::Corrupt(format!("the command recorded at {} is not there", receipt.first))
    })?;
    let record = Record::of(event)?;
    let position: Position = receipt.last;
    let (refusal, events) = (record.refusal, record.events);
    Ok(Outcome { refusal, receipt: Some(receipt), position, events, replayed: true })
}

/// Waits a random part of a span that doubles with each attempt, so that rivals part.
async fn pause(attempts: u32) {
    let most = PAUSE.as_micros() as u64 * (1 << attempts.min(8));
    let chance = uuid::Uuid::now_v7().as_u128() as u64;
    tokio::time::sleep(Duration::from_micros(chance % most.max(1))).await;
}
