//! What a failed call means, and whether it may be tried again.

use std::time::Duration;

use factum_proto::{Failure, Reason};
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};

use crate::connect::problem;

/// The pause before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why a call failed. What the server did not say itself is known less well: unless the connection
/// was never made, the request may have arrived.
pub(crate) fn failure(status: &Status) -> Failure {
    if !status.details().is_empty() {
        return Failure::of(status);
    }
    let never_sent = std::error::Error::source(status).is_some_and(never_connected);
    let reason = match status.code() {
        _ if never_sent => Reason::Unavailable,
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Internal => {
            Reason::OutcomeUnknown
        }
        _ => Failure::of(status).reason,
    };
    Failure::new(reason, problem(status))
}

fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// How long to try again, and when.
pub(crate) struct Tries {
    until: Instant,
    pause: Pause,
}

impl Tries {
    pub(crate) fn new(span: Duration) -> Self {
        Self { until: Instant::now() + span, pause: Pause::default() }
    }

    /// Waits for the next try; `false` when it is not worth one. What may have been done can only be
    /// `repeated` when it has a key, or changes nothing.
    pub(crate) async fn again(&mut self, failure: &Failure, repeated: bool) -> bool {
        let may = match failure.reason {
            Reason::Busy | Reason::Unavailable => true,
            Reason::OutcomeUnknown => repeated,
            _ => false,
        };
        if !may || Instant::now() + self.pause.next > self.until {
            return false;
        }
        self.pause.wait().await;
        true
    }
}

/// A pause that grows.
pub(crate) struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: PAUSE }
    }
}

impl Pause {
    pub(crate) async fn wait(&mut self) {
        sleep(self.next).await;
        self.next = (self.next * 2).min(PAUSE_MAX);
    }
}
