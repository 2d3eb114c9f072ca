//! A bank of accounts: the whole application, and what can be asked of it.
//!
//! `cargo run -p factum --example bank [DIRECTORY]` keeps it in a directory (by default
//! `bank.factum`); run it again and it goes on where it was.

#![allow(missing_docs, reason = "an example reads better without")]

use factum::{prelude::*, store::Position};

id!(pub AccountId, "account");

/// An account can be used from now on.
#[derive(Event)]
#[event("account.opened")]
pub struct Opened {
    #[tag]
    pub account: AccountId,
    #[personal]
    pub owner: String,
}

/// Money came in.
#[derive(Event)]
#[event("account.deposited")]
pub struct Deposited {
    #[tag]
    pub account: AccountId,
    pub cents: i64,
}

/// Money went out.
#[derive(Event)]
#[event("account.withdrawn")]
pub struct Withdrawn {
    #[tag]
    pub account: AccountId,
    pub cents: i64,
}

/// What decisions need to know of an account.
#[derive(Default)]
pub struct Account {
    open: bool,
    cents: i64,
}

#[fold(by = AccountId, version = 1)]
impl Account {
    fn opened(&mut self, _: &Opened) {
        self.open = true;
    }
    fn deposited(&mut self, e: &Deposited) {
        self.cents += e.cents;
    }
    fn withdrawn(&mut self, e: &Withdrawn) {
        self.cents -= e.cents;
    }
}

/// Why not.
#[derive(Refusal, Debug)]
pub enum No {
    #[say("{0} is open already")]
    Open(AccountId),
    #[say("{0} is not open")]
    NotOpen(AccountId),
    #[say("only {have} cents left")]
    Short { have: i64 },
}

#[derive(Command)]
pub struct Open {
    pub account: AccountId,
    pub owner: String,
    pub cents: i64,
}

#[decide]
fn open(
    c: &Open,
    #[by(c.account, ignoring(Deposited, Withdrawn))] a: &Account,
) -> Result<(Opened, Deposited), No> {
    ensure!(!a.open, No::Open(c.account));
    let opened = Opened { account: c.account, owner: c.owner.clone() };
    Ok((opened, Deposited { account: c.account, cents: c.cents }))
}

#[derive(Command)]
pub struct Transfer {
    pub from: AccountId,
    pub to: AccountId,
    pub cents: i64,
}

/// Two accounts, one decision, one atomic append.
#[decide]
fn transfer(
    c: &Transfer,
    #[by(c.from)] from: &Account,
    #[by(c.to, ignoring(Deposited, Withdrawn))] to: &Account,
) -> Result<(Withdrawn, Deposited), No> {
    ensure!(from.open, No::NotOpen(c.from));
    ensure!(to.open, No::NotOpen(c.to));
    ensure!(from.cents >= c.cents, No::Short { have: from.cents });
    Ok((Withdrawn { account: c.from, cents: c.cents }, Deposited { account: c.to, cents: c.cents }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "bank.factum".into());
    let app = App::open(dir).await?;

    let [ann, bob]: [AccountId; 2] = [new_id(), new_id()];
    app.run(Open { account: ann, owner: "Ann".into(), cents: 1_000 }).await?;
    let opened = app.run(Open { account: bob, owner: "Bob".into(), cents: 0 }).await?;

    // Safe to retry: the same key and command have one outcome, for as long as events are kept.
    let pay = || Transfer { from: ann, to: bob, cents: 700 };
    let key = format!("rent-{}", opened.position());
    let done = app.run(pay()).key(&key).await?;
    let again = app.run(pay()).key(&key).await?;
    println!("paid at position {}; asked again: replayed = {}", done.position(), again.replayed());

    match app.run(pay()).await {
        Err(RunError::Refused(no)) => println!("refused: {no}"),
        other => println!("unexpected: {other:?}"),
    }

    let now = app.get::<Account>(bob).after(&done).await?;
    let before = app.get::<Account>(bob).as_of(Position(done.position().0 - 3)).await?;
    println!("Bob has {} cents, and had {} before", now.cents, before.cents);
    app.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_too_little_is_told_how_much_is_left() {
        let [a, b]: [AccountId; 2] = [new_id(), new_id()];
        let open = |account, cents| {
            (Opened { account, owner: String::new() }, Deposited { account, cents })
        };
        given((open(a, 100), open(b, 0)))
            .when(Transfer { from: a, to: b, cents: 500 })
            .refused(No::Short { have: 100 });
    }
}
