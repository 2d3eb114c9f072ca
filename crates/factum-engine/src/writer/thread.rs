//! [`Writer`]: who owns the active segment's file: write, sync, publish, answer. A thread of its own,
//! or a caller that is alone.
//!
//! Protects G1 (a batch is one frame, and a frame is whole or nothing), G2 (the answer comes after
//! the sync; after the first failed write or sync nothing is answered with "yes" any more) and G3
//! (the head moves after the sync, in order).

use std::{collections::VecDeque, sync::Arc, thread::JoinHandle, time::Instant};

use factum_store::{
    AppendError, Head, IdempotencyKey, Offence, Position, Query, Receipt, RequestHash, StreamName,
};

use parking_lot::Mutex;

use super::{
    group::Group,
    inbox::{Answer, Inbox},
    patience::Patience,
    prepare::Prepared,
    segment_file::SegmentFile,
    state::{Durable, State},
    tips::Tip,
};
use crate::{
    compact,
    error::EngineError,
    index::Tail,
    log::{Segment, Stamp, mark},
    options::Options,
    reader::{IndexedSegment, SegmentIndex, lookup, retention},
    sabotage::Sabotage,
    sealing,
    shared::Shared,
};

/// Bytes after which a group is written even though more waits.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// Batches after which a group is written.
const GROUP_BATCHES_MAX: usize = 4_096;

/// The writer of a ledger.
pub(crate) struct Writer {
    pub(crate) state: State,
    pub(crate) file: SegmentFile,
    pub(crate) tail: Arc<Tail>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) options: Options,
    pub(crate) sealing: Option<JoinHandle<()>>,
    pub(crate) patience: Patience,
}

/// Seals a segment: writes its index file, and shows it to readers.
fn seal(shared: &Shared, options: &Options, log: &Arc<Segment>, tail: &Tail, end: u64) {
    // What was written ahead and not used is given back. A failure costs room, no more.
    let _ = log.file.set_len(end);
    match sealing::seal(options, log, tail) {
        Ok(sealed) => {
            let sealed = Arc::new(sealed);
            shared.replace_segment(Arc::clone(&sealed));
            if options.compress {
                compact::pack(shared, options, &sealed);
            }
        }
        Err(error) => {
            let path = log.path.display();
            tracing::warn!(%path, %error, "no index file was written; the next start builds it");
        }
    }
}

impl Writer {
    /// Serves until the inbox is closed and empty. Whoever comes alone may take the writer meanwhile
    /// and serve itself.
    pub(crate) fn run(writer: &Mutex<Self>, inbox: &Inbox) {
        loop {
            writer.lock().gather_more();
            if !inbox.wait() {
                break;
            }
            let mut writer = writer.lock();
            let waiting = inbox.take();
            writer.turn(waiting);
        }
        writer.lock().stop();
    }

    /// Waits a little for those who are expected back.
    fn gather_more(&mut self) {
        if let Some(wanted) = self.patience.wanted() {
            let came = self.inbox.gather(wanted);
            self.patience.came(wanted, came);
        }
    }

    /// Whether nobody else appends now, as far as one can tell. Then it is quicker to write on the
    /// caller's own thread than to have another one woken, and be woken by it.
    pub(crate) fn is_alone(&self) -> bool {
        self.patience.was_alone() && self.inbox.len() == 0
    }

    /// Serves what waits.
    pub(crate) fn turn(&mut self, mut waiting: VecDeque<(Prepared, Answer)>) {
        let shared = Arc::clone(&self.shared);
        let _whole = WholeTurn(&shared);
        while !waiting.is_empty() {
            let group = self.gather(&mut waiting);
            self.commit(group);
        }
        self.file.look_ahead();
    }

    /// Decides what waits, until the group is full or the segment is.
    fn gather(&mut self, waiting: &mut VecDeque<(Prepared, Answer)>) -> Group {
        let mut group = Group::new(self.file.end, self.state.head);
        while let Some((prepared, answer)) = waiting.pop_front() {
            if let Some(why) = self.shared.poisoned() {
                let _ = answer.send(Err(EngineError::Poisoned(why.to_owned()).into()));
                continue;
            }
            let bytes = prepared.frame.len();
            let end = group.end() + bytes;
            let full = end > self.options.segment_bytes_max && group.end() > self.file.log.begin();
            // Retries that were answered from the ledger have an answer here and no bytes.
            if full && !group.answers.is_empty() {
                waiting.push_front((prepared, answer));
                break;
            }
            let room = if full { self.roll(&mut group) } else { Ok(()) };
            let room = room.and_then(|()| self.file.reserve(group.end() + bytes, bytes));
            if let Err(error) = room {
                let _ = answer.send(Err(error.into()));
                continue;
            }
            let now = self.options.machine.now();
            let header = &self.file.log.header;
            let durable = Readers { shared: &self.shared };
            self.state.step(prepared, answer, now, header, &mut group, &durable);
            if group.bytes.len() >= GROUP_BYTES_MAX || group.answers.len() >= GROUP_BATCHES_MAX {
                break;
            }
        }
        group
    }

    /// Writes a group, syncs it, shows it, answers it.
    fn commit(&mut self, group: Group) {
        let begun = Instant::now();
        let (switch, grows) = (self.options.switch(), !group.is_empty());
        if grows {
            if switch.is(Sabotage::ShownBeforeDurable) {
                group.index(&self.tail);
                self.shared.publish(group.head);
            }
            let written = self.file.log.file.write_at(&group.bytes, group.offset);
            let synced = written.and_then(|()| match switch.is(Sabotage::AckBeforeSync) {
                true => Ok(()),
                false => self.file.log.file.sync(),
            });
            let synced = match synced {
                Err(_) if switch.is(Sabotage::SyncRetried) => self.file.log.file.sync(),
                synced => synced,
            };
            if let Err(error) = synced {
                return self.fail(group, &error);
            }
            if !switch.is(Sabotage::ShownBeforeDurable) {
                group.index(&self.tail);
            }
            self.file.end = group.end();
            self.state.synced = group.head.position;
            self.shared.publish(group.head);
        }
        self.patience.answering(group.answers.len() + self.inbox.len(), begun.elapsed());
        for (answer, answered) in group.answers {
            let _ = answer.send(answered);
        }
        // Last: those who append don't wait until every follower was woken.
        if grows {
            self.shared.announce();
        }
    }

    /// After the first failure nothing is known of what the disk has: a second sync may succeed
    /// although the data is gone. So nothing is tried again.
    fn fail(&mut self, group: Group, error: &std::io::Error) {
        let why = format!("{}: {error}", self.file.log.path.display());
        tracing::error!(%why, "a write or sync failed; the ledger takes no more appends");
        self.shared.fail(why.clone());
        for (answer, answered) in group.answers {
            let error = match answered {
                Ok(_) => AppendError::OutcomeUnknown(why.clone()),
                Err(_) => EngineError::Poisoned(why.clone()).into(),
            };
            let _ = answer.send(Err(error));
        }
    }

    /// Goes on in a new segment. All frames of the present one are durable.
    fn roll(&mut self, group: &mut Group) -> Result<(), EngineError> {
        let first = self.state.head.position.next();
        let next = match self.file.next(first) {
            // Nothing was begun but a spare file: a full disk is no more than a refusal.
            Err(error @ EngineError::Full(_)) => return Err(error),
            // The new segment's name may be there or not. To go on in the old one would be to give
            // its positions twice.
            Err(error) => {
                self.shared.fail(error.to_string());
                return Err(EngineError::Poisoned(error.to_string()));
            }
            Ok(next) => next,
        };
        let (present, end) = (Arc::clone(&self.file.log), self.file.end);
        self.file = next;
        let fresh = Arc::new(Tail::of(self.file.log.header.covered()));
        let old_tail = std::mem::replace(&mut self.tail, fresh);
        let (log, index) = (Arc::clone(&self.file.log), Arc::clone(&self.tail));
        let active = IndexedSegment { log, index: SegmentIndex::Tail(index) };
        self.shared.add_segment(Arc::new(active));
        *group = Group::new(self.file.end, self.state.head);
        // At most one segment is being sealed.
        self.finish_sealing();
        let (shared, options) = (Arc::clone(&self.shared), self.options.clone());
        let work = move || seal(&shared, &options, &present, &old_tail, end);
        if self.options.background {
            self.sealing = std::thread::Builder::new().name("seal".into()).spawn(work).ok();
        } else {
            work();
        }
        Ok(())
    }

    fn finish_sealing(&mut self) {
        if let Some(sealing) = self.sealing.take() {
            let _ = sealing.join();
        }
    }

    /// Leaves the mark of a clean stop: from now on a bad last frame is damage, not a torn tail.
    pub(crate) fn stop(&mut self) {
        self.file.finish();
        self.finish_sealing();
        if self.shared.poisoned().is_some() {
            return;
        }
        let Head { position, recorded_at } = self.state.head;
        let stamp = Stamp { first: position.next(), recorded_at, synced_upto: position };
        let (log, end) = (&self.file.log, self.file.end);
        let mark = mark(&log.header, end, stamp);
        let marked = self.file.log.file.write_at(&mark, end).and_then(|()| log.file.sync());
        if let Err(error) = marked {
            tracing::warn!(%error, "the mark of a clean stop could not be written");
        }
    }
}

/// A turn that ends in a panic leaves a state that nothing can be said of.
struct WholeTurn<'a>(&'a Shared);

impl Drop for WholeTurn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the ledger's writer has panicked; open the ledger again".into());
        }
    }
}

/// The durable ledger, as the state asks it.
struct Readers<'a> {
    shared: &'a Shared,
}

impl Durable for Readers<'_> {
    fn first_matches(
        &self,
        query: &Query,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Offence>, EngineError> {
        lookup::first_matches(&self.shared.snapshot()?, query, after, limit)
    }

    fn tip(&self, stream: &StreamName) -> Result<Option<Tip>, EngineError> {
        retention::tip(&self.shared.snapshot()?, stream)
    }

    fn receipt(&self, key: &IdempotencyKey) -> Result<Option<(Receipt, RequestHash)>, EngineError> {
        lookup::receipt(&self.shared.snapshot()?, key)
    }
}
