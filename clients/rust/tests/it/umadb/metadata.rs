//! What the client has no call for: naming a ledger, messages that no client writes, and the status
//! and details beneath its errors.

use prost::Message;
use tonic::{Code, Request, Status, transport::Channel};
use umadb_proto::v1::{
    self, AppendRequest, ErrorResponse, HeadRequest, ReadRequest, dcb_client::DcbClient,
    error_response::ErrorType,
};

use crate::world::World;

async fn raw(world: &World) -> DcbClient<Channel> {
    DcbClient::connect(world.url.clone()).await.expect("connects")
}

fn details(status: &Status) -> (Code, ErrorType) {
    let details = ErrorResponse::decode(status.details()).expect("details");
    assert_eq!(details.message, status.message());
    (status.code(), details.error_type())
}

fn event(event_type: &str, uuid: &str) -> v1::Event {
    v1::Event { event_type: event_type.into(), uuid: uuid.into(), ..v1::Event::default() }
}

fn append(events: Vec<v1::Event>) -> AppendRequest {
    AppendRequest { events, condition: None, tracking_info: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_named_by_metadata() {
    let world = World::start();
    let mut client = raw(&world).await;
    let named = |name: &str| {
        let mut request = Request::new(HeadRequest {});
        request.metadata_mut().insert("factum-ledger", name.parse().expect("a value"));
        request
    };
    client.append(append(vec![event("a", "")])).await.expect("is appended");
    let head = client.head(named("default")).await.expect("a head").into_inner();
    assert_eq!(head.position, Some(1));
    let unknown = client.head(named("nobody")).await.expect_err("there is none");
    assert_eq!(details(&unknown), (Code::NotFound, ErrorType::InvalidArgument));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_a_status_and_details() {
    let world = World::start();
    let mut client = raw(&world).await;
    client.append(append(vec![event("a", "")])).await.expect("is appended");

    let status = client.append(append(vec![event("", "")])).await.expect_err("no type");
    assert_eq!(details(&status), (Code::InvalidArgument, ErrorType::InvalidArgument));
    let status = client.append(append(vec![event("a", "no id")])).await.expect_err("no id");
    assert_eq!(details(&status), (Code::InvalidArgument, ErrorType::InvalidArgument));
    assert!(status.message().starts_with("events[0].uuid"), "{}", status.message());

    let condition = Some(v1::AppendCondition::default());
    let all = AppendRequest { condition, ..append(vec![event("a", "")]) };
    let status = client.append(all).await.expect_err("an event is there");
    assert_eq!(details(&status), (Code::FailedPrecondition, ErrorType::Integrity));

    #[allow(deprecated)]
    let old = ReadRequest { subscribe: Some(true), ..ReadRequest::default() };
    let status = client.read(old).await.expect_err("is no longer taken");
    assert_eq!(details(&status), (Code::InvalidArgument, ErrorType::InvalidArgument));
}

/// A message that is none.
#[derive(Clone, PartialEq, Message)]
struct Nonsense {
    #[prost(bytes = "vec", tag = "1")]
    events: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_refused() {
    let world = World::start();
    let channel = Channel::from_shared(world.url.clone()).expect("an address");
    let mut grpc = tonic::client::Grpc::new(channel.connect().await.expect("connects"));
    for method in ["Append", "Read", "Subscribe"] {
        grpc.ready().await.expect("is ready");
        let codec = tonic_prost::ProstCodec::<Nonsense, v1::AppendResponse>::default();
        let path = format!("/umadb.v1.DCB/{method}").parse().expect("a path");
        let nonsense = Nonsense { events: b"\x0a\xff".to_vec() };
        let answer = grpc.unary(Request::new(nonsense), path, codec).await;
        let status = answer.expect_err("is refused");
        assert_eq!(details(&status), (Code::InvalidArgument, ErrorType::Serialization), "{method}");
    }
}
