//! A decider emits an event that is not in its signature.

extern crate factum_domain as factum;

use std::convert::Infallible;

use factum::{Command, Event, decide, fold, id};

id!(pub AccountId, "account");

#[derive(Event)]
#[event("account.withdrawn")]
pub struct Withdrawn {
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
    withdrawals: u64,
}

#[fold(by = AccountId)]
impl Account {
    fn withdrawn(&mut self, _: &Withdrawn) {
        self.withdrawals += 1;
    }
}

#[derive(Command)]
pub struct Close {
    pub account: AccountId,
}

#[decide]
fn close(c: &Close, #[by(c.account)] account: &Account) -> Result<(Withdrawn,), Infallible> {
    if account.withdrawals > 0 {
        return Ok((Withdrawn { account: c.account },));
    }
    Ok((Withdrawn { account: c.account }, Closed { account: c.account }))
}

#[derive(Command)]
pub struct CloseAll {
    pub accounts: Vec<AccountId>,
}

#[decide]
fn close_all(c: &CloseAll) -> Result<Vec<Withdrawn>, Infallible> {
    match c.accounts.as_slice() {
        [account] => Ok(vec![Closed { account: *account }]),
        _ => Ok(vec![]),
    }
}

#[derive(Command)]
pub struct CloseOne {
    pub account: AccountId,
}

// Not a literal: the type system refuses it.
#[decide]
fn close_one(c: &CloseOne) -> Result<Withdrawn, Infallible> {
    let closed = Closed { account: c.account };
    Ok(closed)
}

fn main() {}
