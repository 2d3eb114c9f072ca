//! A bank: the domain that the other tests run.

use std::sync::Arc;

use factum::{
    Answer,
    prelude::*,
    store::{
        Bytes, Ledger, Query, Read, RecordedEvent, ViewStore,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use serde::{Deserialize, Serialize};

id!(pub(crate) AccountId(String), "account");

#[derive(Event)]
#[event("account.opened")]
pub(crate) struct Opened {
    #[tag]
    pub(crate) account: AccountId,
}

#[derive(Event)]
#[event("account.deposited")]
pub(crate) struct Deposited {
    #[tag]
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

#[derive(Event)]
#[event("account.withdrawn")]
pub(crate) struct Withdrawn {
    #[tag]
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) open: bool,
    pub(crate) cents: i64,
}

#[fold(by = AccountId, snapshot)]
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

#[derive(Refusal, Debug, PartialEq)]
pub(crate) enum No {
    #[say("{0} is open already")]
    Open(AccountId),
    #[say("{0} is not open")]
    NotOpen(AccountId),
    #[say("only {have} left")]
    Short { have: i64 },
}

#[derive(Command)]
pub(crate) struct Open {
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

#[decide]
fn open(c: &Open, #[by(&c.account)] account: &Account) -> Result<(Opened, Deposited), No> {
    ensure!(!account.open, No::Open(c.account.clone()));
    let (account, cents) = (c.account.clone(), c.cents);
    Ok((Opened { account: account.clone() }, Deposited { account, cents }))
}

#[derive(Command, Clone)]
pub(crate) struct Transfer {
    pub(crate) from: AccountId,
    pub(crate) to: AccountId,
    pub(crate) cents: i64,
}

#[decide]
fn transfer(
    c: &Transfer,
    #[by(&c.from)] from: &Account,
    #[by(&c.to, ignoring(Deposited, Withdrawn))] to: &Account,
) -> Result<(Withdrawn, Deposited), No> {
    ensure!(from.open, No::NotOpen(c.from.clone()));
    ensure!(to.open, No::NotOpen(c.to.clone()));
    ensure!(from.cents >= c.cents, No::Short { have: from.cents });
    let cents = c.cents;
    Ok((Withdrawn { account: c.from.clone(), cents }, Deposited { account: c.to.clone(), cents }))
}

/// A command that changes nothing and is never refused.
#[derive(Command)]
pub(crate) struct Look {
    pub(crate) account: AccountId,
}

#[decide]
fn look(_c: &Look, #[by(&_c.account)] _account: &Account) -> Result<(), No> {
    Ok(())
}

pub(crate) fn account(number: u64) -> AccountId {
    AccountId::new(format!("a{number:02}")).unwrap()
}

pub(crate) fn pay(from: u64, to: u64, cents: i64) -> Transfer {
    Transfer { from: account(from), to: account(to), cents }
}

/// Documents only: every store keeps them.
pub(crate) fn documents() -> Domain {
    Domain::new("bank")
        .decides::<Open>()
        .decides::<Transfer>()
        .decides::<Look>()
        .view(document::<Account>("accounts").keyframe_every(50))
}

/// Documents, and rows by SQL.
pub(crate) fn bank() -> Domain {
    documents().view(
        rows(
            "turnover",
            "create table turnover (account text primary key, moves integer not null, \
             came_in integer not null, went_out integer not null, last_position integer not null)",
        )
        .key("account")
        .order(["went_out desc", "account"])
        .keyframe_every(70)
        .on::<Deposited>(
            "insert into turnover values (:account, 1, :cents, 0, :position) \
             on conflict (account) do update set moves = moves + 1, \
             came_in = came_in + excluded.came_in, last_position = excluded.last_position",
        )
        .on::<Withdrawn>(
            "update turnover set moves = moves + 1, went_out = went_out + :cents, \
             last_position = :position where account = :account",
        ),
    )
}

pub(crate) async fn in_memory() -> (App, Arc<MemoryLedger>) {
    let ledger = Arc::new(MemoryLedger::new());
    let app = over(ledger.clone(), Arc::new(MemoryViewStore::new()), documents()).await;
    (app, ledger)
}

pub(crate) async fn over(
    ledger: Arc<dyn Ledger>,
    views: Arc<dyn ViewStore>,
    domain: Domain,
) -> App {
    App::over(ledger, views).domain(domain).await.unwrap()
}

pub(crate) async fn embedded(dir: &std::path::Path) -> App {
    App::open(dir.to_str().unwrap()).ledger("bank").domain(bank()).await.unwrap()
}

/// Opens accounts 0 to `count`, each with some money.
pub(crate) async fn fund(app: &App, count: u64, cents: i64) {
    for number in 0..count {
        app.run(Open { account: account(number), cents }).await.unwrap();
    }
}

pub(crate) async fn everything(ledger: &dyn Ledger) -> Vec<RecordedEvent> {
    let (mut events, mut next) = (Vec::new(), Some(Read::new(Query::everything())));
    while let Some(read) = next {
        let page = ledger.read(read).await.unwrap();
        events.extend(page.events);
        next = page.next;
    }
    events
}

/// All rows of a view, page by page.
pub(crate) async fn rows_of(app: &App, view: &str, as_of: Option<AsOf>) -> (Vec<Bytes>, Answer) {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let mut read = app.view(view).unwrap().list().limit(7).cursor(cursor);
        if let Some(moment) = as_of {
            read = read.as_of(moment);
        }
        let answer = read.await.unwrap();
        rows.extend(answer.rows.iter().map(|row| row.document.clone()));
        cursor = answer.next.clone();
        if cursor.is_none() {
            return (rows, answer);
        }
    }
}
