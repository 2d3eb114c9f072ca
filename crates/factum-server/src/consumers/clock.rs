//! [`Clock`]: the time that groups are told. It begins with the system's and never jumps with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use factum_store::Timestamp;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
    began_at: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        let began_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), began_at }
    }

    pub(super) fn now(&self) -> Timestamp {
        let now = self.began_at + self.began.elapsed();
        Timestamp::from_micros(u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
    }

    /// When a moment is, by the clock that timers go by.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        let after = Duration::from_micros(at.micros).saturating_sub(self.began_at);
        // Nothing waits longer than a day; further away is as good as never.
        self.began + after.min(self.began.elapsed() + Duration::from_secs(86_400 * 2))
    }
}
