//! A deliberate bug of the engine, to see whether these tests find it. Only with the feature
//! `sabotage`.

use clap::Args;
use factum_engine::Options;

/// A deliberate bug.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Bug {
    /// The engine's name for it.
    #[cfg(feature = "sabotage")]
    #[arg(long, hide = true)]
    sabotage: Option<String>,
}

#[cfg(feature = "sabotage")]
impl Bug {
    pub(crate) fn name(&self) -> Option<String> {
        self.sabotage.clone()
    }

    /// The same options with the bug.
    pub(crate) fn with_bug(&self, options: Options) -> Options {
        use factum_engine::Sabotage::{
            AckBeforeSync, ConditionOutsideGroup, DirectoryNotSynced, IndexEntryDropped,
            KeyNotChecked, PositionReused, ShownBeforeDurable, TailCutOnDamage,
        };
        let all = [
            AckBeforeSync,
            ConditionOutsideGroup,
            DirectoryNotSynced,
            IndexEntryDropped,
            KeyNotChecked,
            PositionReused,
            ShownBeforeDurable,
            TailCutOnDamage,
        ];
        let wanted = self.sabotage.as_deref();
        let found = all.into_iter().find(|bug| wanted == Some(&*format!("{bug:?}")));
        Options { sabotage: found, ..options }
    }
}

#[cfg(not(feature = "sabotage"))]
#[expect(clippy::unused_self, reason = "there is a bug with the feature only")]
impl Bug {
    pub(crate) fn name(&self) -> Option<String> {
        None
    }

    pub(crate) fn with_bug(&self, options: Options) -> Options {
        options
    }
}
