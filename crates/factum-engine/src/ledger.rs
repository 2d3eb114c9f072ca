//! [`EngineLedger`]: a ledger in a directory of segments, and its port.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{Arc, OnceLock},
    thread::JoinHandle,
};

use factum_store::{
    Append, AppendError, BoxFuture, BoxStream, EventId, Head, IdempotencyKey, Invalid, Ledger,
    Page, Position, Query, Read, ReadError, Receipt, RecordedEvent, Signal, StreamInfo, StreamName,
    Subscribe, Timestamp, refused_subscription,
};
use parking_lot::{Mutex, MutexGuard};

use crate::{
    compact::{Compact, Compacted, compact},
    error::EngineError,
    generations::open_highest,
    index::Tail,
    log::{EventRef, IdRoot, Recovered, RecoveredTail, Segment, SegmentHeader, Stamp, mark},
    machine::Lock,
    options::Options,
    reader::{self, Explain, IndexedSegment, SegmentIndex, Sight, Subscription, lookup},
    sabotage::{Sabotage, Switch},
    salvage,
    sealing::{closed_at, open_index, push_frame},
    shared::Shared,
    verify::{self, Inspection, Told, Verification},
    whole::{read_beside, read_segment},
    writer::{
        Foresight, Inbox, Memory, Patience, Prepared, Recent, SegmentFile, State, Writer,
        check_request, prepare,
    },
};

/// A ledger. Cheap to clone; when the last clone is dropped, what was handed in is finished and the
/// ledger is closed.
#[derive(Clone)]
pub struct EngineLedger {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) options: Options,
    /// `None` when it is open for reading only.
    inbox: Option<Arc<Inbox>>,
    /// What the writer remembers.
    memory: Arc<Memory>,
    /// The writer, and its thread; not while it is driven by hand.
    writer: OnceLock<Arc<Mutex<Writer>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    sight: Arc<Sight>,
    /// Held until the writer has stopped.
    _lock: Option<Arc<dyn Lock>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(inbox) = &self.inbox {
            inbox.close();
        }
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

impl Inner {
    /// The writer, for a caller that is alone.
    fn writer_alone(&self) -> Option<MutexGuard<'_, Writer>> {
        let writer = self.writer.get()?.try_lock()?;
        writer.is_alone().then_some(writer)
    }
}

/// What the segments of a directory hold.
struct Opened {
    segments: Vec<Arc<IndexedSegment>>,
    active: Arc<Segment>,
    tail: Arc<Tail>,
    recent: Recent,
    head: Head,
    end: u64,
}

impl EngineLedger {
    /// Opens the ledger in a directory, which has at least one segment. Without a lock it is open
    /// for reading only.
    pub(crate) fn open(
        dir: &Path,
        options: &Options,
        lock: Option<Arc<dyn Lock>>,
    ) -> Result<Self, EngineError> {
        let (ledger, writer) = Self::with_writer(dir, options, lock)?;
        if let Some(writer) = writer {
            let spawned = std::thread::Builder::new().name("ledger".into());
            let inbox = Arc::clone(&writer.inbox);
            let writer = Arc::new(Mutex::new(writer));
            let served = Arc::clone(&writer);
            let spawned = spawned.spawn(move || Writer::run(&served, &inbox));
            let thread =
                spawned.map_err(|error| EngineError::io("starting the writer of", dir, error))?;
            *ledger.inner.thread.lock() = Some(thread);
            let _ = ledger.inner.writer.set(writer);
        }
        Ok(ledger)
    }

    /// Opens the ledger, and leaves its writer to the caller.
    pub(crate) fn with_writer(
        dir: &Path,
        options: &Options,
        lock: Option<Arc<dyn Lock>>,
    ) -> Result<(Self, Option<Writer>), EngineError> {
        let (writable, switch) = (lock.is_some(), options.switch().opening());
        let opened = match open_now(dir, options, writable) {
            Err(why @ EngineError::Damaged(_)) if !writable => {
                return Ok((Self::open_damaged(dir, options, why)?, None));
            }
            opened => opened?,
        };
        switch.opened();
        let shared = Arc::new(Shared::new(opened.segments, opened.head, switch));
        let (inbox, memory) = (Arc::new(Inbox::default()), Arc::new(Memory::default()));
        let mut writer = None;
        if writable {
            writer = Some(Writer {
                state: State::new(opened.head, opened.recent, Arc::clone(&memory), switch),
                file: SegmentFile::new(opened.active, opened.end, dir, options)?,
                tail: opened.tail,
                shared: Arc::clone(&shared),
                inbox: Arc::clone(&inbox),
                options: options.clone(),
                sealing: None,
                patience: Patience::default(),
            });
        }
        let inner = Inner {
            shared,
            options: options.clone(),
            inbox: writable.then_some(inbox),
            memory,
            writer: OnceLock::new(),
            thread: Mutex::default(),
            sight: Arc::new(Sight::new(Arc::clone(&options.machine))),
            _lock: lock,
        };
        Ok((Self { inner: Arc::new(inner) }, writer))
    }

    /// Opens what is left of a damaged ledger, for reading only.
    fn open_damaged(dir: &Path, options: &Options, why: EngineError) -> Result<Self, EngineError> {
        let left = salvage::open(dir, options, why)?;
        let inner = Inner {
            shared: Arc::new(Shared::new(left.segments, left.head, options.switch())),
            options: options.clone(),
            inbox: None,
            memory: Arc::default(),
            writer: OnceLock::new(),
            thread: Mutex::default(),
            sight: Arc::new(Sight::new(Arc::clone(&options.machine))),
            _lock: None,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes a ledger's first segment in an empty directory.
    pub(crate) fn create(dir: &Path, options: &Options) -> Result<(), EngineError> {
        let ledger = options.machine.random();
        let id_root = IdRoot::of(options.machine.random());
        let header = SegmentHeader { ledger, first: Position(1), generation: 0, id_root };
        SegmentFile::create(header, dir, options).map(drop)
    }

    /// Appends, and waits on this thread until it is durable.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn append_blocking(&self, append: Append) -> Result<Receipt, AppendError> {
        let (inbox, prepared) = self.prepare(append)?;
        let (answer, answered) = oneshot::channel();
        if let Some(mut writer) = self.inner.writer_alone() {
            writer.turn([(prepared, answer)].into());
        } else if !inbox.put(prepared, answer) {
            return Err(stopped());
        }
        answered.recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Shows every event of a query after a position to `visit`, in order, as it lies in the log;
    /// breaking ends the scan before that event. Says up to where everything was looked at: a scan
    /// from there goes on. The fastest way to read much.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub fn scan(
        &self,
        query: &Query,
        after: Position,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<Position, EngineError> {
        self.inner.options.limits.check_query(query)?;
        reader::scan(&self.inner.shared.snapshot()?, &self.inner.sight, query, after, visit)
    }

    /// How a read is answered, and what that costs.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub fn explain(&self, read: &Read) -> Result<(Page, Explain), EngineError> {
        self.check(read)?;
        reader::explain(&self.inner.shared.snapshot()?, &self.inner.sight, read)
    }

    /// Reads everything and checks every byte. `progress` is told the bytes read and all bytes.
    ///
    /// # Errors
    /// [`EngineError`] when it can't be read at all; damage is in the answer.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Verification, EngineError> {
        self.verify_while(&mut |read, all| {
            progress(read, all);
            ControlFlow::Continue(())
        })
    }

    /// The same, which `progress` can stop after any segment.
    ///
    /// # Errors
    /// As [`EngineLedger::verify`]; [`EngineError::Stopped`].
    pub fn verify_while(&self, progress: Told<'_>) -> Result<Verification, EngineError> {
        verify::verify(&self.inner, progress)
    }

    /// Drops the bodies of the events that retention hides, in every closed segment, while the
    /// ledger goes on. `progress` is told after each segment, and can stop the run there: the next
    /// one goes on.
    ///
    /// # Errors
    /// [`EngineError`] when the ledger is open for reading only, is being compacted already, is
    /// damaged, or can't be written. Whatever was done until then stays, and nothing else changed.
    pub fn compact(
        &self,
        request: Compact,
        progress: &mut dyn FnMut(&Compacted) -> ControlFlow<()>,
    ) -> Result<Compacted, EngineError> {
        if self.inner.inbox.is_none() {
            let what = "is open for reading only; open it for writing";
            return Err(Invalid::new("the ledger", what).into());
        }
        compact(&self.inner, request, progress)
    }

    /// What its files are.
    ///
    /// # Errors
    /// [`EngineError`] when they can't be read.
    pub fn inspect(&self) -> Result<Inspection, EngineError> {
        verify::inspect(&self.inner)
    }

    pub(crate) fn downgrade(&self) -> std::sync::Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(crate) fn hand_in(
        &self,
        append: Append,
    ) -> Result<oneshot::Receiver<Result<Receipt, AppendError>>, AppendError> {
        let (inbox, prepared) = self.prepare(append)?;
        let (answer, answered) = oneshot::channel();
        if inbox.put(prepared, answer) { Ok(answered) } else { Err(stopped()) }
    }

    /// What is done before the writer sees a batch.
    fn prepare(&self, append: Append) -> Result<(&Inbox, Prepared), AppendError> {
        let Inner { shared, memory, options, inbox, .. } = &*self.inner;
        let Some(inbox) = inbox else {
            return Err(AppendError::Unavailable("it is open for reading only".into()));
        };
        let mut prepared = prepare(&options.limits, append)?;
        // What can't be read now is for the writer to meet, and to report.
        prepared.foresight =
            Foresight::of(&prepared.append, memory, || shared.snapshot()).unwrap_or_default();
        Ok((inbox, prepared))
    }

    fn check(&self, read: &Read) -> Result<(), EngineError> {
        reader::check_limit(read.limit)?;
        Ok(self.inner.options.limits.check_query(&read.query)?)
    }

    fn read_now(&self, read: &Read) -> Result<Page, EngineError> {
        self.check(read)?;
        reader::read(&self.inner.shared.snapshot()?, &self.inner.sight, read, None)
    }

    fn event_now(&self, id: EventId) -> Result<Option<RecordedEvent>, EngineError> {
        lookup::event(&self.inner.shared.snapshot()?, id)
    }

    fn stream_now(&self, stream: &StreamName) -> Result<StreamInfo, EngineError> {
        reader::retention::info(&self.inner.shared.snapshot()?, stream)
    }

    fn receipt_now(&self, key: &IdempotencyKey) -> Result<Option<Receipt>, AppendError> {
        let snapshot = self.inner.shared.snapshot()?;
        check_request(key, lookup::receipt(&snapshot, key)?)
    }

    fn position_at_now(&self, time: Timestamp) -> Result<Position, EngineError> {
        lookup::position_at(&self.inner.shared.snapshot()?, time)
    }
}

fn stopped() -> AppendError {
    AppendError::OutcomeUnknown("the ledger's writer has stopped".into())
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Ledger for EngineLedger {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        match self.hand_in(append) {
            Ok(answered) => {
                Box::pin(async move { answered.await.unwrap_or_else(|_| Err(stopped())) })
            }
            Err(error) => ready(Err(error)),
        }
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        ready(self.read_now(&read).map_err(ReadError::from))
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>> {
        if let Err(invalid) = self.inner.options.limits.check_query(&subscribe.query) {
            return refused_subscription(invalid.into());
        }
        let (shared, sight) = (Arc::clone(&self.inner.shared), Arc::clone(&self.inner.sight));
        Box::pin(Subscription::new(shared, sight, subscribe))
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>> {
        ready(Ok(self.inner.shared.head()))
    }

    fn stream(&self, stream: StreamName) -> BoxFuture<'_, Result<StreamInfo, ReadError>> {
        ready(self.stream_now(&stream).map_err(ReadError::from))
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>> {
        ready(self.event_now(id).map_err(ReadError::from))
    }

    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>> {
        ready(self.receipt_now(&key))
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        ready(self.position_at_now(time).map_err(ReadError::from))
    }

    fn refuses_appends(&self) -> Option<String> {
        match (&self.inner.inbox, self.inner.shared.poisoned()) {
            (_, Some(why)) => Some(EngineError::Poisoned(why.to_owned()).to_string()),
            (None, None) => Some("it is open for reading only".to_owned()),
            (Some(_), None) => None,
        }
    }
}

/// Opens the segments as they are. For reading only: another process may be compacting, so a file
/// that was listed may be gone when it is opened; what took its place is listed the next time.
fn open_now(dir: &Path, options: &Options, writable: bool) -> Result<Opened, EngineError> {
    let mut left = if writable { 0 } else { 8 };
    loop {
        match open_segments(dir, options, writable) {
            Err(EngineError::Io { source, .. })
                if left > 0 && source.kind() == std::io::ErrorKind::NotFound =>
            {
                left -= 1;
            }
            opened => return opened,
        }
    }
}

/// Opens the segments of a directory: of the closed ones a header and an index's footer each, of
/// the last one everything.
fn open_segments(dir: &Path, options: &Options, writable: bool) -> Result<Opened, EngineError> {
    let machine = &*options.machine;
    if writable && !options.switch().is(Sabotage::DirectoryNotSynced) {
        // A name that is seen may still be lost with the power: whoever made it was killed before
        // it was durable. What is appended behind it must not be lost with it.
        machine.sync_dir(dir).map_err(|error| EngineError::io("syncing", dir, error))?;
    }
    let names = machine.list(dir).map_err(|error| EngineError::io("listing", dir, error))?;
    if writable {
        for name in names.iter().filter(|name| name.ends_with(".tmp")) {
            // What a crash left half made.
            let _ = machine.remove(&dir.join(name));
        }
    }
    let mut logs = open_highest(dir, options, &names, writable)?;
    check_chain(&logs)?;
    if let Some(active) = logs.last()
        && let Some(last) = closed_at(options, active)
    {
        // Beside a process that writes it may only be that another segment was begun meanwhile.
        return match machine.list(dir) {
            Ok(now) if now.iter().filter(|name| name.ends_with(".log")).count() > logs.len() => {
                open_segments(dir, options, writable)
            }
            _ => Err(after_closed(active, last)),
        };
    }
    let mut segments = Vec::new();
    for pair in logs.windows(2) {
        let [log, after] = pair else { continue };
        let last = after.first().prev();
        segments.push(Arc::new(open_index(options, log, last, writable)?));
    }
    if let Some(active) = logs.pop() {
        return open_active(dir, options, writable, active, segments);
    }
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    Err(EngineError::io("finding a segment in", dir, missing))
}

/// Every segment is of the same ledger, and each begins after the one before it.
pub(crate) fn check_chain(logs: &[Arc<Segment>]) -> Result<(), EngineError> {
    let mut before: Option<&Segment> = None;
    for log in logs {
        let expected = before.map_or(log.first() == Position(1), |before| {
            before.header.ledger == log.header.ledger && before.first() < log.first()
        });
        if !expected {
            let what = "it does not follow the segment before it; one is missing, or is of another \
                        ledger";
            return Err(log.damage(0, what));
        }
        before = Some(log);
    }
    Ok(())
}

/// The last segment is closed: acknowledged events were in one that came after it.
fn after_closed(log: &Segment, last: Position) -> EngineError {
    let what = format!("it was closed at position {last}, and the segment after it is missing");
    log.damage(log.len().unwrap_or_default(), &what).at(last.next())
}

fn open_active(
    dir: &Path,
    options: &Options,
    writable: bool,
    log: Arc<Segment>,
    mut segments: Vec<Arc<IndexedSegment>>,
) -> Result<Opened, EngineError> {
    let found = if writable { read_segment(&log) } else { read_beside(&log) };
    let found = match found {
        Err(EngineError::Damaged(damage)) if options.switch().is(Sabotage::TailCutOnDamage) => {
            truncated(&log, damage.offset)?
        }
        found => found?,
    };
    if let RecoveredTail::Torn { to } = found.tail {
        let bytes = to - found.end;
        tracing::warn!(
            ledger = %dir.display(), offset = found.end, bytes,
            "cutting off a batch that was never acknowledged"
        );
    }
    if writable {
        make_durable(&log, &found, options.switch())?;
    }
    let tail = Arc::new(Tail::of(log.header.covered()));
    let mut recent = Recent::new(log.first().prev());
    let mut head = match segments.last() {
        Some(last) if found.frames.is_empty() => {
            Head { position: last.last(), recorded_at: last.ends_at()? }
        }
        _ => Head::default(),
    };
    for frame in &found.frames {
        push_frame(&tail, frame, |position, terms| recent.push(position, terms))?;
        head = Head { position: frame.last(), recorded_at: frame.recorded_at() };
    }
    if options.switch().is(Sabotage::PositionReused) {
        head.position = head.position.prev();
    }
    let index = SegmentIndex::Tail(Arc::clone(&tail));
    segments.push(Arc::new(IndexedSegment { log: Arc::clone(&log), index }));
    let kept = options.switch().is(Sabotage::MarkKept);
    let end = if kept { behind_mark(&log, found.end)? } else { found.end };
    Ok(Opened { segments, active: log, tail, recent, head, end })
}

/// A deliberate bug: where the mark at the end of a segment ends.
fn behind_mark(log: &Segment, end: u64) -> Result<u64, EngineError> {
    let (first, recorded_at) = (Position::START, Timestamp::default());
    let stamp = Stamp { first, recorded_at, synced_upto: first };
    let mut there = mark(&log.header, end, stamp);
    let len = log.file.read_at(&mut there, end);
    let len = len.map_err(|error| EngineError::io("reading", &log.path, error))?;
    let marked = there[..len].iter().any(|byte| *byte != 0);
    Ok(if marked { end + len as u64 } else { end })
}

/// Makes what was found durable before anybody is shown it. The process that wrote the last frames
/// may have been killed before their sync, or their sync may have failed: then they are in memory,
/// look clean, and are not on the disk. So they are written again, a torn tail is zeroed with them,
/// and a mark says from now on that they were safe.
fn make_durable(log: &Segment, found: &Recovered, switch: Switch) -> Result<(), EngineError> {
    let end = match found.tail {
        RecoveredTail::Torn { to } => to,
        RecoveredTail::Clean => found.end,
    };
    let Some(last) = found.frames.last().filter(|_| end > found.unwitnessed) else {
        return cut(log, found.end, end);
    };
    let failed = |error| EngineError::io("making durable", &log.path, error);
    let mut frames = vec![0; (found.end - found.unwitnessed) as usize];
    if log.file.read_at(&mut frames, found.unwitnessed).map_err(failed)? != frames.len() {
        return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
    }
    log.file.write_at(&frames, found.unwitnessed).map_err(failed)?;
    // Before the mark: should its own sync fail, the next start believes it.
    if !switch.is(Sabotage::MarkBeforeSync) {
        log.file.sync().map_err(failed)?;
    }
    cut(log, found.end, end)?;
    let (first, synced_upto) = (found.next, last.last());
    let stamp = Stamp { first, recorded_at: last.recorded_at(), synced_upto };
    let mark = mark(&log.header, found.end, stamp);
    match log.file.write_at(&mark, found.end) {
        // A full disk can be opened; then the next batch is the witness. What there is of the mark
        // goes: that batch may begin another segment, and this one has to end with its frames.
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            let end = log.len()?.min(found.end + mark.len() as u64);
            let torn = end.saturating_sub(found.end) as usize;
            log.file.write_at(&vec![0; torn], found.end).map_err(failed)?;
        }
        written => written.map_err(failed)?,
    }
    log.file.sync().map_err(failed)
}

/// Zeroes a torn tail.
fn cut(log: &Segment, from: u64, to: u64) -> Result<(), EngineError> {
    if from == to {
        return Ok(());
    }
    let cut = log.file.write_at(&vec![0; (to - from) as usize], from);
    let cut = cut.and_then(|()| log.file.sync());
    cut.map_err(|error| EngineError::io("cutting", &log.path, error))
}

/// A deliberate bug: everything from a damaged frame on is zeroed.
fn truncated(log: &Segment, offset: u64) -> Result<Recovered, EngineError> {
    let failed = |error| EngineError::io("cutting", &log.path, error);
    let len = log.len()?;
    log.file.write_at(&vec![0; (len - offset) as usize], offset).map_err(failed)?;
    read_segment(log)
}
