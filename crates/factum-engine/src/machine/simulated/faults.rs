//! [`Faults`]: what goes wrong on a simulated machine, and [`Fired`]: what has gone wrong already,
//! so that a test can tell a machine that failed from one that never did.

/// What goes wrong. Calls are counted from 1 since the faults were set; those that change the disk,
/// syncs of files, writes and reads each by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The machine crashes at this call that changes the disk: it and all later calls fail.
    pub crash_at: Option<u64>,
    /// This sync of a file fails, and what it should have made durable is lost.
    pub failing_sync: Option<u64>,
    /// This write fails; any part of it was written.
    pub failing_write: Option<u64>,
    /// Syncs and writes fail for good from then on, instead of once.
    pub sticky: bool,
    /// This read fails.
    pub failing_read: Option<u64>,
    /// This read ends early, as if the file did.
    pub short_read: Option<u64>,
    /// The disk has room for so many bytes.
    pub capacity: Option<u64>,
    /// This call that changes the disk finds no room, whatever it wants; a rename may have happened
    /// all the same.
    pub full_at: Option<u64>,
}

/// How often each fault came about, since the machine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// The machine crashed at a call.
    pub crashes: u64,
    /// Syncs that failed.
    pub syncs: u64,
    /// Writes that failed.
    pub writes: u64,
    /// Failed or crashed writes of which a part was written.
    pub short_writes: u64,
    /// Reads that failed.
    pub reads: u64,
    /// Reads that ended early.
    pub short_reads: u64,
    /// Calls that found no room.
    pub full: u64,
    /// Sectors that a power cut lost.
    pub sectors_lost: u64,
    /// Files of which a power cut kept some unsynced sectors and lost others.
    pub torn: u64,
    /// Names that a power cut lost or brought back.
    pub names_lost: u64,
}
