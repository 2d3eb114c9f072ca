//! What a service manager such as systemd is told (`sd_notify`): that the server answers, reads its
//! certificates again, ends, and is alive. Where nobody listens nothing is said.

use std::{convert::Infallible, future::pending};

use sd_notify::NotifyState;

/// Requests are answered from now on.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The certificates are being read again; [`reloaded`] follows.
pub(crate) fn reloading() {
    // Newer managers want to know since when.
    if let Ok(since) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, since]);
    }
}

/// What was [`reloading`] is done.
pub(crate) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// It was asked to end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("requests and streams end")]);
}

/// Says that the runtime still turns, twice in the time after which the manager would start the
/// server again, for ever.
pub(crate) async fn alive() -> Infallible {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
    else {
        return pending().await;
    };
    let mut beats = tokio::time::interval(patience / 2);
    loop {
        beats.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager can't be told how the server stands");
    }
}
