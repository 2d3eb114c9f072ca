//! The interface as data.

use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::world::World;

#[tokio::test]
async fn tools_find_the_services() {
    let world = World::start().await;
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = ServerReflectionClient::new(world.channel().await)
        .server_reflection_info(tokio_stream::once(asked))
        .await
        .expect("is asked");
    let answer = answers.into_inner().message().await.expect("goes on").expect("an answer");
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("{answer:?}")
    };
    let names: Vec<_> = listed.service.iter().map(|service| service.name.as_str()).collect();
    for service in ["factum.v1.Ledgers", "factum.v1.Commands", "factum.v1.Views"] {
        assert!(names.contains(&service), "{names:?}");
    }
    assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
}
