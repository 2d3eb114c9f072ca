//! [`Observer`]: who is told of work while it is done: of commands, their decisions and appends, and
//! of what views apply. Whoever traces work implements it; without one nothing is made for it.

use factum_store::RecordedEvent;

/// Work that an observer is told of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// A command is run: from the first look at its key to its outcome.
    Command {
        /// Its name.
        name: &'a str,
    },
    /// It is decided, with all that is read for it.
    Decide {
        /// The how-manieth time: a conflict makes it be decided again.
        attempt: u32,
    },
    /// What was decided is appended: until it is durable, or in conflict.
    Append {
        /// How many events, with the one that records the command.
        events: usize,
    },
    /// A view applies events, in one transaction.
    Project {
        /// Its name.
        view: &'a str,
        /// The events, with the traces that they came of.
        events: &'a [RecordedEvent],
    },
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// It did what it is for.
    Done,
    /// A rule of the application refused.
    Refused,
    /// A condition did not hold.
    Conflict,
    /// A fault.
    Failed,
}

/// Who is told.
pub trait Observer: Send + Sync + 'static {
    /// A step begins, as part of what the W3C `traceparent` names, if there is one.
    fn begin(&self, step: Step<'_>, within: Option<&str>) -> Box<dyn Observed>;
}

/// A step that was begun. When it is dropped without [`end`](Self::end), it was given up.
pub trait Observed: Send {
    /// Its own W3C `traceparent`: what is done as part of it, and comes of it, has it as its parent.
    fn trace(&self) -> Option<&str>;

    /// It has ended.
    fn end(self: Box<Self>, ending: Ending);
}

/// A step, if anybody observes.
pub(crate) struct Doing(Option<Box<dyn Observed>>);

impl Doing {
    pub(crate) fn begin(
        observer: Option<&dyn Observer>,
        step: Step<'_>,
        within: Option<&str>,
    ) -> Self {
        Self(observer.map(|observer| observer.begin(step, within)))
    }

    pub(crate) fn trace(&self) -> Option<&str> {
        self.0.as_ref().and_then(|observed| observed.trace())
    }

    pub(crate) fn end(self, ending: Ending) {
        if let Some(observed) = self.0 {
            observed.end(ending);
        }
    }
}
