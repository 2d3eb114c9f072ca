//! A small application for the tests: accounts that are opened, filled and emptied.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

id!(pub AccountId(String), "account");

#[derive(Event)]
#[event("account.opened")]
pub struct Opened {
    #[tag]
    pub account: AccountId,
}

#[derive(Event)]
#[event("account.moved")]
pub struct Moved {
    #[tag]
    pub account: AccountId,
    pub cents: i64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Account {
    open: bool,
    cents: i64,
}

#[fold(by = AccountId, version = 1)]
impl Account {
    fn opened(&mut self, _: &Opened) {
        self.open = true;
    }
    fn moved(&mut self, e: &Moved) {
        self.cents += e.cents;
    }
}

#[derive(Refusal)]
pub enum No {
    #[say("{0} is open already")]
    Open(AccountId),
    #[say("only {have} left")]
    Short { have: i64 },
}

#[derive(Command)]
pub struct Open {
    pub account: AccountId,
}

#[derive(Command)]
pub struct Withdraw {
    pub account: AccountId,
    pub cents: i64,
}

/// Has a decider with a mistake.
#[derive(Command)]
pub struct Explode {}

#[decide]
fn open(c: &Open, #[by(c.account)] account: &Account) -> Result<(Opened, Moved), No> {
    ensure!(!account.open, No::Open(c.account.clone()));
    Ok((Opened { account: c.account.clone() }, Moved { account: c.account.clone(), cents: 100 }))
}

#[decide]
fn withdraw(c: &Withdraw, #[by(c.account)] account: &Account) -> Result<Moved, No> {
    ensure!(account.cents >= c.cents, No::Short { have: account.cents });
    Ok(Moved { account: c.account.clone(), cents: -c.cents })
}

#[decide]
fn explode(_c: &Explode) -> Result<(), No> {
    panic!("a mistake in a decider")
}

pub fn domain() -> Domain {
    Domain::new("bank")
        .decides::<Open>()
        .decides::<Withdraw>()
        .decides::<Explode>()
        .view(document::<Account>("accounts"))
}
