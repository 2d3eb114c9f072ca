//! [`SegmentFile`]: the active segment as the writer has it, with zeros written ahead.
//!
//! A sync of blocks that were written before flushes data and needs no journal commit. So zeros
//! are written and synced ahead of the frames, by a thread beside the writer, and so is the file of
//! the next segment. The writer never writes where zeros are still being written.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use factum_store::Position;

use crate::{
    error::EngineError,
    log::{SEGMENT_HEADER_BYTES, Segment, SegmentHeader, segment_name},
    machine::{File, Machine},
    options::Options,
    sabotage::Sabotage,
};

/// Before a frame as large as this no zeros are written: to write everything twice costs more than
/// the journal does.
const LARGE_FRAME_BYTES: u64 = 16 << 10;
/// The first zeros of a ledger's first segment: a small ledger takes little room.
const FIRST_AHEAD_BYTES: u64 = 256 << 10;
const SPARE: &str = "spare.tmp";

/// The active segment's file.
pub(crate) struct SegmentFile {
    pub(crate) log: Arc<Segment>,
    /// Where the next frame goes.
    pub(crate) end: u64,
    /// The file is written up to here, with zeros behind the frames.
    zeroed: u64,
    /// Whether the last frame was a large one: then the next one probably is.
    large: bool,
    ahead: Option<JoinHandle<io::Result<u64>>>,
    spare: Option<JoinHandle<io::Result<()>>>,
    dir: PathBuf,
    options: Options,
}

impl SegmentFile {
    /// An existing segment whose frames end at `end`.
    pub(crate) fn new(
        log: Arc<Segment>,
        end: u64,
        dir: &Path,
        options: &Options,
    ) -> Result<Self, EngineError> {
        let zeroed = log.len()?;
        let (dir, options) = (dir.to_owned(), options.clone());
        let (ahead, spare, large) = (None, None, false);
        Ok(Self { log, end, zeroed, large, ahead, spare, dir, options })
    }

    /// Makes the segment whose first event will be `header.first`. Nothing is there under its name
    /// before all of it is durable.
    pub(crate) fn create(
        header: SegmentHeader,
        dir: &Path,
        options: &Options,
    ) -> Result<Self, EngineError> {
        let spare = dir.join(SPARE);
        let failed = |error| EngineError::io("making", &spare, error);
        let machine = &*options.machine;
        let ahead = FIRST_AHEAD_BYTES.min(options.write_ahead_bytes);
        make_spare(machine, &spare, ahead).map_err(failed)?;
        Self::adopt(header, dir, options)
    }

    /// Gives the spare file its header and its name.
    fn adopt(header: SegmentHeader, dir: &Path, options: &Options) -> Result<Self, EngineError> {
        let (spare, path) = (dir.join(SPARE), dir.join(segment_name(&header)));
        let failed = |error| EngineError::io("making", &path, error);
        let machine = &*options.machine;
        // Whatever led here: no segment is ever put in the place of another.
        match machine.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(_) => return Err(failed(io::ErrorKind::AlreadyExists.into())),
        }
        let file = machine.open_writable(&spare).map_err(failed)?;
        file.write_at(&header.encode(), 0).map_err(failed)?;
        file.sync().map_err(failed)?;
        // From here on the name may be there, whatever is answered: then a full disk is more than
        // a refusal.
        let named = |error| EngineError::Io {
            doing: "naming",
            path: path.clone(),
            source: Arc::new(error),
        };
        machine.rename(&spare, &path).map_err(named)?;
        if !options.switch().is(Sabotage::DirectoryNotSynced) {
            machine.sync_dir(dir).map_err(named)?;
        }
        let log = Segment::open(machine, &path, true)?;
        Self::new(Arc::new(log), SEGMENT_HEADER_BYTES, dir, options)
    }

    /// Makes sure that a frame of so many bytes may be written up to `end`. Nothing of it is written
    /// yet, so a full disk is no more than a refusal.
    pub(crate) fn reserve(&mut self, end: u64, bytes: u64) -> Result<(), EngineError> {
        self.large = bytes >= LARGE_FRAME_BYTES;
        if end > self.zeroed {
            self.finish_ahead()?;
        }
        if end > self.zeroed {
            let upto = end.max(self.zeroed + self.step());
            let reserved = match self.large {
                true => self.log.file.allocate(self.zeroed, upto).map(|()| upto),
                false => zero(&*self.log.file, self.zeroed, upto),
            };
            self.zeroed = reserved.map_err(|e| EngineError::io("extending", &self.log.path, e))?;
        }
        Ok(())
    }

    /// Has zeros written ahead, and the next segment's file, when they will soon be needed.
    pub(crate) fn look_ahead(&mut self) {
        if !self.options.background {
            return;
        }
        let max = self.options.segment_bytes_max;
        let short = self.zeroed < max && self.zeroed - self.end < self.step() / 2;
        if self.ahead.is_none() && short && !self.large {
            let (file, from) = (Arc::clone(&self.log.file), self.zeroed);
            let upto = (from + self.step()).min(max);
            self.ahead = spawn("ahead", move || zero(&*file, from, upto));
        }
        if self.spare.is_none() && self.end > max / 2 {
            let (options, spare) = (self.options.clone(), self.dir.join(SPARE));
            let bytes = self.options.write_ahead_bytes;
            self.spare = spawn("spare", move || make_spare(&*options.machine, &spare, bytes));
        }
    }

    /// The next segment. All frames of this one are durable.
    pub(crate) fn next(&mut self, first: Position) -> Result<Self, EngineError> {
        self.finish_ahead()?;
        let header = SegmentHeader { first, generation: 0, ..self.log.header };
        match self.spare.take().map(JoinHandle::join) {
            Some(Ok(Ok(()))) => Self::adopt(header, &self.dir, &self.options),
            _ => Self::create(header, &self.dir, &self.options),
        }
    }

    /// Waits for the threads.
    pub(crate) fn finish(&mut self) {
        let _ = self.finish_ahead();
        if let Some(spare) = self.spare.take() {
            let _ = spare.join();
            let _ = self.options.machine.remove(&self.dir.join(SPARE));
        }
    }

    fn finish_ahead(&mut self) -> Result<(), EngineError> {
        let Some(ahead) = self.ahead.take() else { return Ok(()) };
        let written = ahead.join().unwrap_or_else(|_| Err(io::Error::other("its thread failed")));
        self.zeroed = written.map_err(|e| EngineError::io("extending", &self.log.path, e))?;
        Ok(())
    }

    /// How far ahead: as much as there is already, up to the option.
    fn step(&self) -> u64 {
        self.zeroed.clamp(
            FIRST_AHEAD_BYTES.min(self.options.write_ahead_bytes),
            self.options.write_ahead_bytes,
        )
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<JoinHandle<T>> {
    // Without a thread the writer does the work itself, when it needs it.
    std::thread::Builder::new().name(name.to_owned()).spawn(work).ok()
}

/// Writes and syncs zeros; says up to where. A piece at a time: the writer's next sync takes with it
/// whatever of the file is not on the disk yet, and would wait for all of it.
fn zero(file: &dyn File, from: u64, upto: u64) -> io::Result<u64> {
    const ZEROS: &[u8] = &[0; 256 << 10];
    for at in (from..upto).step_by(ZEROS.len()) {
        file.write_at(&ZEROS[..ZEROS.len().min((upto - at) as usize)], at)?;
        file.sync()?;
    }
    Ok(upto)
}

fn make_spare(machine: &dyn Machine, path: &Path, bytes: u64) -> io::Result<()> {
    // What an earlier attempt left is of no use.
    let _ = machine.remove(path);
    let file = machine.create(path)?;
    zero(&*file, 0, SEGMENT_HEADER_BYTES + bytes).map(drop)
}
