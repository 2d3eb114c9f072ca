//! Deliberate bugs, to prove that the tests bite. They exist only with the feature `sabotage`, and
//! even then only where a test asks for one.

/// A deliberate bug.
#[cfg_attr(
    not(feature = "sabotage"),
    expect(unreachable_pub, reason = "exported with the feature")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The checkpoint moves past events that are in flight.
    CheckpointPassesUnsettled,
    /// The checkpoint moves past an event that is parked, without a reference to it.
    ParkedNotKept,
    /// The next event of a key is delivered while the one before it is in flight.
    KeyOverlaps,
    /// The events behind a parked one of their key are delivered.
    ParkedKeyFlows,
    /// An event whose deadline has passed is not delivered again.
    TimeOutForgotten,
    /// An event that was settled is delivered again when it is offered again.
    DoneForgotten,
    /// Failed deliveries are not counted.
    AttemptsNotCounted,
    /// However much is open, more is taken.
    IntakeUnbounded,
}

/// Whether a bug was asked for; without the feature, never.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Switch(#[cfg(feature = "sabotage")] pub(crate) Option<Sabotage>);

impl Switch {
    #[cfg(feature = "sabotage")]
    pub(crate) fn is(self, bug: Sabotage) -> bool {
        self.0 == Some(bug)
    }

    #[cfg(not(feature = "sabotage"))]
    pub(crate) fn is(self, _: Sabotage) -> bool {
        false
    }
}
