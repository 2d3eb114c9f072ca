//! [`History`]: every request and every attempt at it, with when it began and ended and what was
//! answered: the clients' side of the story, which the log is compared with.

use factum_store::{Append, Receipt};

/// What clients asked and were answered.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) requests: Vec<Request>,
    pub(crate) attempts: Vec<Attempt>,
    /// Heads that were seen, and between which steps.
    pub(crate) sights: Vec<(u64, u64, u64)>,
}

/// A batch of events that says in its data which request it is. It may be tried several times.
pub(crate) struct Request {
    pub(crate) append: Append,
    /// Its attempts.
    pub(crate) attempts: Vec<usize>,
    /// The position of its first event, once it was seen in the log.
    pub(crate) placed: Option<u64>,
}

/// A request that was handed in.
pub(crate) struct Attempt {
    pub(crate) request: usize,
    pub(crate) invoked: u64,
    /// When it was answered, or could no longer happen.
    pub(crate) responded: u64,
    pub(crate) answer: Answer,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It has not yet.
    Waiting,
    /// It was acknowledged.
    Yes(Receipt),
    /// It was refused: nothing was written.
    No,
    /// Nobody knows whether it was written; after the next restart the log knows.
    Unknown,
    /// It was not known, and then it was not in the log: it never happened.
    Lost,
}

impl History {
    /// A new request, and its number.
    pub(crate) fn request(&mut self, append: Append) -> usize {
        self.requests.push(Request { append, attempts: Vec::new(), placed: None });
        self.requests.len() - 1
    }

    /// Another attempt at a request.
    pub(crate) fn attempt(&mut self, request: usize, invoked: u64) -> usize {
        let answer = Answer::Waiting;
        self.attempts.push(Attempt { request, invoked, responded: u64::MAX, answer });
        let number = self.attempts.len() - 1;
        self.requests[request].attempts.push(number);
        number
    }

    /// Whether some attempt at a request may have been written, or was.
    pub(crate) fn may_exist(&self, request: usize) -> bool {
        let mut attempts = self.requests[request].attempts.iter().map(|at| &self.attempts[*at]);
        attempts.any(|attempt| {
            matches!(attempt.answer, Answer::Waiting | Answer::Unknown | Answer::Yes(_))
        })
    }

    /// After a restart the log says what became of the attempts whose outcome was not known.
    pub(crate) fn settle(&mut self, step: u64) {
        for attempt in &mut self.attempts {
            if matches!(attempt.answer, Answer::Waiting | Answer::Unknown) {
                attempt.responded = attempt.responded.min(step);
                if self.requests[attempt.request].placed.is_none() {
                    attempt.answer = Answer::Lost;
                }
            }
        }
    }
}
