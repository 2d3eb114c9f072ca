//! What of a batch is refused because it would say nonsense about a stream, before a byte of it is
//! written.

use std::collections::HashSet;

use super::Retention;
use crate::{Invalid, NewEvent, StreamName};

/// Checks the events of a batch that say what is kept of streams.
pub(crate) fn check_batch(events: &[NewEvent]) -> Result<(), Invalid> {
    let mut ended: HashSet<&StreamName> = HashSet::new();
    for (i, event) in events.iter().enumerate() {
        let within = |invalid: Invalid| invalid.within(&format!("events[{i}]"));
        check_event(event).map_err(within)?;
        let Some(stream) = &event.stream else { continue };
        if ended.contains(stream) {
            return Err(within(Invalid::new("stream", "has its tombstone earlier in this append")));
        }
        if event.event_type.is_tombstone() {
            ended.insert(stream);
        }
    }
    Ok(())
}

fn check_event(event: &NewEvent) -> Result<(), Invalid> {
    let of_metadata = event.stream.as_ref().filter(|stream| stream.is_metadata_stream());
    if event.event_type.is_metadata() {
        return check_metadata(event, of_metadata);
    }
    if of_metadata.is_some() {
        let problem = "begins with $$: only $metadata events say what is kept of a stream";
        return Err(Invalid::new("stream", problem));
    }
    if event.event_type.is_tombstone() && event.stream.is_none() {
        let problem = "is missing; a $tombstone ends the stream that it is in";
        return Err(Invalid::new("stream", problem));
    }
    Ok(())
}

fn check_metadata(event: &NewEvent, stream: Option<&StreamName>) -> Result<(), Invalid> {
    let Some(stream) = stream else {
        let problem = "is not $$ and the name of the stream that the $metadata is about";
        return Err(Invalid::new("stream", problem));
    };
    let of = stream.as_str().trim_start_matches("$$");
    if of.is_empty() || of.len() + 2 != stream.as_str().len() {
        let problem = "names no stream after its $$ that could have metadata";
        return Err(Invalid::new("stream", problem));
    }
    Retention::of_tags(&event.tags).map(drop)
}
