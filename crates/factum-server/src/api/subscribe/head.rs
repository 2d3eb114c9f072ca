//! [`Heads`]: those who are at the head of a ledger with the same query are told by one look. A
//! thousand subscribers cost one look for each append, not a thousand (G11); what is kept for those
//! who are a moment late is bounded (G12), and who is later than that looks on its own again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use factum_store::{Ledger, Position, Query, ReadError, Signal};
use tokio::{
    sync::{Semaphore, watch},
    task::AbortHandle,
};

use super::look::Looking;

/// Queries that are looked at for many at a time; who comes with another one looks on its own.
const HEADS_MAX: usize = 256;
/// Looks at a time for all of them.
const LOOKS_MAX: usize = 4;
/// Bytes of payload that a head keeps; of the last look all is kept.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// Looks that a head keeps.
const KEPT_LOOKS_MAX: usize = 256;

/// The heads of all ledgers, by ledger and query. A ledger is the very same object: one that shows
/// only what somebody may see is another one, so nobody is told what is not for him.
pub(crate) struct Heads {
    heads: Mutex<HashMap<(usize, String), Weak<Head>>>,
    looks: Arc<Semaphore>,
}

impl Default for Heads {
    fn default() -> Self {
        Self { heads: Mutex::default(), looks: Arc::new(Semaphore::new(LOOKS_MAX)) }
    }
}

/// One query, followed for many.
struct Head {
    /// Kept, so that no other ledger comes to stand in its place in memory.
    _ledger: Arc<dyn Ledger>,
    kept: Mutex<Kept>,
    /// Changes when there is more, or no more.
    changed: watch::Sender<()>,
    work: Mutex<Option<AbortHandle>>,
}

/// The last looks, oldest first, without a gap between them.
struct Kept {
    looks: VecDeque<Found>,
    /// The number of the first one that is kept.
    first: u64,
    bytes: usize,
    /// Everything up to here was told.
    at: Position,
    ended: bool,
}

/// What one look found of the events after a position.
struct Found {
    after: Position,
    signals: Arc<Vec<Signal>>,
    bytes: usize,
}

/// Somebody who is told by a head.
pub(super) struct Member {
    head: Arc<Head>,
    changed: watch::Receiver<()>,
    /// The number of the look that is to be told next.
    next: u64,
    /// What was told before it came.
    told: Position,
}

impl Heads {
    /// Joins those who follow the same, for somebody who was told everything up to `told`. `None` when
    /// that is not kept any more, or too many queries are followed.
    pub(super) fn join(
        &self,
        ledger: &Arc<dyn Ledger>,
        query: &Query,
        told: Position,
    ) -> Option<Member> {
        let key = (Arc::as_ptr(ledger).cast::<()>() as usize, format!("{query:?}"));
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(head) = heads.get(&key).and_then(Weak::upgrade)
            && !head.kept().ended
        {
            return Member::of(head, told);
        }
        heads.retain(|_, head| head.strong_count() > 0);
        if heads.len() >= HEADS_MAX {
            return None;
        }
        let head = Arc::new(Head::at(Arc::clone(ledger), told));
        let looks = Arc::clone(&self.looks);
        let looking = Looking::new(&**ledger, query.clone(), told, looks);
        let work = tokio::spawn(follow(Arc::downgrade(&head), looking));
        *head.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(work.abort_handle());
        heads.insert(key, Arc::downgrade(&head));
        Member::of(head, told)
    }
}

/// Looks for as long as anybody is told.
async fn follow(head: Weak<Head>, mut looking: Looking) {
    loop {
        let found = looking.next().await;
        let Some(head) = head.upgrade() else { return };
        let found: Result<Vec<_>, ReadError> = found.unwrap_or_default().into_iter().collect();
        match found {
            Ok(signals) if !signals.is_empty() => head.tell(signals),
            // The end, or a problem: everybody meets it again, looking on its own.
            _ => return head.end(),
        }
    }
}

impl Head {
    fn at(_ledger: Arc<dyn Ledger>, at: Position) -> Self {
        let kept = Kept { looks: VecDeque::new(), first: 0, bytes: 0, at, ended: false };
        Self {
            _ledger,
            kept: Mutex::new(kept),
            changed: watch::Sender::new(()),
            work: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, signals: Vec<Signal>) {
        let mut kept = self.kept();
        let bytes = signals.iter().map(payload).sum::<usize>();
        let after = kept.at;
        kept.at = signals.iter().map(upto).max().unwrap_or_default().max(after);
        kept.looks.push_back(Found { after, signals: Arc::new(signals), bytes });
        kept.bytes += bytes;
        let too_much = |kept: &Kept| {
            let many = kept.looks.len() > KEPT_LOOKS_MAX;
            many || kept.bytes > KEPT_BYTES_MAX && kept.looks.len() > 1
        };
        while too_much(&kept) {
            let oldest = kept.looks.pop_front().map_or(0, |found| found.bytes);
            kept.bytes -= oldest;
            kept.first += 1;
        }
        drop(kept);
        self.changed.send_replace(());
    }

    fn end(&self) {
        self.kept().ended = true;
        self.changed.send_replace(());
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let work = self.work.get_mut().unwrap_or_else(PoisonError::into_inner);
        work.iter().for_each(AbortHandle::abort);
    }
}

impl Member {
    fn of(head: Arc<Head>, told: Position) -> Option<Self> {
        let changed = head.changed.subscribe();
        let kept = head.kept();
        // What is missing is in the first look that goes beyond, if nothing before it is gone.
        let missed = kept.looks.iter().position(|found| found.after >= told);
        let next = match kept.looks.front() {
            _ if told >= kept.at => kept.first + kept.looks.len() as u64,
            Some(oldest) if oldest.after <= told => {
                let looks = missed.unwrap_or(kept.looks.len());
                // The look before may go beyond it too.
                let exact = kept.looks.get(looks).is_some_and(|found| found.after == told);
                kept.first + (looks - usize::from(!exact)) as u64
            }
            _ => return None,
        };
        drop(kept);
        Some(Self { head, changed, next, told })
    }

    /// The next signals, at least one; `None` when it is too late, and has to look on its own.
    /// Waiting can be given up and begun again.
    pub(super) async fn next(&mut self) -> Option<Vec<Signal>> {
        loop {
            let signals = {
                let kept = self.head.kept();
                let at = usize::try_from(self.next.checked_sub(kept.first)?).ok()?;
                match kept.looks.get(at) {
                    Some(found) => Some(Arc::clone(&found.signals)),
                    None if kept.ended => return None,
                    None => None,
                }
            };
            let Some(signals) = signals else {
                self.changed.changed().await.ok()?;
                continue;
            };
            self.next += 1;
            let new = signals.iter().filter(|signal| upto(signal) > self.told);
            let new: Vec<_> = new.cloned().collect();
            if !new.is_empty() {
                return Some(new);
            }
        }
    }
}

/// The position up to which a subscriber that got this was told everything.
pub(super) fn upto(signal: &Signal) -> Position {
    match signal {
        Signal::Event(event) => event.position,
        Signal::CaughtUp(head) => head.position,
        Signal::Progress(position) => *position,
    }
}

fn payload(signal: &Signal) -> usize {
    match signal {
        Signal::Event(event) => event.data.len() + event.metadata.len(),
        Signal::CaughtUp(_) | Signal::Progress(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{Append, EventType, NewEvent, memory::MemoryLedger};

    use super::*;

    async fn append(ledger: &Arc<dyn Ledger>, data: &'static str) {
        let event = NewEvent::new(EventType::new("a").expect("a name"), data);
        ledger.append(Append::new([event])).await.expect("appends");
    }

    /// What a member is told until it has this many events.
    async fn told(member: &mut Member, events: usize) -> Vec<(u64, Vec<u8>)> {
        let mut told = Vec::new();
        while told.len() < events {
            for signal in member.next().await.expect("goes on") {
                if let Signal::Event(event) = signal {
                    told.push((event.position.0, event.data.to_vec()));
                }
            }
        }
        told
    }

    #[tokio::test]
    async fn each_ledger_tells_its_own_and_the_same_one_looks_once() {
        let ledger = || Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>;
        let (one, other, heads) = (ledger(), ledger(), Heads::default());
        let join = |ledger| heads.join(ledger, &Query::all(), Position::START).expect("joins");
        let (mut first, mut second, mut third) = (join(&one), join(&one), join(&other));
        assert!(Arc::ptr_eq(&first.head, &second.head) && !Arc::ptr_eq(&first.head, &third.head));
        append(&one, "1").await;
        append(&other, "2").await;
        assert_eq!(told(&mut first, 1).await, [(1, b"1".to_vec())]);
        assert_eq!(told(&mut second, 1).await, [(1, b"1".to_vec())]);
        assert_eq!(told(&mut third, 1).await, [(1, b"2".to_vec())]);
    }

    #[tokio::test]
    async fn g6_who_comes_late_gets_the_rest_and_who_comes_too_late_is_told_so() {
        let (ledger, heads) = (Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>, Heads::default());
        let join = |told| heads.join(&ledger, &Query::all(), Position(told));
        let mut first = join(0).expect("joins");
        for _ in 0..5 {
            append(&ledger, "x").await;
            told(&mut first, 1).await;
        }
        let mut late = join(3).expect("is kept");
        let positions: Vec<_> = told(&mut late, 2).await.into_iter().map(|told| told.0).collect();
        assert_eq!(positions, [4, 5]);
        let mut behind = join(5).expect("is kept");
        for _ in 0..KEPT_LOOKS_MAX + 10 {
            append(&ledger, "x").await;
            told(&mut first, 1).await;
        }
        assert!(behind.next().await.is_none(), "it is too late, and looks on its own");
        assert!(join(5).is_none());
    }
}
