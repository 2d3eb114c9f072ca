//! The dictionary: from a term to where its postings lie.
//!
//! Terms are evenly spread, so a term's page is computed, not searched: most answers cost the
//! reading of one page, and so does "not here" where no filter says it (G12).
//!
//! ```text
//!   page     | entries u16 | overflow u32 | entry … |        terms in rising order
//!   entry    | term u64 | length u8 | payload (see `postings`) |
//!   bucket of a term = term * buckets / 2^64;  overflow = a page after the buckets, 0 for none
//! ```

use super::{
    pages::{BODY_BYTES, IndexError, PageRun, Recent, Take},
    term::Term,
};

const HEAD_BYTES: usize = 2 + 4;

/// How full a bucket is on average, in percent, so that hardly any overflows.
const FILL_PERCENT: usize = 75;

/// Takes entries in the order of their terms.
#[derive(Default)]
pub(super) struct DictionaryWriter {
    entries: Vec<u8>,
}

impl DictionaryWriter {
    pub(super) fn push(&mut self, term: Term, payload: &[u8]) {
        let length = u8::try_from(payload.len()).expect("payloads are short");
        self.entries.extend_from_slice(&term.0.to_le_bytes());
        self.entries.push(length);
        self.entries.extend_from_slice(payload);
    }

    /// The pages, and how many of them are buckets. The others are overflows.
    pub(super) fn finish(self) -> (PageRun, u32) {
        let room = (BODY_BYTES - HEAD_BYTES) * FILL_PERCENT / 100;
        let buckets = self.entries.len().div_ceil(room).max(1) as u32;
        let mut run = PageRun::for_pages(buckets);
        let (mut spilled, mut rest) = (Vec::new(), &*self.entries);
        for bucket in 0..buckets {
            let mut pages = vec![(0_u16, Vec::new())];
            while let Some((term, entry)) = first_entry(rest) {
                if bucket_of(term, buckets) != bucket {
                    break;
                }
                if pages
                    .last()
                    .is_some_and(|(_, page)| HEAD_BYTES + page.len() + entry.len() > BODY_BYTES)
                {
                    pages.push((0, Vec::new()));
                }
                if let Some((count, page)) = pages.last_mut() {
                    *count += 1;
                    page.extend_from_slice(entry);
                }
                rest = &rest[entry.len()..];
            }
            // The rest of a chain lies after all buckets, in the order of the chains.
            let mut next = buckets + spilled.len() as u32;
            let mut links = (1..pages.len()).map(|_| (next, next += 1).0).chain([0]);
            let mut linked = pages
                .into_iter()
                .map(|(count, page)| body(count, links.next().unwrap_or(0), &page));
            run.push(&linked.next().unwrap_or_default());
            spilled.extend(linked);
        }
        for page in &spilled {
            run.push(page);
        }
        (run, buckets)
    }
}

fn body(count: u16, overflow: u32, entries: &[u8]) -> Vec<u8> {
    [&count.to_le_bytes()[..], &overflow.to_le_bytes(), entries].concat()
}

fn first_entry(entries: &[u8]) -> Option<(u64, &[u8])> {
    let mut take = Take(entries);
    let term = take.u64()?;
    let length = usize::from(take.bytes(1)?[0]);
    Some((term, entries.get(..9 + length)?))
}

fn bucket_of(term: u64, buckets: u32) -> u32 {
    ((u128::from(term) * u128::from(buckets)) >> 64) as u32
}

/// Looks a term up in the dictionary that begins at page `first`; its payload, if it is there.
pub(super) fn find(
    recent: &mut Recent<'_>,
    first: u32,
    buckets: u32,
    term: Term,
) -> Result<Option<Vec<u8>>, IndexError> {
    let mut page = first + bucket_of(term.0, buckets);
    loop {
        let body = recent.read(page)?;
        let problem = "the dictionary is cut off";
        let (found, overflow) =
            find_in(&body, term).ok_or(IndexError::Damaged { page, problem })?;
        if found.is_some() || overflow == 0 {
            return Ok(found.map(<[u8]>::to_vec));
        }
        // Overflows lie in rising order, so a chain can't go round.
        let next = first.saturating_add(overflow);
        if next <= page {
            return Err(IndexError::Damaged { page, problem: "an overflow leads back" });
        }
        page = next;
    }
}

/// The payload, if the page has it, and the overflow page.
fn find_in(body: &[u8], term: Term) -> Option<(Option<&[u8]>, u32)> {
    let mut take = Take(body);
    let (count, overflow) = (take.u16()?, take.u32()?);
    for _ in 0..count {
        let here = take.u64()?;
        let length = take.bytes(1)?[0];
        let payload = take.bytes(length.into())?;
        if here == term.0 {
            return Some((Some(payload), overflow));
        }
        if here > term.0 {
            return Some((None, 0));
        }
    }
    Some((None, overflow))
}
