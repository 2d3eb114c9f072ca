//! Who gets to the services at all.

use factum_proto::{Reason, v1};
use tonic::Request;

use super::failed;
use crate::{client, world::World};

#[tokio::test]
async fn a_page_can_not_ask() {
    let world = World::start().await;
    let mut request = Request::new(v1::ListLedgersRequest {});
    let origin = "http://localhost:2113".parse().expect("a value");
    request.metadata_mut().insert("origin", origin);
    failed(world.ledgers().await.list_ledgers(request).await, Reason::Forbidden);
}

/// An empty message, as a page could send it that has taken a name of this machine.
#[tokio::test]
async fn a_name_that_is_not_the_servers_opens_nothing() {
    let world = World::start().await;
    let request = client::Request::new("POST", "/factum.v1.Ledgers/ListLedgers")
        .header("Host", "evil.example")
        .header("Content-Type", "application/grpc")
        .body(&[0; 5]);
    let answer = request.send(world.address).await;
    assert_eq!(answer.header("grpc-status"), Some("7"), "{answer:?}");
    assert!(answer.body.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn what_is_no_method_is_not_implemented() {
    let world = World::start().await;
    let mut grpc = tonic::client::Grpc::new(world.channel().await);
    grpc.ready().await.expect("connects");
    let path = "/factum.v1.Ledgers/Nothing".parse().expect("a path");
    let codec =
        tonic_prost::ProstCodec::<v1::ListLedgersRequest, v1::ListLedgersResponse>::default();
    let answer = grpc.unary(Request::new(v1::ListLedgersRequest {}), path, codec).await;
    assert_eq!(answer.expect_err("is none").code(), tonic::Code::Unimplemented);
}

/// Bytes that are no message.
#[tokio::test]
async fn what_is_no_message_is_refused() {
    let world = World::start().await;
    let mut grpc = tonic::client::Grpc::new(world.channel().await);
    grpc.ready().await.expect("connects");
    let path = "/factum.v1.Ledgers/Append".parse().expect("a path");
    // Where the append wants an event, a receipt has a number.
    let codec = tonic_prost::ProstCodec::<v1::Receipt, v1::AppendResponse>::default();
    let wrong = v1::Receipt { last: 7, ..v1::Receipt::default() };
    let answer = grpc.unary(Request::new(wrong), path, codec).await;
    let status = answer.expect_err("is no append");
    assert_eq!(status.code(), tonic::Code::Internal, "{status:?}");
}
