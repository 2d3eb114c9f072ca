//! There is nothing to ignore.

extern crate factum_domain as factum;

use std::convert::Infallible;

use factum::{Command, Event, decide, fold, id};

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
    fn opened(&mut self, _: &Opened) {
        self.open = true;
    }
}

#[derive(Command)]
pub struct Open {
    pub account: AccountId,
}

#[decide]
fn open(
    c: &Open,
    #[by(c.account, ignoring(Closed))] account: &Account,
) -> Result<Option<Opened>, Infallible> {
    Ok((!account.open).then(|| Opened { account: c.account }))
}

fn main() {}
