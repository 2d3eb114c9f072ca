//! A server that wants to know who asks, and its first administrator.

use std::path::Path;

use factum::Store;
use factum_server::Config;
use serde_json::{Value, json};

use crate::{
    bank,
    client::{Answer, Request},
    world::World,
};

/// The events of the ledger that every world has.
pub(crate) const EVENTS: &str = "/v1/ledgers/bank/events";

/// A server that lets in nobody whom it does not know.
pub(crate) struct Guarded {
    pub(crate) world: World,
    /// Who may everything, as a header; empty where everybody may.
    pub(crate) admin: String,
}

impl Guarded {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let world = World::with(|config| {
            config.require_token = true;
            change(config);
        });
        Self::of(world.await)
    }

    /// A server whose first token was just made, if it wants any.
    pub(crate) fn of(world: World) -> Self {
        let bearer = |token: &str| format!("Bearer {token}");
        let admin = world.first_token.as_deref().map(bearer).unwrap_or_default();
        Self { world, admin }
    }

    pub(crate) async fn get(&self, bearer: &str, path: &str) -> Answer {
        Request::new("GET", path).bearer(bearer).send(self.world.address).await
    }

    pub(crate) async fn post(&self, bearer: &str, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        Request::new("POST", path).bearer(bearer).json(&body).send(self.world.address).await
    }

    /// A new token with these rights: its id, and its secret as a header.
    pub(crate) async fn token(&self, name: &str, rights: &Value) -> (String, String) {
        let body = json!({ "name": name, "rights": rights });
        let made = self.post(&self.admin, "/v1/tokens", &body).await.ok();
        (text(&made, "id"), format!("Bearer {}", text(&made, "secret")))
    }

    /// What the access ledger has been told of each kind of thing, by principal, verb and ledger.
    pub(crate) async fn told(&self) -> Vec<(String, u64)> {
        let events = self.get(&self.admin, "/v1/ledgers/_access/events").await.ok();
        let mut counts = std::collections::BTreeMap::<String, u64>::new();
        for event in events["events"].as_array().expect("a list") {
            for thing in event["data"]["happened"].as_array().into_iter().flatten() {
                let said = |field: &str| thing[field].as_str().unwrap_or_default().to_owned();
                let kind = text(event, "type");
                let what =
                    format!("{kind} {} {} {}", said("principal"), said("verb"), said("ledger"));
                *counts.entry(what).or_default() += thing["count"].as_u64().expect("a number");
            }
        }
        counts.into_iter().collect()
    }
}

/// A server of this directory, which has a ledger.
pub(crate) async fn reopened(dir: &Path, change: impl FnOnce(&mut Config)) -> World {
    let store = Store::open(dir.to_str().expect("a path")).expect("opens");
    if store.ledgers().expect("can be read").is_empty() {
        store.create("bank").expect("is made");
    }
    World::of_with(store, [bank::domain()], |config| {
        config.require_token = true;
        change(config);
    })
    .await
}

/// The right to read the ledger.
pub(crate) fn reads() -> Value {
    json!([{ "verbs": ["read"], "ledgers": ["bank"] }])
}

/// An append of one event.
pub(crate) fn one_event() -> Value {
    json!({ "events": [{ "type": "a", "data": 1 }] })
}

/// A text of a document.
pub(crate) fn text(document: &Value, field: &str) -> String {
    document[field].as_str().unwrap_or_else(|| panic!("{field} of {document}")).to_owned()
}

/// Everything of an answer that somebody could learn from.
pub(crate) fn learnt(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    // A request's id is of no other request.
    let (own, headers): (Vec<_>, Vec<_>) =
        answer.headers.iter().cloned().partition(|(name, _)| name == "x-request-id");
    assert!(matches!(&own[..], [(_, id)] if id.len() == 16), "{own:?}");
    let headers = headers.into_iter().filter(|(name, _)| name != "date").collect();
    (answer.status, headers, answer.text().to_owned())
}
