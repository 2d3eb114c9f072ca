//! The clocks: the one that waits are measured with, and the one that events carry the time of. A
//! wrong time loses no event and no order; it makes `as_of` a time answer something else than meant.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

use super::finding::{Finding, Look};

const MONOTONIC: Look = Look("clock", "monotonic");
const WALL: Look = Look("clock", "time");
const SYNCHRONISED: Look = Look("clock", "synchronised");

/// 2026-01-01: nobody ran this version before.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
const READINGS: u32 = 10_000;
/// Sources of time that are asked over a slow bus.
const SLOW_SOURCES: [&str; 5] = ["acpi_pm", "hpet", "pit", "jiffies", "refined-jiffies"];
const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
/// Written by systemd-timesyncd when it has set the clock.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

pub(super) fn look() -> Vec<Finding> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    vec![monotonic(), wall(now), synchronised(asked())]
}

fn monotonic() -> Finding {
    let read = || {
        let now = clock_gettime(ClockId::Monotonic);
        (now.tv_sec, now.tv_nsec)
    };
    let (first, mut last, mut back) = (read(), read(), false);
    for _ in 0..READINGS {
        let now = read();
        back |= now < last;
        last = now;
    }
    let nanos =
        |(seconds, nanos): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let each = (nanos(last) - nanos(first)) / i128::from(READINGS);
    let source = fs::read_to_string(SOURCE).unwrap_or_default();
    let source = if source.is_empty() { "unknown source" } else { source.trim() };
    let found = format!("{source}; a reading takes {each} ns");
    match () {
        () if back => {
            MONOTONIC.bad(format!("{found}; it went back"), "look at the machine's firmware")
        }
        () if SLOW_SOURCES.contains(&source) => {
            MONOTONIC.warning(found, "clocksource=tsc, if the machine's is stable")
        }
        () => MONOTONIC.good(found),
    }
}

fn wall(now: Duration) -> Finding {
    let shown = jiff::Timestamp::from_second(now.as_secs() as i64).unwrap_or_default().to_string();
    match now < EARLIEST {
        true => WALL.bad(format!("{shown} is past"), "set the clock before anything is recorded"),
        false => WALL.good(shown),
    }
}

/// Whether the kernel's clock is kept by somebody; nothing when nobody says.
fn asked() -> Option<bool> {
    let said = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).as_deref() {
        Ok("yes") => Some(true),
        Ok("no") => Some(false),
        _ => fs::exists(TIMESYNCD).ok().filter(|there| *there),
    }
}

fn synchronised(said: Option<bool>) -> Finding {
    match said {
        Some(true) => SYNCHRONISED.good("yes"),
        Some(false) => SYNCHRONISED.warning("no", "run chrony, systemd-timesyncd or ntpd"),
        None => SYNCHRONISED.warning(
            "nobody here can say (timedatectl does not answer)",
            "in a container: be sure that the machine below keeps its clock",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Mark;

    #[test]
    fn a_clock_that_was_never_set_is_bad() {
        assert_eq!(wall(Duration::from_secs(60)).mark, Mark::Bad);
        let fine = wall(EARLIEST + Duration::from_secs(3_600));
        assert_eq!((fine.mark, &*fine.found), (Mark::Good, "2026-01-01T01:00:00Z"));
        assert_eq!(synchronised(Some(false)).mark, Mark::Warning);
        assert_eq!(monotonic().mark, Mark::Good);
    }
}
