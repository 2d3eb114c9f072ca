//! [`Sealed`]: the index file of one sealed segment, or of several adjacent ones. It is immutable,
//! derived from the log, and the same bytes whenever it is built from the same events.
//!
//! ```text
//!   | header | frames | short lists | trees of long lists | dictionary | filter |    all in pages
//!   first ≤ position ≤ last; in the file a position is its place: position − first, u32
//! ```
//! Invariants:
//! 1. Every event's terms are in it, at its place; a term says exactly how many events carry it.
//! 2. Only the header stays in memory (G12), and the filter while there is room for it.
//! 3. A byte that is not what was written is an error, never an answer (G10).

use std::sync::{Arc, OnceLock};

use factum_store::{Position, Timestamp};

use super::{
    Place,
    dictionary::{self, DictionaryWriter},
    filter::{self, Filter},
    frames::{self, FrameLeaf, FrameRow, FramesWriter},
    header::{Covered, Header, Span},
    pages::{IndexCache, IndexError, PageRun, Pages, Recent, Tally, seal_of},
    postings::{Cursor, PostingsWriter, Stored},
    term::Term,
};
use crate::machine::File;

/// What a sealed file is made from.
pub(super) struct Contents {
    pub(super) first: Position,
    pub(super) last: Position,
    /// For each segment which one it is, and its frames.
    pub(super) segments: Vec<(Covered, Vec<FrameRow>)>,
}

impl Contents {
    /// The bytes of the file. `terms` hands over each term once, in rising order, with the places
    /// that carry it, also rising.
    pub(super) fn seal(&self, terms: impl FnOnce(&mut dyn FnMut(Term, &[u32]))) -> Vec<u8> {
        let (frames, frame_leaves) = self.frames();
        let mut postings = PostingsWriter::default();
        let (mut dictionary, mut known) = (DictionaryWriter::default(), Vec::new());
        terms(&mut |term, places| {
            dictionary.push(term, &postings.keep(places));
            known.push(term);
        });
        let (packed, trees) = postings.finish();
        let (dictionary, buckets) = dictionary.finish();
        let (filter, filter_blocks) = filter::pages_of(&known);

        let frames_span = Span { first: 1, pages: frames.pages() };
        let packed_span = frames_span.then(packed.pages());
        let trees_span = packed_span.then(trees.pages());
        let dictionary_span = trees_span.then(dictionary.pages());
        let times = || self.segments.iter().flat_map(|(_, frames)| frames).map(|row| row.time);
        let header = Header {
            first: self.first,
            last: self.last,
            earliest: Timestamp::from_micros(times().next().unwrap_or_default()),
            latest: Timestamp::from_micros(times().next_back().unwrap_or_default()),
            frames: frames_span,
            frame_leaves,
            packed: packed_span,
            trees: trees_span,
            dictionary: dictionary_span,
            buckets,
            filter: dictionary_span.then(filter.pages()),
            filter_blocks,
            terms: known.len() as u64,
            segments: self.segments.iter().map(|(segment, _)| *segment).collect(),
        };
        // Each run goes when the file has it: an index in the making is in memory once, not twice.
        let mut file = PageRun::for_pages(header.filter.then(0).first);
        file.push(&header.body());
        [frames, packed, trees, dictionary, filter].into_iter().for_each(|run| file.append(run));
        file.seal()
    }

    fn frames(&self) -> (PageRun, u32) {
        let mut writer = FramesWriter::default();
        let mut ends = self.segments.iter().skip(1).map(|(segment, _)| segment.first);
        for (i, (_, frames)) in self.segments.iter().enumerate() {
            let end = ends.next().unwrap_or(self.last.next()).0 - self.first.0;
            writer.push_segment(i as u16, frames, end as u32);
        }
        writer.finish()
    }
}

/// An open index file.
pub(crate) struct Sealed {
    header: Header,
    pages: Pages,
    /// Fetched when it is first of use; `None` inside when there was no room for it.
    filter: OnceLock<Option<Filter>>,
}

impl Sealed {
    /// Opens an index file: reads and checks its header, nothing else.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when it is not a whole index file: build it again.
    pub(crate) fn open(file: Arc<dyn File>, cache: &IndexCache) -> Result<Self, IndexError> {
        let mut pages = Pages::new(file, cache);
        let body = pages.fetch(0)?;
        let damaged = |problem| IndexError::Damaged { page: 0, problem };
        let header = Header::parse(&body).ok_or(damaged("it is not a header of version 2"))?;
        if pages.file.len().map_err(Arc::new)? != header.file_bytes() {
            return Err(damaged("the file has another length than its header says"));
        }
        pages.seal = seal_of(&body);
        Ok(Self { header, pages, filter: OnceLock::new() })
    }

    pub(crate) fn first(&self) -> Position {
        self.header.first
    }

    pub(crate) fn last(&self) -> Position {
        self.header.last
    }

    /// The segments that it is of.
    pub(crate) fn segments(&self) -> &[Covered] {
        &self.header.segments
    }

    /// When its first and its last event were recorded.
    pub(crate) fn times(&self) -> (Timestamp, Timestamp) {
        (self.header.earliest, self.header.latest)
    }

    fn recent<'a>(&'a self, tally: &'a Tally) -> Recent<'a> {
        Recent::new(&self.pages, tally)
    }

    fn stored(&self, term: Term, recent: &mut Recent<'_>) -> Result<Stored, IndexError> {
        let Header { dictionary, buckets, packed, trees, .. } = &self.header;
        match dictionary::find(recent, dictionary.first, *buckets, term)? {
            None => Ok(Stored::none()),
            Some(payload) => {
                let stored = Stored::parse(&payload, packed.first, trees.first);
                let (page, problem) = (dictionary.first, "an entry can't be read");
                stored.ok_or(IndexError::Damaged { page, problem })
            }
        }
    }

    /// Whether a term may be in it; `false` is certain.
    fn may_have(&self, term: Term) -> Result<bool, IndexError> {
        let filter = match self.filter.get() {
            Some(filter) => filter,
            None => {
                let fetched = self.fetch_filter()?;
                self.filter.get_or_init(|| fetched)
            }
        };
        Ok(filter.as_ref().is_none_or(|filter| filter.may_have(term)))
    }

    fn fetch_filter(&self) -> Result<Option<Filter>, IndexError> {
        let Header { filter: span, filter_blocks: blocks, .. } = self.header;
        let Some(room) = self.pages.filters.take(blocks) else { return Ok(None) };
        let filter = self.pages.run(span, |bodies| Filter::of(bodies, blocks, room))?;
        let (page, problem) = (span.first, "the filter is cut off");
        filter.map(Some).ok_or(IndexError::Damaged { page, problem })
    }

    /// How many events carry a term, exactly, and the cursor over them. At most one page is read.
    pub(crate) fn postings<'a>(
        &'a self,
        term: Term,
        tally: &'a Tally,
    ) -> Result<(u64, SealedCursor<'a>), IndexError> {
        let mut recent = self.recent(tally);
        let stored = match self.may_have(term)? {
            true => self.stored(term, &mut recent)?,
            false => Stored::none(),
        };
        let count = stored.count;
        Ok((count, SealedCursor { first: self.first(), cursor: Cursor::new(stored, recent) }))
    }

    /// Finds where events lie.
    pub(crate) fn locator<'a>(&'a self, tally: &'a Tally) -> SealedLocator<'a> {
        SealedLocator { sealed: self, recent: self.recent(tally), leaf: None }
    }

    /// Between which two positions the last one lies that was recorded at or before a time, of
    /// which the first certainly was; `None` when all were recorded later.
    pub(crate) fn around(
        &self,
        time: Timestamp,
        tally: &Tally,
    ) -> Result<Option<(Position, Position)>, IndexError> {
        if time >= self.header.latest {
            return Ok(Some((self.last(), self.last())));
        }
        if time < self.header.earliest {
            return Ok(None);
        }
        let tree = frames::tree(self.header.frames.first, self.header.frame_leaves);
        let leaf = frames::leaf_by(&tree, &mut self.recent(tally), time.micros)?;
        let position = |place: u32| Position(self.first().0 + u64::from(place));
        Ok(leaf.map(|leaf| (position(leaf.begin()), position(leaf.end).prev())))
    }
}

/// Walks the events of a sealed file that carry a term.
pub(crate) struct SealedCursor<'a> {
    first: Position,
    cursor: Cursor<'a>,
}

impl SealedCursor<'_> {
    pub(crate) fn at_or_after(&mut self, target: Position) -> Result<Option<Position>, IndexError> {
        match u32::try_from(target.0.saturating_sub(self.first.0)) {
            Ok(place) => Ok(self.cursor.at_or_after(place)?.map(|place| self.position(place))),
            Err(_) => Ok(None),
        }
    }

    pub(crate) fn at_or_before(
        &mut self,
        target: Position,
    ) -> Result<Option<Position>, IndexError> {
        match target.0.checked_sub(self.first.0) {
            Some(place) => {
                let place = u32::try_from(place).unwrap_or(u32::MAX);
                Ok(self.cursor.at_or_before(place)?.map(|place| self.position(place)))
            }
            None => Ok(None),
        }
    }

    fn position(&self, place: u32) -> Position {
        Position(self.first.0 + u64::from(place))
    }
}

/// Finds where events lie; positions near each other cost one page.
pub(crate) struct SealedLocator<'a> {
    sealed: &'a Sealed,
    recent: Recent<'a>,
    leaf: Option<FrameLeaf>,
}

impl SealedLocator<'_> {
    /// Where a position of this file lies.
    pub(crate) fn locate(&mut self, position: Position) -> Result<Option<Place>, IndexError> {
        let header = &self.sealed.header;
        if position < header.first || position > header.last {
            return Ok(None);
        }
        let place = (position.0 - header.first.0) as u32;
        let leaf = match self.leaf.take().filter(|leaf| leaf.contains(place)) {
            Some(leaf) => leaf,
            None => {
                let tree = frames::tree(header.frames.first, header.frame_leaves);
                frames::leaf_of(&tree, &mut self.recent, place)?
            }
        };
        let leaf = self.leaf.insert(leaf);
        let segment = header.segments.get(usize::from(leaf.segment)).map(|of| of.first);
        let found = leaf.at(place).zip(segment);
        Ok(found.map(|((first, offset, bytes), segment)| Place {
            segment,
            offset,
            bytes,
            slot: place - first,
        }))
    }
}
