//! A server that runs: whether it can be reached, and whether requests are to be sent there.

use super::finding::{Finding, Look};
use crate::{output::count, remote::Remote};

const READY: Look = Look("server", "ready");

pub(super) fn look(server: &Remote) -> Finding {
    match server.get("/ready") {
        Ok(ready) => {
            let number = |name: &str| ready[name].as_u64().unwrap_or_default();
            let (failing, views) = (number("views_failing"), number("views"));
            let found =
                format!("ready: {}, {}", count(number("ledgers"), "ledger"), count(views, "view"));
            match failing {
                0 => READY.good(found),
                _ => READY.warning(
                    format!("{found}, of which {failing} stand still"),
                    "factum views, or GET /v1/ledgers/LEDGER/views, says why",
                ),
            }
        }
        Err(failure) => READY.bad(failure.what, failure.hint),
    }
}
