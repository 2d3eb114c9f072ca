//! The sample of the design, word for word.

use factum::{Command, Event, Refusal, decide, ensure, fold, id, testing::given};

id!(pub AccountId, "account");

#[derive(Event)]
#[event("account.opened")]
pub struct Opened {
    #[tag]
    pub account: AccountId,
    #[personal]
    pub owner: String,
}
#[derive(Event)]
#[event("account.deposited")]
pub struct Deposited {
    #[tag]
    pub account: AccountId,
    pub cents: i64,
}
#[derive(Event)]
#[event("account.withdrawn")]
pub struct Withdrawn {
    #[tag]
    pub account: AccountId,
    pub cents: i64,
}

#[derive(Default)]
pub struct Account {
    open: bool,
    cents: i64,
}
#[fold(by = AccountId, version = 1)]
#[rustfmt::skip]
impl Account {
    fn opened(&mut self, _: &Opened)       { self.open = true }
    fn deposited(&mut self, e: &Deposited) { self.cents += e.cents }
    fn withdrawn(&mut self, e: &Withdrawn) { self.cents -= e.cents }
}

#[derive(Refusal)]
pub enum No {
    #[say("{0} is not open")]
    NotOpen(AccountId),
    #[say("only {have} left")]
    Short { have: i64 },
}
#[derive(Command)]
pub struct Transfer {
    pub from: AccountId,
    pub to: AccountId,
    pub cents: i64,
}

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

fn account(n: u128) -> AccountId {
    AccountId::from(uuid::Uuid::from_u128(n))
}

fn opened(n: u128) -> Opened {
    Opened { account: account(n), owner: "Ann".into() }
}

fn deposited(n: u128, cents: i64) -> Deposited {
    Deposited { account: account(n), cents }
}

fn move_500() -> Transfer {
    Transfer { from: account(1), to: account(2), cents: 500 }
}

#[test]
fn a_transfer_withdraws_here_and_deposits_there() {
    given(([opened(1), opened(2)], deposited(1, 700)))
        .when(move_500())
        .then((Withdrawn { account: account(1), cents: 500 }, deposited(2, 500)));
}

#[test]
fn a_transfer_beyond_what_is_left_is_refused() {
    given((opened(1), deposited(1, 100), opened(2)))
        .when(move_500())
        .refused(No::Short { have: 100 });
    given(()).when(move_500()).refused(No::NotOpen(account(1)));
    given(opened(1)).when(move_500()).refused(No::NotOpen(account(2)));
}
