//! What a writer says, a line each, to whoever survives it: before it sends, and what it heard.

use std::{fmt, str::FromStr};

use anyhow::Context as _;
use factum_store::Position;

use crate::batch::BatchId;

/// One line of a writer's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The batch is about to be sent; guarded ones say after which position.
    Sends(BatchId, Option<Position>),
    /// It was acknowledged at these positions, or was before.
    Acknowledged { batch: BatchId, first: Position, last: Position, replayed: bool },
    /// A condition did not hold: nothing of it may ever be seen.
    Conflict(BatchId),
    /// It failed: whole or not at all.
    Failed(BatchId, String),
    /// Whoever was asked is gone: whole or not at all.
    Lost(BatchId),
    /// Nobody writes to this ledger of a soak any more.
    Done(u32),
    /// A reader was shown this head.
    Saw(Position),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sends(batch, None) => write!(f, "s {batch}"),
            Self::Sends(batch, Some(after)) => write!(f, "s {batch} {after}"),
            Self::Acknowledged { batch, first, last, replayed } => {
                write!(f, "a {batch} {first} {last} {}", u8::from(*replayed))
            }
            Self::Conflict(batch) => write!(f, "c {batch}"),
            Self::Failed(batch, why) => write!(f, "f {batch} {}", why.replace('\n', " ")),
            Self::Lost(batch) => write!(f, "l {batch}"),
            Self::Done(ledger) => write!(f, "d {ledger}"),
            Self::Saw(position) => write!(f, "v {position}"),
        }
    }
}

impl FromStr for Line {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        let mut word = || words.next().with_context(|| format!("{line:?} is cut off"));
        let position = |word: &str| word.parse().map(Position);
        Ok(match kind {
            "s" => {
                let batch = word()?.parse()?;
                Self::Sends(batch, word().ok().map(position).transpose()?)
            }
            "a" => Self::Acknowledged {
                batch: word()?.parse()?,
                first: position(word()?)?,
                last: position(word()?)?,
                replayed: word()? == "1",
            },
            "c" => Self::Conflict(word()?.parse()?),
            "f" => {
                let batch = word()?.parse()?;
                Self::Failed(batch, words.collect::<Vec<_>>().join(" "))
            }
            "l" => Self::Lost(word()?.parse()?),
            "d" => Self::Done(word()?.parse()?),
            "v" => Self::Saw(position(word()?)?),
            _ => anyhow::bail!("a writer said {line:?}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_back() {
        let batch = BatchId { round: 3, writer: 1, number: 77 };
        let (first, last) = (Position(5), Position(6));
        for line in [
            Line::Sends(batch, None),
            Line::Sends(batch, Some(first)),
            Line::Acknowledged { batch, first, last, replayed: true },
            Line::Acknowledged { batch, first, last, replayed: false },
            Line::Conflict(batch),
            Line::Failed(batch, "no room: at all".into()),
            Line::Lost(batch),
            Line::Done(4),
            Line::Saw(last),
        ] {
            assert_eq!(line.to_string().parse::<Line>().expect("a line"), line);
        }
        assert!("a 1.2".parse::<Line>().is_err());
    }
}
