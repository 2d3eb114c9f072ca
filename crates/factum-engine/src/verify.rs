//! `verify` reads everything and believes nothing; `inspect` says what files there are.

use std::{
    io::ErrorKind,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use factum_store::{Head, Position};

use crate::{
    error::{Damage, EngineError},
    index::Gathered,
    ledger::Inner,
    reader::IndexedSegment,
    sealing::{entries_of, index_path},
    whole::{bytes_of, frames_upto, whole},
};

/// What [`EngineLedger::verify`](crate::EngineLedger::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Events that were read.
    pub events: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What is damaged.
    pub damage: Vec<Damage>,
}

/// What [`EngineLedger::inspect`](crate::EngineLedger::inspect) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The last event.
    pub head: Head,
    /// Oldest first.
    pub segments: Vec<SegmentFacts>,
}

/// A segment's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// The file's name.
    pub file: String,
    /// Its first position.
    pub first: Position,
    /// Its last position; before the first in an empty segment.
    pub last: Position,
    /// Bytes of the file.
    pub bytes: u64,
    /// Whether it is compressed.
    pub compressed: bool,
    /// Bytes of its index file; `None` for the active segment, whose index is in memory.
    pub index_bytes: Option<u64>,
}

pub(crate) fn inspect(inner: &Inner) -> Result<Inspection, EngineError> {
    let head = inner.shared.head();
    let facts = |segment: &Arc<IndexedSegment>| {
        let file = segment.log.path.file_name().unwrap_or_default();
        Ok(SegmentFacts {
            file: file.to_string_lossy().into_owned(),
            first: segment.first(),
            last: segment.last().min(head.position),
            bytes: segment.log.disk_bytes()?,
            compressed: segment.log.is_packed(),
            index_bytes: index_bytes(inner, segment),
        })
    };
    let segments = inner.shared.segments().iter().map(facts).collect::<Result<_, EngineError>>()?;
    Ok(Inspection { head, segments })
}

fn index_bytes(inner: &Inner, segment: &IndexedSegment) -> Option<u64> {
    if !segment.is_sealed() {
        return None;
    }
    inner.options.machine.open(&index_path(&segment.log)).and_then(|file| file.len()).ok()
}

/// Told how many bytes are done, and how many there are; says whether to go on.
pub(crate) type Told<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// Ends what was told to stop.
pub(crate) fn going_on(said: ControlFlow<()>) -> Result<(), EngineError> {
    match said {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(EngineError::Stopped),
    }
}

/// Segments that are verified at the same time: each is in memory meanwhile, with its index.
const THREADS_MAX: usize = 4;

pub(crate) fn verify(inner: &Inner, progress: Told<'_>) -> Result<Verification, EngineError> {
    let segments = inner.shared.segments();
    let head = inner.shared.head();
    let mut all = 0;
    for segment in segments.iter() {
        all += segment.log.disk_bytes()? + index_bytes(inner, segment).unwrap_or_default();
    }
    going_on(progress(0, all))?;
    let next = AtomicUsize::new(0);
    let (answers, answered) = mpsc::channel();
    let work = |answers: mpsc::Sender<_>| {
        while let Some(at) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < segments.len())
        {
            let end = segments.get(at + 1).map(|after| after.first().prev());
            let last = end.unwrap_or(head.position).min(head.position);
            // Whoever asked has given up when it no longer listens.
            if answers.send((at, segment_now(inner, &segments[at], last))).is_err() {
                return;
            }
        }
    };
    let mut found = vec![Verification::default(); segments.len()];
    std::thread::scope(|scope| {
        for _ in 0..threads(inner, segments.len()) {
            let answers = answers.clone();
            scope.spawn(|| work(answers));
        }
        drop(answers);
        let mut read = 0;
        for (at, verified) in answered {
            found[at] = verified?;
            read += found[at].bytes;
            // The others end with the segment that they are at: nobody hears them any more.
            going_on(progress(read, all))?;
        }
        Ok(found.into_iter().fold(Verification::default(), Verification::and))
    })
}

/// In the order of nothing else's, work is done by one thread.
fn threads(inner: &Inner, segments: usize) -> usize {
    let there = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if inner.options.background { there.min(THREADS_MAX).min(segments) } else { 1 }
}

impl Verification {
    fn and(mut self, other: Self) -> Self {
        self.events += other.events;
        self.bytes += other.bytes;
        self.damage.extend(other.damage);
        self
    }
}

/// Verifies a segment, in whatever file it is by now.
fn segment_now(
    inner: &Inner,
    segment: &Arc<IndexedSegment>,
    last: Position,
) -> Result<Verification, EngineError> {
    let mut found = Verification::default();
    let mut segment = Arc::clone(segment);
    let mut verified = segment_of(inner, &segment, last, &mut found);
    // A compaction may have put another generation in its place, and removed these files.
    while let Some(now) = verified.as_ref().err().and_then(|_| replaced(inner, &segment)) {
        segment = now;
        found = Verification::default();
        verified = segment_of(inner, &segment, last, &mut found);
    }
    match verified {
        Err(EngineError::Damaged(damage)) => found.damage.push(damage),
        other => other?,
    }
    Ok(found)
}

/// What is in the place of a segment now, when that is another one.
fn replaced(inner: &Inner, segment: &Arc<IndexedSegment>) -> Option<Arc<IndexedSegment>> {
    let segments = inner.shared.segments();
    let now = segments.iter().find(|now| now.first() == segment.first())?;
    (now.log.header != segment.log.header).then(|| Arc::clone(now))
}

/// What is after `last` may not be durable yet, and is not looked at.
fn segment_of(
    inner: &Inner,
    segment: &IndexedSegment,
    last: Position,
    found: &mut Verification,
) -> Result<(), EngineError> {
    found.bytes += segment.log.disk_bytes()?;
    let recovered = frames_upto(&segment.log, &bytes_of(&segment.log)?, last)?;
    let mut index = Gathered::new(segment.log.header.covered());
    for frame in &recovered.frames {
        if segment.is_sealed() {
            entries_of(frame, |entry| index.push(entry))?;
        }
        for slot in 0..frame.count() {
            if frame.dropped(slot)?.is_none() {
                frame.event(slot)?;
            }
        }
        found.events += u64::from(frame.count());
    }
    if recovered.next != last.next() {
        let file = segment.log.path.display().to_string();
        let what = format!("events up to position {last} were here");
        let (offset, position) = (recovered.end, recovered.next);
        return Err(EngineError::Damaged(Damage { file, offset, position, what }));
    }
    // A closed segment whose index could not be written has it in memory, as the active one.
    if segment.is_sealed() { index_of(inner, segment, index, found) } else { Ok(()) }
}

/// Index files are a function of their segment, byte for byte.
fn index_of(
    inner: &Inner,
    segment: &IndexedSegment,
    index: Gathered,
    found: &mut Verification,
) -> Result<(), EngineError> {
    let path = index_path(&segment.log);
    let damage = |offset, what: &str| {
        let file = path.display().to_string();
        let (position, what) = (segment.first(), what.to_owned());
        EngineError::Damaged(Damage { file, offset, position, what })
    };
    let failed = |error| EngineError::io("reading", &path, error);
    let file = match inner.options.machine.open(&path) {
        // Whoever opens the ledger for writing builds it again.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    let bytes = whole(&*file).map_err(failed)?;
    found.bytes += bytes.len() as u64;
    let expected = index.seal();
    let differs = expected.iter().zip(&bytes[..]).position(|(a, b)| a != b);
    match differs.or((expected.len() != bytes.len()).then(|| expected.len().min(bytes.len()))) {
        None => Ok(()),
        Some(at) => Err(damage(
            at as u64,
            "the index does not fit its segment; `factum repair` builds it again",
        )),
    }
}
