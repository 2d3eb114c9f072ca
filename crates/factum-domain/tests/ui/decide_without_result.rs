//! A decider says what it may emit and how it may refuse.

extern crate factum_domain as factum;

use factum::{Command, Event, decide, id};

id!(pub AccountId, "account");

#[derive(Event)]
#[event("account.opened")]
pub struct Opened {
    #[tag]
    pub account: AccountId,
}

#[derive(Command)]
pub struct Open {
    pub account: AccountId,
}

#[decide]
fn open(c: &Open) -> Opened {
    Opened { account: c.account }
}

#[decide]
fn open_nothing() -> Result<Opened, std::convert::Infallible> {
    unreachable!()
}

#[decide]
async fn open_later(c: &Open) -> Result<Opened, std::convert::Infallible> {
    Ok(Opened { account: c.account })
}

fn main() {}
