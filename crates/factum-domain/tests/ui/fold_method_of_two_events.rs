//! A method of a fold heeds one event.

extern crate factum_domain as factum;

use factum::{Event, fold, id};

id!(pub AccountId, "account");

#[derive(Event)]
#[event("account.opened")]
pub struct Opened {
    #[tag]
    pub account: AccountId,
}

#[derive(Event)]
#[event("account.closed")]
pub struct Closed {
    #[tag]
    pub account: AccountId,
}

#[derive(Default)]
pub struct Account {
    open: bool,
}

#[fold(by = AccountId)]
impl Account {
    fn changed(&mut self, _: &Opened, _: &Closed) {
        self.open = true;
    }
}

#[derive(Default)]
pub struct Deaf;

#[fold(by = AccountId)]
impl Deaf {
    fn add(&mut self, _cents: i64) {}
}

#[derive(Default)]
pub struct Unkeyed;

#[fold(version = 2)]
impl Unkeyed {
    fn opened(&mut self, _: &Opened) {}
}

fn main() {}
