//! What somebody decides about a group: parked events, pauses, its pace, where it begins anew.

use factum_store::{Position, Timestamp};

use super::{Entry, Group, Load, Spot};
use crate::{Change, How, Pace, Standing};

/// Which of the parked events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The one at this position.
    At(Position),
    /// Those with this key: a stream's name, or a whole tag.
    Key(String),
    /// All of them.
    All,
}

/// Nothing is parked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOpen(pub Position);

impl Group {
    /// Parked events are delivered again, from the first attempt on. An event that waits for its
    /// next attempt can be picked by its position too. How many there were.
    ///
    /// # Errors
    /// [`NotOpen`] for a position where nothing is parked or waits.
    pub fn requeue(&mut self, pick: &Pick) -> Result<usize, NotOpen> {
        let picked = self.picked(pick, |spot| matches!(spot, Spot::Retry(_)))?;
        for position in &picked {
            let Some(entry) = self.open.get_mut(position) else { continue };
            entry.reference.attempts = 0;
            entry.reference.standing = Standing::Waiting;
            let reference = entry.reference.clone();
            self.place(*position);
            self.place_behind(&reference);
            self.note(Change::Kept(reference));
        }
        Ok(picked.len())
    }

    /// Parked events are given up: those behind them go on. How many there were.
    ///
    /// # Errors
    /// [`NotOpen`] for a position where nothing is parked.
    pub fn skip(&mut self, pick: &Pick) -> Result<usize, NotOpen> {
        let picked = self.picked(pick, |_| false)?;
        picked.iter().for_each(|position| self.settle(*position, How::Skipped));
        Ok(picked.len())
    }

    /// Nothing more is delivered, until it is resumed. What is in flight can be answered.
    pub fn pause(&mut self) {
        if !self.durable.paused {
            self.note(Change::Paused);
        }
    }

    /// Events are delivered again.
    pub fn resume(&mut self) {
        if self.durable.paused {
            self.note(Change::Resumed);
        }
    }

    /// Changes how fast, how often and how much, from the next delivery on.
    pub fn set_pace(&mut self, pace: Pace) {
        if *self.pace() != pace {
            self.note(Change::Paced(pace));
        }
    }

    /// Forgets everything, what is parked too, and begins anew after `to`. What is in flight can't be
    /// answered any more.
    pub fn reset(&mut self, to: Position, now: Timestamp) {
        self.open.clear();
        self.lines.clear();
        self.ready.clear();
        self.retries.clear();
        self.leases.clear();
        self.deliveries.clear();
        self.load = Load::default();
        self.consumers.values_mut().for_each(|consumer| consumer.in_flight = 0);
        self.forget_consumers(now);
        self.seen = to;
        self.note(Change::Reset(to));
    }

    /// The parked events that are meant; at a position, `also` others.
    fn picked(&self, pick: &Pick, also: impl Fn(Spot) -> bool) -> Result<Vec<Position>, NotOpen> {
        let parked = self.open.iter().filter(|(_, entry)| entry.spot == Spot::Parked);
        Ok(match pick {
            Pick::All => parked.map(|(position, _)| *position).collect(),
            Pick::Key(key) => {
                let has = |entry: &Entry| entry.reference.keys.iter().any(|mine| **mine == **key);
                parked.filter(|(_, entry)| has(entry)).map(|(position, _)| *position).collect()
            }
            Pick::At(position) => {
                let spot = self.open.get(position).map(|entry| entry.spot);
                match spot.is_some_and(|spot| spot == Spot::Parked || also(spot)) {
                    true => vec![*position],
                    false => return Err(NotOpen(*position)),
                }
            }
        })
    }
}
