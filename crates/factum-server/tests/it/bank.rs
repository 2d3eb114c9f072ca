//! A small application for the tests: accounts that are opened, filled and emptied.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

id!(pub(crate) AccountId(String), "account");

#[derive(Event)]
#[event("account.opened")]
pub(crate) struct Opened {
    #[tag]
    pub(crate) account: AccountId,
}

#[derive(Event)]
#[event("account.moved")]
pub(crate) struct Moved {
    #[tag]
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Account {
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

#[derive(Debug, Refusal)]
pub(crate) enum No {
    #[say("{0} is open already")]
    Open(AccountId),
    #[say("only {have} left")]
    Short { have: i64 },
}

#[derive(Command)]
pub(crate) struct Open {
    pub(crate) account: AccountId,
}

#[derive(Command)]
pub(crate) struct Withdraw {
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

/// Has a decider with a mistake.
#[derive(Command)]
pub(crate) struct Explode {}

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

pub(crate) fn domain() -> Domain {
    Domain::new("bank")
        .decides::<Open>()
        .decides::<Withdraw>()
        .decides::<Explode>()
        .view(document::<Account>("accounts"))
}
