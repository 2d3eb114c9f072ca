//! [`Keeper`]: the task that has a group. It alone makes steps; what they change is durable before
//! anybody hears of it.

use std::{
    collections::VecDeque,
    mem,
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use factum::Fault;
use factum_consumers::Group;
use factum_store::{Ledger, Timestamp};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    GroupName, Tally,
    clock::Clock,
    draw::{Draw, Drawn, State, fetch},
    feed::Feed,
    journal::{Journal, Page, blocking},
};
use crate::connection::stop;

/// Units of events that a group looks ahead at.
const LOOK_AHEAD: usize = 1_024;
/// Those who may wait for events of a group at a time.
const DRAWS_MAX: usize = 1_024;
/// What is taken from the inbox before it is written down.
const STEPS_MAX: usize = 1_024;
/// The longest wait before a group that has failed is tried again.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A step on a group, which says what is heard when it is durable; or why it can't be made.
pub(super) type Step =
    Box<dyn FnOnce(Result<(&mut Group, Timestamp), &str>) -> Option<Owed> + Send>;
pub(super) type Owed = Box<dyn FnOnce(Result<(), String>) + Send>;

/// What a keeper is asked.
pub(super) enum Ask {
    Step(Step),
    Draw(Draw),
    /// The group is to be no more.
    Delete(oneshot::Sender<Result<(), String>>),
}

/// All that is needed to keep a group.
pub(super) struct Keeper {
    pub(super) ledger_name: String,
    pub(super) name: GroupName,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) journal: Journal,
    pub(super) inbox: mpsc::Receiver<Ask>,
    pub(super) looks: Arc<Semaphore>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) clock: Clock,
    pub(super) tally: Arc<Tally>,
}

/// A group that was found whole, and what is owed to those who asked it.
struct Work<'a> {
    keeper: &'a mut Keeper,
    group: Group,
    page: Page,
    feed: Feed,
    draws: VecDeque<Draw>,
    owed: Vec<Owed>,
    stopping: bool,
}

impl Keeper {
    /// Keeps the group until it is deleted or nobody can ask it any more. When something fails, it is
    /// read again from what is durable, after a while.
    pub(super) async fn run(mut self) {
        let mut wait = Duration::from_millis(250);
        loop {
            let begun = Instant::now();
            let failed = match self.keep().await {
                Ok(()) => return,
                Err(fault) => fault.to_string(),
            };
            let (ledger, group) = (&self.ledger_name, &self.name);
            tracing::warn!(ledger, %group, "the group stands still: {failed}");
            wait = if begun.elapsed() > RETRY_MAX { wait / 8 } else { wait * 2 };
            wait = wait.clamp(Duration::from_millis(250), RETRY_MAX);
            if self.refuse_for(wait, &failed).await.is_break() {
                return;
            }
        }
    }

    async fn keep(&mut self) -> Result<(), Fault> {
        let (durable, page) = self.journal.load(&self.ledger_name, &self.name).await?;
        let run = getrandom::u64().map_err(|error| Fault::Unavailable(error.to_string()))?;
        let group = Group::restore(durable, run, LOOK_AHEAD);
        let feed = self.feed(&group);
        let (draws, owed) = (VecDeque::new(), Vec::new());
        let mut work = Work { keeper: self, group, page, feed, draws, owed, stopping: false };
        let end = work.go_on().await;
        if let Err(fault) = &end {
            let why = fault.to_string();
            work.owed.drain(..).for_each(|owed| owed(Err(why.clone())));
            work.draws.drain(..).for_each(|draw| draw.refuse(&why));
        }
        end
    }

    /// What a group is to be offered.
    fn feed(&self, group: &Group) -> Feed {
        let looks = Arc::clone(&self.looks);
        Feed::follow(&*self.ledger, &group.durable().definition, group.seen(), looks)
    }

    /// Tells everybody why there is nothing, for a while.
    async fn refuse_for(&mut self, wait: Duration, why: &str) -> ControlFlow<()> {
        let until = Instant::now() + wait;
        loop {
            let ask = tokio::select! {
                () = sleep_until(until) => return ControlFlow::Continue(()),
                ask = self.inbox.recv() => ask,
            };
            match ask {
                None => return ControlFlow::Break(()),
                Some(Ask::Step(step)) => drop(step(Err(why))),
                Some(Ask::Draw(draw)) => draw.refuse(why),
                Some(Ask::Delete(answer)) => drop(answer.send(Err(why.to_owned()))),
            }
        }
    }
}

impl Work<'_> {
    async fn go_on(&mut self) -> Result<(), Fault> {
        loop {
            let wake = self.wake();
            let hungry = self.group.wants_more() && self.feed.is_empty();
            let asked = tokio::select! {
                ask = self.keeper.inbox.recv() => match ask {
                    None => return Ok(()),
                    Some(ask) => Some(ask),
                },
                more = self.feed.more(), if hungry => { more?; None }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => None,
                () = stop(&mut self.keeper.stopping), if !self.stopping => {
                    self.stopping = true;
                    None
                }
            };
            if let Some(ask) = asked
                && self.take(ask).await?.is_break()
            {
                return Ok(());
            }
            self.feed.offer_to(&mut self.group);
            self.group.tick(self.keeper.clock.now());
            self.write().await?;
            self.serve().await?;
        }
    }

    /// Makes the steps that have come.
    async fn take(&mut self, ask: Ask) -> Result<ControlFlow<()>, Fault> {
        let now = self.keeper.clock.now();
        let (seen, mut next, mut steps) = (self.group.seen(), Some(ask), 0);
        while let Some(ask) = next {
            match ask {
                Ask::Step(step) => self.owed.extend(step(Ok((&mut self.group, now)))),
                Ask::Draw(draw) if self.draws.len() < DRAWS_MAX => self.draws.push_back(draw),
                Ask::Draw(draw) => draw.refuse("too many wait for events of the group"),
                Ask::Delete(answer) => {
                    self.page.delete().await?;
                    let _ = answer.send(Ok(()));
                    return Ok(ControlFlow::Break(()));
                }
            }
            steps += 1;
            next = (steps < STEPS_MAX).then(|| self.keeper.inbox.try_recv().ok()).flatten();
        }
        if seen != self.group.seen() {
            // It begins anew elsewhere: nothing of what was found before may be offered.
            self.feed = self.keeper.feed(&self.group);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Writes down what happened, and then says so.
    async fn write(&mut self) -> Result<(), Fault> {
        let changes = self.group.changes();
        if !changes.is_empty() {
            self.page.write(&changes, self.group.durable()).await?;
        }
        mem::take(&mut self.owed).into_iter().for_each(|owed| owed(Ok(())));
        Ok(())
    }

    /// Gives events to those who wait, in the order they came.
    async fn serve(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        for _ in 0..self.draws.len() {
            let Some(draw) = self.draws.pop_front() else { break };
            if draw.answer.is_closed() {
                continue;
            }
            if self.stopping {
                draw.nothing(State::of(&self.group));
                continue;
            }
            if let Some(draw) = self.give(draw).await? {
                match draw.until <= now {
                    true => draw.nothing(State::of(&self.group)),
                    false => self.draws.push_back(draw),
                }
            }
        }
        Ok(())
    }

    /// Gives events to one of them; back it comes when there is none.
    async fn give(&mut self, draw: Draw) -> Result<Option<Draw>, Fault> {
        while self.group.has_ready() {
            let now = self.keeper.clock.now();
            let deliveries = self.group.draw(&draw.consumer, draw.max, now);
            if deliveries.is_empty() {
                break;
            }
            let ledger = Arc::clone(&self.keeper.ledger);
            let definition = self.group.durable().definition.clone();
            let fetched = blocking(fetch(ledger, definition, deliveries)).await?;
            fetched.left.iter().for_each(|delivery| self.group.give_back(delivery.id));
            fetched.gone.iter().for_each(|delivery| self.group.gone(delivery.position));
            self.write().await?;
            if fetched.given.is_empty() {
                continue;
            }
            let tally = &self.keeper.tally;
            let again = fetched.given.iter().filter(|one| one.delivery.attempt > 1).count();
            let given = fetched.given.len();
            let drawn = Drawn { given: fetched.given, state: State::Active };
            let given_to = draw.answer.send(Ok(drawn));
            if given_to.is_ok() {
                tally.deliveries.fetch_add(given as u64, Ordering::Relaxed);
                tally.retries.fetch_add(again as u64, Ordering::Relaxed);
            }
            if let Err(Ok(Drawn { given, .. })) = given_to {
                given.iter().for_each(|one| self.group.give_back(one.delivery.id));
            }
            return Ok(None);
        }
        Ok(Some(draw))
    }

    /// When to look again though nothing comes.
    fn wake(&self) -> Option<Instant> {
        let due = self.group.next_due().map(|due| self.keeper.clock.instant(due));
        let draws = self.draws.iter().map(|draw| draw.until).min();
        due.into_iter().chain(draws).min()
    }
}
