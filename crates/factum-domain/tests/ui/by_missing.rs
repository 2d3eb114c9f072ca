//! A decider's parameter does not say which state it is.

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
fn open(c: &Open, account: &Account) -> Result<Option<Opened>, Infallible> {
    Ok((!account.open).then(|| Opened { account: c.account }))
}

fn main() {}
