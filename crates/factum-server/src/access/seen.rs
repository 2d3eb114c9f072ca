//! [`Seen`]: the signals of a subscription, without the events that are hidden from somebody, those
//! that were not asked for, and those that retention hides in a stream that is asked for by name.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use factum_store::{
    BoxFuture, BoxStream, Ledger, Query, ReadError, RecordedEvent, Signal, StreamInfo, StreamName,
};
use futures_lite::Stream;

use super::{scope::Scope, tokens::now};

/// Hidden events after which a subscription says how far it is.
const PROGRESS_EVERY: u64 = 1_024;

type Signals = BoxStream<Result<Signal, ReadError>>;
type Looking = BoxFuture<'static, Result<StreamInfo, ReadError>>;

/// The signals of a subscription, as far as somebody may see them.
pub(super) struct Seen {
    signals: Signals,
    asked: Query,
    reads: Scope,
    ledger: Arc<dyn Ledger>,
    /// An event of a stream of which it is looked up what its readers see.
    looking: Option<(Box<RecordedEvent>, Looking)>,
    /// Events that were left out since it last said something.
    hidden: u64,
}

/// What becomes of an event.
enum Shown {
    Yes,
    No,
    /// What the readers of its stream see.
    AsItsStreamShows(StreamName),
}

impl Seen {
    /// Those of `signals` that were asked for; more may be in them than that.
    pub(super) fn new(
        signals: Signals,
        asked: Query,
        reads: Scope,
        ledger: Arc<dyn Ledger>,
    ) -> Self {
        Self { signals, asked, reads, ledger, looking: None, hidden: 0 }
    }

    fn shows(&self, event: &RecordedEvent) -> Shown {
        if !self.reads.has(&event.event_type, &event.tags) {
            return Shown::No;
        }
        let mut found = self.asked.items.iter().filter(|item| item.matches_named(event)).peekable();
        match (found.peek().is_some(), found.all(|item| item.stream.is_some()), &event.stream) {
            (false, ..) => Shown::No,
            (true, true, Some(place)) => Shown::AsItsStreamShows(place.name.clone()),
            (true, ..) => Shown::Yes,
        }
    }

    /// Says an event.
    fn say(&mut self, event: Box<RecordedEvent>) -> Signal {
        self.hidden = 0;
        Signal::Event(event)
    }

    /// Leaves an event out; says how far it is when many were.
    fn leave_out(&mut self, event: &RecordedEvent) -> Option<Signal> {
        self.hidden += 1;
        if self.hidden < PROGRESS_EVERY {
            return None;
        }
        self.hidden = 0;
        Some(Signal::Progress(event.position))
    }

    /// What the look-up comes to, if there is one.
    fn looked(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Option<Signal>, ReadError>>> {
        let Some((_, info)) = &mut self.looking else { return Poll::Ready(None) };
        let info = ready!(info.as_mut().poll(cx));
        let Some((event, _)) = self.looking.take() else { return Poll::Ready(None) };
        let shown = info.map(|info| {
            let shows = |revision| info.window(now()).shows(revision, event.recorded_at);
            event.stream.as_ref().is_some_and(|place| shows(place.revision))
        });
        Poll::Ready(Some(shown.map(|shown| match shown {
            true => Some(self.say(event)),
            false => self.leave_out(&event),
        })))
    }
}

impl Stream for Seen {
    type Item = Result<Signal, ReadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match ready!(this.looked(cx)) {
                None | Some(Ok(None)) => {}
                Some(Ok(Some(signal))) => return Poll::Ready(Some(Ok(signal))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
            let event = match ready!(this.signals.as_mut().poll_next(cx)) {
                Some(Ok(Signal::Event(event))) => event,
                other => {
                    this.hidden = 0;
                    return Poll::Ready(other);
                }
            };
            match this.shows(&event) {
                Shown::Yes => return Poll::Ready(Some(Ok(this.say(event)))),
                Shown::No => {
                    if let Some(progress) = this.leave_out(&event) {
                        return Poll::Ready(Some(Ok(progress)));
                    }
                }
                Shown::AsItsStreamShows(stream) => {
                    let ledger = Arc::clone(&this.ledger);
                    let info = Box::pin(async move { ledger.stream(stream).await });
                    this.looking = Some((event, info));
                }
            }
        }
    }
}
