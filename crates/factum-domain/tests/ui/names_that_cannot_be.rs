//! Names that could not be written, or are taken.

extern crate factum_domain as factum;

use factum::{Event, id};

id!(pub AccountId, "Account:x");

#[derive(Event)]
#[event("$command")]
pub struct Hidden {}

#[derive(Event)]
#[event("")]
pub struct Nameless {}

#[derive(Event)]
#[event("account.moved")]
pub struct MovedV1 {}

#[derive(Event)]
#[event("account.moved.far", version = 2, from = MovedV1)]
pub struct Moved {}

impl From<MovedV1> for Moved {
    fn from(_: MovedV1) -> Self {
        Self {}
    }
}

fn main() {}
