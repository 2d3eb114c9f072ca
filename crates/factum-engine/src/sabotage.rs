//! Deliberate bugs, to prove that the tests bite. They exist only with the feature `sabotage`, and
//! even then only where a test asks for one.

/// A deliberate bug.
#[cfg_attr(
    not(feature = "sabotage"),
    expect(unreachable_pub, reason = "exported with the feature")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// An append is acknowledged although nothing was synced (breaks G2).
    AckBeforeSync,
    /// A condition is checked against the durable ledger only, not against the batches of its own
    /// group (breaks G4).
    ConditionOutsideGroup,
    /// What came after the caller has looked is not looked at (breaks G4 and G5).
    ForesightTrusted,
    /// A key is recorded and never looked up (breaks G5).
    KeyNotChecked,
    /// Readers see a group before its sync (breaks G2 and G3).
    ShownBeforeDurable,
    /// Damage is taken for a torn tail and cut (breaks G10).
    TailCutOnDamage,
    /// The directory is not synced when a segment is made or opened (breaks G2).
    DirectoryNotSynced,
    /// A position is given twice (breaks G3).
    PositionReused,
    /// The index lacks an entry here and there (breaks G3).
    IndexEntryDropped,
    /// A subscription does not remember how far it has looked (breaks G6).
    CursorStands,
    /// A sync that failed is tried again, and what it says then is believed (breaks G2).
    SyncRetried,
    /// A frame is taken for whole whatever its body's checksum says (breaks G1 and G10).
    ChecksumIgnored,
    /// A page keeps whatever it is asked for (breaks G12).
    PageUnbounded,
    /// The last event that retention hides is shown (breaks retention).
    HiddenShown,
    /// A stream that was ended takes more events (breaks retention).
    TombstoneIgnored,
    /// A compaction drops one event too many (breaks retention).
    CompactionDropsMore,
    /// A compaction loses keys (breaks G5).
    CompactionForgetsKeys,
    /// A rewritten segment takes the place of the old one before it is synced (breaks G2).
    CompactionNotSynced,
    /// A backup takes events that are not known durable (breaks G2).
    BackupOfUnsynced,
    /// The generation before is removed before the name of the next one is durable (breaks G2).
    OldRemovedFirst,
    /// The next frame is written behind the mark of a clean stop instead of over it (breaks G2).
    MarkKept,
    /// Opening says that frames are safe before they are (breaks G10).
    MarkBeforeSync,
    /// What was whole when the ledger was opened is not checked again (breaks G10).
    RotServed,
}

#[cfg(feature = "sabotage")]
thread_local! {
    /// Frames are checked far from any options.
    static CHECKSUM_IGNORED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether [`Sabotage::ChecksumIgnored`] is on, for the ledger that this thread opened last.
#[cfg(feature = "sabotage")]
pub(crate) fn checksum_ignored() -> bool {
    CHECKSUM_IGNORED.get()
}

#[cfg(not(feature = "sabotage"))]
pub(crate) fn checksum_ignored() -> bool {
    false
}

/// Which deliberate bug is on, if any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Switch(#[cfg(feature = "sabotage")] pub(crate) Option<Sabotage>);

impl Switch {
    /// The switch of a ledger that is opened on this thread.
    pub(crate) fn opening(self) -> Self {
        let _ignored = self.is(Sabotage::ChecksumIgnored);
        #[cfg(feature = "sabotage")]
        CHECKSUM_IGNORED.set(_ignored);
        self
    }

    /// The ledger is open.
    pub(crate) fn opened(self) {
        let _served = self.is(Sabotage::RotServed);
        #[cfg(feature = "sabotage")]
        CHECKSUM_IGNORED.set(checksum_ignored() || _served);
    }

    /// Whether this one is on. Without the feature it never is, and costs nothing.
    #[cfg(feature = "sabotage")]
    pub(crate) fn is(self, bug: Sabotage) -> bool {
        self.0 == Some(bug)
    }

    #[cfg(not(feature = "sabotage"))]
    #[expect(clippy::unused_self, reason = "the switch has a state with the feature only")]
    pub(crate) fn is(self, _: Sabotage) -> bool {
        false
    }
}
