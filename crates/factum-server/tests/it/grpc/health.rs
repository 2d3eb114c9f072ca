//! Health, for each service, and its end.

use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::world::World;

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn health(world: &World) -> HealthClient<tonic::transport::Channel> {
    HealthClient::new(world.channel().await)
}

#[tokio::test]
async fn each_service_says_how_it_is() {
    let world = World::start().await;
    let mut health = health(&world).await;
    for service in ["", "factum.v1.Ledgers", "factum.v1.Commands", "factum.v1.Views"] {
        let said = health.check(of(service)).await.expect("is asked").into_inner();
        assert_eq!(said.status(), ServingStatus::Serving, "{service}");
    }
    let nobody = health.check(of("factum.v1.Nothing")).await.expect_err("is not there");
    assert_eq!(nobody.code(), Code::NotFound);
}

#[tokio::test]
async fn whoever_watches_is_told_of_the_end() {
    let world = World::start().await;
    let mut health = health(&world).await;
    let mut watched = health.watch(of("factum.v1.Ledgers")).await.expect("is asked").into_inner();
    let now = watched.message().await.expect("goes on").expect("goes on");
    assert_eq!(now.status(), ServingStatus::Serving);
    let mut nobody = health.watch(of("nobody")).await.expect("is asked").into_inner();
    let unknown = nobody.message().await.expect("goes on").expect("goes on");
    assert_eq!(unknown.status(), ServingStatus::ServiceUnknown);
    world.stop().await;
    let end = watched.message().await.expect("goes on").expect("goes on");
    assert_eq!(end.status(), ServingStatus::NotServing);
    assert_eq!(watched.message().await.expect("a good end"), None);
    assert_eq!(nobody.message().await.expect("a good end"), None);
}
