//! An event is a struct with named fields, a type, and ids as tags.

extern crate factum_domain as factum;

use factum::{Event, Refusal, Command, id};

id!(pub AccountId, "account");

#[derive(Event)]
pub struct Opened {
    #[tag]
    pub account: AccountId,
}

#[derive(Event)]
#[event("account.closed")]
pub struct Closed(AccountId);

#[derive(Event)]
#[event("account.noted")]
pub struct Noted<T> {
    #[tag]
    pub account: AccountId,
    pub note: T,
}

#[derive(Event)]
#[event("account.named")]
pub struct Named {
    #[tag]
    pub name: String,
}

#[derive(Event)]
#[event("account.moved", from = Opened)]
pub struct Moved {}

#[derive(Refusal)]
pub enum No {
    NotOpen(AccountId),
}

#[derive(Command)]
pub enum Open {
    Now,
}

fn main() {}
