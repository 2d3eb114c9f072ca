//! [`in_real_time`]: the order of positions agrees with real time, checked in O(n log n).
//!
//! The log is the witness of the order, so no search is needed: what ended before something else
//! began must not come after it. Protects G3 and G4.

/// Something that happened between two steps, and where in the log it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The last position that it wrote, or the head that it saw.
    pub position: u64,
    /// When it began.
    pub invoked: u64,
    /// When it ended.
    pub responded: u64,
    /// What it was.
    pub role: Role,
}

/// What stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// An append whose last event is there.
    Append,
    /// It knew of the position, and perhaps of more: a retry that was answered again.
    Knew,
    /// It saw this head, and nothing after it.
    Saw,
}

/// Checks that nothing that ended before something else began stands after it.
///
/// # Errors
/// The two that are in the wrong order.
pub fn in_real_time(moments: &mut [Moment]) -> Result<(), (Moment, Moment)> {
    moments.sort_by_key(|moment| (moment.position, moment.role));
    // Of everything that stands before: what began last.
    let mut latest: Option<Moment> = None;
    let later = |latest: Option<Moment>, moment: Moment| match latest {
        Some(before) if before.invoked >= moment.invoked => Some(before),
        _ => Some(moment),
    };
    for same in moments.chunk_by(|a, b| a.position == b.position) {
        let mut seen_here = latest;
        for moment in same {
            if let Some(before) = latest.filter(|before| moment.responded < before.invoked) {
                return Err((before, *moment));
            }
            match moment.role {
                Role::Append => {
                    latest = later(latest, *moment);
                    seen_here = later(seen_here, *moment);
                }
                // Among those that saw the same, any order is good.
                Role::Saw => seen_here = later(seen_here, *moment),
                Role::Knew => {}
            }
        }
        latest = seen_here;
    }
    Ok(())
}
