//! Where a server listens, and how it ends.

use std::net::SocketAddr;

use factum::App;
use factum_server::{Config, ServeError, Server};

use crate::world::World;

async fn listen(config: Config) -> Result<Server, ServeError> {
    Server::over(config, std::iter::empty::<(String, App)>()).await
}

#[tokio::test]
async fn beyond_loopback_is_refused_unless_it_is_said() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let config = Config::at(address.parse().expect("an address"));
        let refused = listen(config).await.err().expect("is refused");
        assert!(matches!(refused, ServeError::BeyondLoopback { .. }), "{refused}");
        assert!(refused.to_string().contains("without TLS"), "{refused}");
    }
    let mut config = Config::at(SocketAddr::from(([0, 0, 0, 0], 0)));
    config.insecure_listen_beyond_loopback = true;
    listen(config).await.expect("was said");
    listen(Config::at(SocketAddr::from(([127, 9, 9, 9], 0)))).await.expect("is loopback");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let world = World::start().await;
    let refused = listen(Config::at(world.address)).await.err().expect("is refused");
    assert!(refused.to_string().contains(&world.address.to_string()), "{refused}");
}

#[tokio::test]
async fn a_server_that_stops_has_answered_what_it_took() {
    let world = World::start().await;
    let (address, body) = (world.address, r#"{"account":"a"}"#);
    world.post("/v1/ledgers/bank/commands/open", body).await.ok();
    world.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "takes nothing more");
}
