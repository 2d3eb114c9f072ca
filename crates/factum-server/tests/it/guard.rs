//! Who may ask: the Host and Origin check, and where a server may listen.

use crate::{
    client::{Request, raw},
    world::World,
};

#[tokio::test]
async fn a_host_that_is_not_the_servers_is_refused_on_every_route() {
    let world = World::start().await;
    for path in ["/", "/health", "/nowhere", "/v1/ledgers", "/v1/ledgers/bank/events"] {
        let answer = Request::new("GET", path).header("Host", "evil.example").send(world.address);
        let answer = answer.await;
        assert_eq!(answer.status, 403, "{path}");
        answer.problem("host-not-allowed");
    }
    for host in ["localhost", "localhost:9", "127.0.0.1", "[::1]:2113"] {
        Request::new("GET", "/").header("Host", host).send(world.address).await.ok();
    }
    for head in [
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let answer = raw(world.address, head.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(" 403 Forbidden\r\n"), "{head:?} gave {answer}");
        assert!(answer.contains("/problems/host-not-allowed"), "{head:?} gave {answer}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let world = World::start().await;
    let own = format!("http://{}", world.address);
    Request::new("GET", "/").header("Origin", &own).send(world.address).await.ok();
    for origin in ["http://evil.example", "null", "https://localhost"] {
        let answer = Request::new("GET", "/").header("Origin", origin).send(world.address).await;
        assert_eq!(answer.status, 403, "{origin}");
        answer.problem("origin-not-allowed");
    }
}

#[tokio::test]
async fn answers_can_not_be_sniffed_framed_or_kept() {
    let world = World::start().await;
    for path in ["/", "/nowhere"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'"));
    }
}
