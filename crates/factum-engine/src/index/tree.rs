//! [`Tree`]: how one page among many is found in one or two reads.
//!
//! Leaves lie one after another, each with a *row* of fixed width that says where it begins. Rows
//! are packed into pages of *fences*, the first rows of those into a next level, up to one root:
//!
//! ```text
//!   | leaf 0 | leaf 1 | … | leaf n-1 | fences, level 1 | level 2 | … | root |
//!   fences:  count u16, then count rows
//! ```
//! Where each level begins follows from the number of leaves, so nothing else has to be kept.

use super::pages::{BODY_BYTES, Body, IndexError, PageRun, Recent};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    /// The page of the first leaf.
    pub(super) first: u32,
    /// How many leaves there are.
    pub(super) leaves: u32,
    /// The width of a row in bytes.
    pub(super) row_bytes: usize,
}

impl Tree {
    fn fanout(row_bytes: usize) -> usize {
        (BODY_BYTES - 2) / row_bytes
    }

    /// Writes the levels above `leaves` leaves that were just written. `rows` has one row a leaf.
    pub(super) fn write_fences(run: &mut PageRun, row_bytes: usize, mut rows: Vec<u8>) {
        let fanout = Self::fanout(row_bytes);
        while rows.len() > row_bytes {
            let mut above = Vec::new();
            for rows in rows.chunks(fanout * row_bytes) {
                let mut body = ((rows.len() / row_bytes) as u16).to_le_bytes().to_vec();
                body.extend_from_slice(rows);
                run.push(&body);
                above.extend_from_slice(&rows[..row_bytes]);
            }
            rows = above;
        }
    }

    /// Whether all its pages have numbers: of fences there are fewer than of leaves.
    pub(super) fn fits(&self) -> bool {
        self.leaves > 0 && u64::from(self.first) + 2 * u64::from(self.leaves) <= u32::MAX.into()
    }

    /// The first page of each level above the leaves, and how many pages the one below it has,
    /// lowest level first.
    fn levels(&self) -> Vec<(u32, u32)> {
        let fanout = Self::fanout(self.row_bytes) as u32;
        let (mut start, mut count, mut levels) = (self.first, self.leaves, Vec::new());
        while count > 1 {
            start += count;
            levels.push((start, count));
            count = count.div_ceil(fanout);
        }
        levels
    }

    /// The last leaf whose row is `within`, which must hold for the rows up to some leaf and for
    /// none after it. `None` when it holds for no row. A tree of one leaf is not asked.
    pub(super) fn last_leaf(
        &self,
        recent: &mut Recent<'_>,
        within: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<u32>, IndexError> {
        let fanout = Self::fanout(self.row_bytes) as u32;
        let mut child = 0;
        for (start, below) in self.levels().into_iter().rev() {
            let page = start + child;
            let body = recent.read(page)?;
            let fitting = self.fitting(&body, &within);
            let problem = "its fences are cut off";
            match fitting.ok_or(IndexError::Damaged { page, problem })? {
                0 => return Ok(None),
                fitting => child = child * fanout + fitting - 1,
            }
            if child >= below {
                return Err(IndexError::Damaged {
                    page,
                    problem: "it has more fences than leaves",
                });
            }
        }
        Ok(Some(child))
    }

    fn fitting(&self, body: &Body, within: impl Fn(&[u8]) -> bool) -> Option<u32> {
        let (count, rows) = body.split_at_checked(2)?;
        let count = usize::from(u16::from_le_bytes(count.try_into().ok()?));
        let rows = rows.get(..count * self.row_bytes)?;
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = (low + high) / 2;
            if within(&rows[middle * self.row_bytes..][..self.row_bytes]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        u32::try_from(low).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_a_tree_of_more_pages_than_have_numbers_does_not_fit() {
        let tree = |first, leaves| Tree { first, leaves, row_bytes: 4 };
        assert!(tree(10, 1).fits() && tree(10, 1 << 30).fits());
        assert_eq!(tree(10, 5_000).levels().first(), Some(&(5_010, 5_000)));
        for absurd in [tree(10, u32::MAX), tree(u32::MAX - 1, 2), tree(10, 0)] {
            assert!(!absurd.fits(), "{absurd:?}");
        }
    }
}
