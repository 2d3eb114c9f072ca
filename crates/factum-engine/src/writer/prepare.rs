//! What the caller's own thread does before the writer sees a batch: limits, encoding, terms.

use factum_store::{Append, Invalid, Limits, StreamName, Tag};

use super::foresight::Foresight;
use crate::{
    index::{Indexed, Term, push_terms},
    log::Encoded,
};

/// No frame may be longer: its length has 32 bits, and places in a segment are counted with them.
const FRAME_BYTES_MOST: u64 = 2 << 30;

/// A batch that is within the limits, encoded but for what only the writer knows.
pub(crate) struct Prepared {
    pub(crate) append: Append,
    pub(crate) frame: Encoded,
    pub(crate) terms: BatchTerms,
    pub(crate) foresight: Foresight,
}

/// The terms of the events of a batch, one event after the other.
pub(crate) struct BatchTerms {
    terms: Vec<Term>,
    /// Where the terms of each event end.
    ends: Vec<u32>,
}

impl BatchTerms {
    fn of(append: &Append) -> Self {
        let mut terms = Vec::with_capacity(append.events.len() * 4);
        let ends = append.events.iter().enumerate().map(|(slot, event)| {
            let indexed = Indexed {
                own_id: event.id,
                event_type: event.event_type.as_str(),
                stream: event.stream.as_ref().map(StreamName::as_str),
                key: append.key.as_ref().filter(|_| slot == 0),
            };
            push_terms(indexed, event.tags.iter().map(Tag::as_str), &mut terms);
            terms.len() as u32
        });
        let ends = ends.collect();
        Self { terms, ends }
    }

    /// The terms of each event, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Term]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins.zip(&self.ends).map(|(begin, end)| &self.terms[*begin as usize..*end as usize])
    }
}

/// Checks and encodes a batch.
pub(crate) fn prepare(limits: &Limits, append: Append) -> Result<Prepared, Invalid> {
    prepare_within(FRAME_BYTES_MOST, limits, append)
}

fn prepare_within(
    frame_bytes_most: u64,
    limits: &Limits,
    append: Append,
) -> Result<Prepared, Invalid> {
    limits.check_append(&append)?;
    let frame = Encoded::new(&append);
    // Tags and metadata count too, so that limits alone do not keep a frame within its length.
    if frame.len() > frame_bytes_most {
        let len = frame.len();
        let problem = format!(
            "takes {len} bytes with its tags and metadata; no batch may take more than \
             {frame_bytes_most}: append it in several"
        );
        return Err(Invalid::new("events", problem));
    }
    let terms = BatchTerms::of(&append);
    Ok(Prepared { append, frame, terms, foresight: Foresight::default() })
}

#[cfg(test)]
mod tests {
    use factum_store::NewEvent;

    use super::*;

    #[test]
    fn a_batch_whose_frame_is_too_long_is_refused_and_said_how_long_it_is() {
        let event = NewEvent::new("a".parse().unwrap(), "{}");
        let event = NewEvent { tags: vec!["long:tag".parse().unwrap()], ..event };
        let append = Append::new([event]);
        let len = Encoded::new(&append).len();
        assert!(prepare_within(len, &Limits::default(), append.clone()).is_ok());
        let refused = prepare_within(len - 1, &Limits::default(), append).err().unwrap();
        assert!(refused.to_string().contains(&format!("takes {len} bytes")), "{refused}");
    }
}
