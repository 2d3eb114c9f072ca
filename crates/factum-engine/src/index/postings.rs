//! Postings: the places of one term in a sealed file, and the [`Cursor`] that walks them.
//!
//! Places are counted from the file's first position and kept as differences (`varint`). Where a
//! list lies depends on its length, and the dictionary's payload says which it is:
//!
//! ```text
//!   inline   | count varint | 0 | list |                                   up to 24 bytes
//!   packed   | count varint | 1 | page varint | at varint |                many lists share a page
//!   tree     | count varint | 2 | first page varint | leaves varint |      a leaf: count u16, list
//! ```
//! The list of a leaf begins anew, and the fences above the leaves (see `tree`) have the first
//! place of each, so a seek reads one or two pages, however long the list is.

use super::{
    pages::{BODY_BYTES, IndexError, PageRun, Recent, Take, put_varint},
    tree::Tree,
};

const INLINE_BYTES_MAX: usize = 24;
const INLINE: u8 = 0;
const PACKED: u8 = 1;
const TREE: u8 = 2;

/// The rows of a tree of postings: the first place of a leaf, u32.
const ROW_BYTES: usize = 4;

/// The most bytes that one place adds to a list.
const PLACE_BYTES_MAX: usize = 5;

/// Writes the lists of a file, in two runs of pages.
#[derive(Default)]
pub(super) struct PostingsWriter {
    packed: PageRun,
    packing: Vec<u8>,
    trees: PageRun,
}

impl PostingsWriter {
    /// Keeps a list; returns the payload by which the dictionary finds it again.
    pub(super) fn keep(&mut self, places: &[u32]) -> Vec<u8> {
        let mut payload = Vec::new();
        put_varint(&mut payload, places.len() as u64);
        // A list that certainly is too long for one page is not encoded in vain.
        let list = if places.len() > BODY_BYTES { Vec::new() } else { encode(places) };
        if places.len() > BODY_BYTES || list.len() > BODY_BYTES {
            let (first, leaves) = self.keep_tree(places);
            payload.push(TREE);
            put_varint(&mut payload, u64::from(first));
            put_varint(&mut payload, u64::from(leaves));
        } else if list.len() > INLINE_BYTES_MAX {
            if self.packing.len() + list.len() > BODY_BYTES {
                self.packed.push(&std::mem::take(&mut self.packing));
            }
            payload.push(PACKED);
            put_varint(&mut payload, u64::from(self.packed.pages()));
            put_varint(&mut payload, self.packing.len() as u64);
            self.packing.extend_from_slice(&list);
        } else {
            payload.push(INLINE);
            payload.extend_from_slice(&list);
        }
        payload
    }

    fn keep_tree(&mut self, places: &[u32]) -> (u32, u32) {
        let first = self.trees.pages();
        let (mut rows, mut body, mut count, mut before) = (Vec::new(), vec![0, 0], 0_u16, 0);
        for (i, place) in places.iter().enumerate() {
            if count == 0 {
                rows.extend_from_slice(&place.to_le_bytes());
                before = 0;
            }
            put_varint(&mut body, u64::from(place - before));
            before = *place;
            count += 1;
            if body.len() + PLACE_BYTES_MAX > BODY_BYTES || i + 1 == places.len() {
                body[..2].copy_from_slice(&count.to_le_bytes());
                self.trees.push(&body);
                body.truncate(2);
                count = 0;
            }
        }
        let leaves = self.trees.pages() - first;
        Tree::write_fences(&mut self.trees, ROW_BYTES, rows);
        (first, leaves)
    }

    /// The pages of the short lists, and those of the trees.
    pub(super) fn finish(mut self) -> (PageRun, PageRun) {
        if !self.packing.is_empty() {
            self.packed.push(&self.packing);
        }
        (self.packed, self.trees)
    }
}

fn encode(places: &[u32]) -> Vec<u8> {
    let (mut list, mut before) = (Vec::new(), 0);
    for place in places {
        put_varint(&mut list, u64::from(place - before));
        before = *place;
    }
    list
}

fn decode(mut list: Take<'_>, count: usize) -> Option<Vec<u32>> {
    let mut places = Vec::with_capacity(count.min(BODY_BYTES));
    let mut place = 0_u32;
    for _ in 0..count {
        place = place.checked_add(list.varint32()?)?;
        places.push(place);
    }
    Some(places)
}

/// A list as the dictionary knows it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) count: u64,
    lies: Lies,
}

#[derive(Clone, Debug)]
enum Lies {
    Inline(Vec<u32>),
    Packed { page: u32, at: usize },
    Tree(Tree),
}

impl Stored {
    /// Reads a payload. `packed` and `trees` are the first pages of the two runs.
    pub(super) fn parse(payload: &[u8], packed: u32, trees: u32) -> Option<Self> {
        let mut take = Take(payload);
        let count = take.varint()?;
        let lies = match take.bytes(1)? {
            [INLINE] => Lies::Inline(decode(take, count.try_into().ok()?)?),
            [PACKED] => {
                let page = packed.checked_add(take.varint32()?)?;
                Lies::Packed { page, at: take.varint()?.try_into().ok()? }
            }
            [TREE] => {
                let first = trees.checked_add(take.varint32()?)?;
                let tree = Tree { first, leaves: take.varint32()?, row_bytes: ROW_BYTES };
                Lies::Tree(Some(tree).filter(Tree::fits)?)
            }
            _ => return None,
        };
        Some(Self { count, lies })
    }

    pub(super) fn none() -> Self {
        Self { count: 0, lies: Lies::Inline(Vec::new()) }
    }
}

/// Walks a list in a sealed file in either direction. Reads nothing before it is asked.
pub(super) struct Cursor<'a> {
    stored: Stored,
    recent: Recent<'a>,
    /// The part of the list that was looked at last, and which leaf it is.
    loaded: Vec<u32>,
    leaf: Option<u32>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(stored: Stored, recent: Recent<'a>) -> Self {
        Self { stored, recent, loaded: Vec::new(), leaf: None }
    }

    /// The first place at or after `target`.
    pub(super) fn at_or_after(&mut self, target: u32) -> Result<Option<u32>, IndexError> {
        let leaf = self.load_around(target)?;
        let later = self.loaded.partition_point(|place| *place < target);
        if let Some(place) = self.loaded.get(later) {
            return Ok(Some(*place));
        }
        match self.stored.lies {
            Lies::Tree(tree) if leaf + 1 < tree.leaves => {
                self.load(leaf + 1)?;
                Ok(self.loaded.first().copied())
            }
            _ => Ok(None),
        }
    }

    /// The last place at or before `target`.
    pub(super) fn at_or_before(&mut self, target: u32) -> Result<Option<u32>, IndexError> {
        self.load_around(target)?;
        let upto = self.loaded.partition_point(|place| *place <= target);
        Ok(upto.checked_sub(1).map(|last| self.loaded[last]))
    }

    /// Loads the leaf that `target` is in or would be in; the first one when it is before all.
    fn load_around(&mut self, target: u32) -> Result<u32, IndexError> {
        let within = self.loaded.first().is_some_and(|first| *first <= target)
            && self.loaded.last().is_some_and(|last| target <= *last);
        if let (Some(leaf), true) = (self.leaf, within) {
            return Ok(leaf);
        }
        let leaf = match self.stored.lies {
            Lies::Tree(tree) => {
                let begins = |row: &[u8]| Take(row).u32().is_some_and(|first| first <= target);
                tree.last_leaf(&mut self.recent, begins)?.unwrap_or(0)
            }
            _ => 0,
        };
        self.load(leaf)?;
        Ok(leaf)
    }

    fn load(&mut self, leaf: u32) -> Result<(), IndexError> {
        if self.leaf == Some(leaf) {
            return Ok(());
        }
        self.loaded = match &self.stored.lies {
            Lies::Inline(places) => places.clone(),
            Lies::Packed { page, at } => {
                let body = self.recent.read(*page)?;
                let list = body.get(*at..).map(Take);
                let places = list.and_then(|list| decode(list, self.stored.count as usize));
                let problem = "a list is cut off";
                places.ok_or(IndexError::Damaged { page: *page, problem })?
            }
            Lies::Tree(tree) => {
                let page = tree.first + leaf;
                let body = self.recent.read(page)?;
                let mut take = Take(&body);
                let places = take.u16().and_then(|count| decode(take, count.into()));
                places.ok_or(IndexError::Damaged { page, problem: "a leaf is cut off" })?
            }
        };
        self.leaf = Some(leaf);
        Ok(())
    }
}
