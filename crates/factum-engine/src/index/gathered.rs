//! [`Gathered`]: the index of a segment whose events are all known: collected, sorted once, written.
//! The same bytes as [`Tail`](super::Tail) gives, which can be asked while it grows, in a third of
//! the time.

use factum_store::Position;

use super::{frames::FrameRow, header::Covered, sealed::Contents, tail::Entry, term::Term};

/// The index of a closed segment, under construction.
pub(crate) struct Gathered {
    segment: Covered,
    end: Position,
    frames: Vec<FrameRow>,
    places: Vec<(Term, u32)>,
}

impl Gathered {
    pub(crate) fn new(segment: Covered) -> Self {
        Self { segment, end: segment.first, frames: Vec::new(), places: Vec::new() }
    }

    /// Adds the next event.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        assert_eq!(entry.position, self.end, "an index takes positions without gaps");
        let place = (entry.position.0 - self.segment.first.0) as u32;
        if entry.opens_frame {
            let (offset, time) = (entry.offset, entry.recorded_at.micros);
            self.frames.push(FrameRow { place, offset, time });
        }
        self.places.extend(entry.terms.iter().map(|term| (*term, place)));
        self.end = self.end.next();
    }

    /// The bytes of the index file.
    pub(crate) fn seal(mut self) -> Vec<u8> {
        self.places.sort_unstable();
        // An event whose terms collide carries the term once.
        self.places.dedup();
        let (first, last) = (self.segment.first, self.end.prev());
        let contents = Contents { first, last, segments: vec![(self.segment, self.frames)] };
        contents.seal(|each| {
            let mut places = Vec::new();
            for run in self.places.chunk_by(|a, b| a.0 == b.0) {
                places.clear();
                places.extend(run.iter().map(|(_, place)| *place));
                each(run[0].0, &places);
            }
        })
    }
}
