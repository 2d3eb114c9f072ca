//! [`Inbox`]: what waits for the writer. Bounded: who appends faster than the disk can take it
//! waits here, so memory does not grow (G12).

use std::{collections::VecDeque, time::Instant};

use factum_store::{AppendError, Receipt};
use parking_lot::{Condvar, Mutex};

use super::{patience::Wanted, prepare::Prepared};

/// Batches that wait at most.
const WAITING_MAX: usize = 4_096;
/// Bytes of frames that wait at most, unless one batch alone has more.
const WAITING_BYTES_MAX: u64 = 64 << 20;

/// Where the answer goes.
pub(crate) type Answer = oneshot::Sender<Result<Receipt, AppendError>>;

#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<(Prepared, Answer)>,
    bytes: u64,
    closed: bool,
}

impl Inbox {
    /// Hands a batch in, waiting for room. `false` when the writer has stopped.
    pub(crate) fn put(&self, prepared: Prepared, answer: Answer) -> bool {
        let mut waiting = self.waiting.lock();
        let full = |waiting: &mut Waiting| {
            !waiting.closed
                && (waiting.batches.len() >= WAITING_MAX || waiting.bytes >= WAITING_BYTES_MAX)
        };
        self.room.wait_while(&mut waiting, full);
        if waiting.closed {
            return false;
        }
        waiting.bytes += prepared.frame.len();
        waiting.batches.push_back((prepared, answer));
        drop(waiting);
        self.arrived.notify_one();
        true
    }

    /// Stays awake until as many wait as are wanted, or it is time to go without. To be woken takes
    /// longer than what it waits for; others may have the processor meanwhile.
    pub(crate) fn gather(&self, wanted: Wanted) -> usize {
        loop {
            let (here, closed) = {
                let waiting = self.waiting.lock();
                (waiting.batches.len(), waiting.closed)
            };
            if here >= wanted.batches || closed || Instant::now() >= wanted.until {
                return here;
            }
            std::thread::yield_now();
        }
    }

    /// Waits until something waits; `false` when it is closed and empty.
    pub(crate) fn wait(&self) -> bool {
        let mut waiting = self.waiting.lock();
        self.arrived
            .wait_while(&mut waiting, |waiting| waiting.batches.is_empty() && !waiting.closed);
        !waiting.batches.is_empty()
    }

    /// All that waits.
    pub(crate) fn take(&self) -> VecDeque<(Prepared, Answer)> {
        let mut waiting = self.waiting.lock();
        waiting.bytes = 0;
        let taken = std::mem::take(&mut waiting.batches);
        drop(waiting);
        self.room.notify_all();
        taken
    }

    /// How many batches wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().batches.len()
    }

    /// Nothing more is taken in; what waits is still done.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_all();
        self.room.notify_all();
    }
}
