//! A fold keyed by an id that an event lacks would never see the event.

extern crate factum_domain as factum;

use factum::{Event, fold, id};

id!(pub AccountId, "account");
id!(pub OwnerId, "owner");

#[derive(Event)]
#[event("account.opened")]
pub struct Opened {
    #[tag]
    pub account: AccountId,
}

#[derive(Event)]
#[event("owner.registered")]
pub struct Registered {
    #[tag]
    pub owner: OwnerId,
}

#[derive(Default)]
pub struct Account {
    open: bool,
}

#[fold(by = AccountId)]
impl Account {
    fn opened(&mut self, _: &Opened) {
        self.open = true;
    }
    fn registered(&mut self, _: &Registered) {}
}

#[derive(Default)]
pub struct Ownership {
    known: bool,
}

#[fold(by = (AccountId, OwnerId))]
impl Ownership {
    fn opened(&mut self, _: &Opened) {
        self.known = true;
    }
}

fn main() {}
