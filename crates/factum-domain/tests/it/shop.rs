//! A shop: text ids, optional and repeated tags, streams, a pair as key, and a decider whose later
//! boundaries follow from what it read first.

use std::collections::BTreeSet;

use factum::{Command, Each, Event, Refusal, decide, ensure, fold, id};
use serde::{Deserialize, Serialize};

id!(pub OrderId(String), "order");
id!(pub UserId(String), "user");
id!(pub CardId(String), "gift-card");

#[derive(Event, Clone, Debug, PartialEq)]
#[event("order.placed")]
pub struct Placed {
    #[tag]
    #[stream]
    pub order: OrderId,
    #[tag]
    pub user: Option<UserId>,
    #[tag]
    pub cards: Vec<CardId>,
    pub cents: i64,
}

#[derive(Event)]
#[event("order.cancelled", stream = "order")]
pub struct Cancelled {
    #[tag]
    pub order: OrderId,
    #[serde(default)]
    pub reason: String,
}

#[derive(Event)]
#[event("user.credited")]
pub struct Credited {
    #[tag]
    pub user: UserId,
    pub cents: i64,
}

#[derive(Event)]
#[event("card.issued")]
pub struct Issued {
    #[tag]
    pub card: CardId,
    #[tag]
    pub user: UserId,
    pub cents: i64,
}

#[derive(Event)]
#[event("card.refilled")]
pub struct Refilled {
    #[tag]
    pub card: CardId,
    pub cents: i64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Order {
    pub placed: bool,
    pub cancelled: bool,
    pub user: Option<UserId>,
    pub cards: BTreeSet<CardId>,
    pub cents: i64,
}

#[fold(by = OrderId, snapshot)]
impl Order {
    fn placed(&mut self, e: &Placed) {
        self.placed = true;
        self.user = e.user.clone();
        self.cards = e.cards.iter().cloned().collect();
        self.cents = e.cents;
    }

    fn cancelled(&mut self, _: &Cancelled) {
        self.cancelled = true;
    }
}

#[derive(Default)]
pub struct User {
    pub credit: i64,
}

#[fold(by = UserId)]
impl User {
    fn credited(&mut self, e: &Credited) {
        self.credit += e.cents;
    }

    fn placed(&mut self, _: &Placed) {}
}

#[derive(Default)]
pub struct GiftCard {
    pub cents: i64,
}

#[fold(by = CardId, name = "card")]
impl GiftCard {
    fn issued(&mut self, e: &Issued) {
        self.cents = e.cents;
    }

    fn refilled(&mut self, e: &Refilled) {
        self.cents += e.cents;
    }
}

/// What one user does with one card.
#[derive(Default)]
pub struct Ownership {
    pub owned: bool,
}

#[fold(by = (UserId, CardId))]
impl Ownership {
    fn issued(&mut self, _: &Issued) {
        self.owned = true;
    }
}

/// All orders there are.
#[derive(Default)]
pub struct Shop {
    pub orders: u64,
    pub last_at: u64,
}

#[fold(by = ())]
impl Shop {
    fn placed(&mut self, _: &Placed, at: &factum_store::RecordedEvent) {
        self.orders += 1;
        self.last_at = at.position.0;
    }
}

#[derive(Refusal, Debug, PartialEq)]
pub enum No {
    #[say("there is no order {0}")]
    Unknown(OrderId),
    #[say("it was cancelled before")]
    Cancelled,
    #[say("{cents} cents are too much for {{braces}}")]
    #[code("too-much")]
    TooMuch { cents: i64, limit: i64 },
    #[say("{0} does not own {1:?}")]
    NotOwned(UserId, CardId),
}

#[derive(Command, Clone)]
pub struct CancelOrder {
    pub order: OrderId,
    #[serde(default)]
    pub reason: String,
}

/// The order names its user and its cards, which are read next.
#[decide]
fn cancel_order(
    c: &CancelOrder,
    #[by(c.order)] order: &Order,
    #[by(order.user)] user: &User,
    #[by(&order.cards)] cards: &Each<GiftCard>,
) -> Result<(Cancelled, Option<Credited>, Vec<Refilled>), No> {
    ensure!(order.placed, No::Unknown(c.order.clone()));
    ensure!(!order.cancelled, No::Cancelled);
    let whole = user.credit + cards.values().map(|card| card.cents).sum::<i64>() + order.cents;
    ensure!(whole <= 10_000, No::TooMuch { cents: whole, limit: 10_000 });
    let cancelled = Cancelled { order: c.order.clone(), reason: c.reason.clone() };
    let credited = order.user.clone().map(|user| Credited { user, cents: order.cents });
    let refilled = cards.keys().map(|card| Refilled { card: card.clone(), cents: 1 }).collect();
    Ok((cancelled, credited, refilled))
}

#[derive(Command)]
pub struct GiveCard {
    pub user: UserId,
    pub card: CardId,
}

#[decide]
fn give_card(
    c: &GiveCard,
    #[by((c.user, c.card))] owned: &Ownership,
    #[by(())] shop: &Shop,
) -> Result<Option<Issued>, std::convert::Infallible> {
    let new = !owned.owned && shop.orders > 0;
    Ok(new.then(|| Issued { card: c.card.clone(), user: c.user.clone(), cents: 100 }))
}

/// One field and one account, twice.
#[derive(Command)]
pub struct Compare {
    pub orders: Vec<OrderId>,
    pub first: OrderId,
}

#[decide]
fn compare(
    c: &Compare,
    #[by(c.first)] first: &Order,
    #[by(c.orders)] all: &Each<Order>,
    #[by(c.first, ignoring(Cancelled))] uncancelled: &Order,
) -> Result<(), No> {
    ensure!(first.cancelled || !uncancelled.cancelled, No::Cancelled);
    ensure!(all.values().all(|order| order.placed), No::Unknown(c.first.clone()));
    Ok(())
}

pub fn order(text: &str) -> OrderId {
    OrderId::new(text).unwrap()
}

pub fn user(text: &str) -> UserId {
    UserId::new(text).unwrap()
}

pub fn card(text: &str) -> CardId {
    CardId::new(text).unwrap()
}

pub fn placed(name: &str, by: Option<&str>, cards: &[&str]) -> Placed {
    let cards = cards.iter().map(|name| card(name)).collect();
    Placed { order: order(name), user: by.map(user), cards, cents: 700 }
}

pub fn cancelled(name: &str) -> Cancelled {
    Cancelled { order: order(name), reason: String::new() }
}
