//! `factum.v1` as its clients see it.

mod append;
mod append_stream;
mod bounds;
mod commands;
mod conformance;
mod consume;
mod gate;
mod health;
mod lost;
mod proxy;
mod read;
mod reflection;
mod remote_app;
mod subscribe;
mod views;

use factum_client::{Client, Connection};
use factum_proto::{
    Failure, Reason,
    v1::{self, error::More, ledgers_client::LedgersClient},
};
use tonic::{Response, Status};

use crate::world::World;

impl World {
    /// A client of this server.
    pub(crate) async fn client(&self) -> Client {
        let url = format!("http://{}", self.address);
        Client::to(url).connect().await.expect("connects")
    }

    /// A connection without anything of ours.
    pub(crate) async fn channel(&self) -> tonic::transport::Channel {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", self.address));
        endpoint.expect("an address").connect().await.expect("connects")
    }

    pub(crate) async fn ledgers(&self) -> LedgersClient<Connection> {
        self.client().await.ledgers()
    }
}

/// An event of a type, with a tag.
fn event(name: &str, tag: &str) -> v1::NewEvent {
    v1::NewEvent {
        r#type: name.to_owned(),
        tags: vec![tag.to_owned()],
        data: "{}".into(),
        ..v1::NewEvent::default()
    }
}

/// An append of one such event to the ledger of the world.
pub(crate) fn one(name: &str, tag: &str) -> v1::AppendRequest {
    let events = vec![event(name, tag)];
    v1::AppendRequest { ledger: "bank".into(), events, ..v1::AppendRequest::default() }
}

/// The condition that nothing has this tag.
fn none_has(tag: &str) -> v1::Condition {
    let item = v1::QueryItem { tags: vec![tag.to_owned()], ..v1::QueryItem::default() };
    let no_match = v1::NoMatchCondition { query: Some(v1::Query { items: vec![item] }), after: 0 };
    v1::Condition { condition: Some(v1::condition::Condition::NoMatch(no_match)) }
}

/// What a call failed with, which must be this.
#[track_caller]
fn failed<T: std::fmt::Debug>(answer: Result<Response<T>, Status>, reason: Reason) -> Failure {
    let status = answer.expect_err("is refused");
    let failure = Failure::of(&status);
    assert_eq!((failure.reason, status.code()), (reason, reason.code()), "{status:?}");
    assert!(!status.details().is_empty() && !status.message().is_empty(), "{status:?}");
    failure
}

/// The field that is not accepted.
#[track_caller]
fn refused_field<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> String {
    match failed(answer, Reason::Invalid).more {
        Some(More::Invalid(invalid)) => invalid.field,
        more => panic!("{more:?}"),
    }
}
