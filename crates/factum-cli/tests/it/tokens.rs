//! `factum token`: on a directory, and through the server that holds it.

use std::path::Path;

use crate::{
    harness::{Run, command, factum_in},
    serve::Server,
};

fn create(dir: &Path, name: &str, right: &str) -> String {
    let made = factum_in(dir, &["token", "create", "--name", name, "--right", right]).ok();
    made.stdout.trim().to_owned()
}

fn through(server: &Server, token: &str, args: &[&str]) -> Run {
    let url = format!("http://{}", server.address);
    let mut command = command(["token"]);
    command.args(args).env("FACTUM_URL", url).env("FACTUM_TOKEN", token);
    command.output().expect("the binary runs").into()
}

#[test]
fn tokens_are_made_listed_rotated_and_revoked_in_a_directory() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let secret = create(&dir, "shop", "append,read on shop-*");
    assert!(secret.starts_with("factum_") && secret.len() == 67, "{secret}");
    let listed = factum_in(&dir, &["token", "list", "--json"]).ok().json();
    let token = &listed["tokens"][0];
    assert_eq!((token["name"].as_str(), &token["revoked_at"]), (Some("shop"), &().into()));
    assert!(!listed.to_string().contains(&secret[24..]));
    let id = token["id"].as_str().expect("an id");
    let rotated = factum_in(&dir, &["token", "rotate", id, "--json"]).ok().json();
    assert_ne!(rotated["secret"], secret.as_str());
    factum_in(&dir, &["token", "revoke", id]).ok();
    let listed = factum_in(&dir, &["token", "list"]).ok();
    assert!(listed.stdout.contains("append,read on shop-*"), "{}", listed.stdout);
    assert!(listed.stdout.contains("revoked 2"), "{}", listed.stdout);
    factum_in(&dir, &["token", "rotate", id]).exits(2).says(&["revoked"]);
    factum_in(&dir, &["token", "revoke", "0000000000000000"]).exits(4).says(&["no token"]);
    factum_in(&dir, &["token", "create", "--name", "A", "--right", "read on *"])
        .exits(2)
        .says(&["name must be"]);
    factum_in(&dir, &["token", "create", "--name", "a", "--right", "write on *"])
        .exits(2)
        .says(&["write", "append, read, command, admin"]);
    let edge = ["token", "create", "--name", "edge", "--right", "read on *", "--certificate"];
    let edge = |identity: &'static str| factum_in(&dir, &[&edge[..], &[identity]].concat());
    let made = edge("dns:Edge.example").ok().stdout;
    assert!(made.contains("is the certificate dns:edge.example"), "{made}");
    edge("dns:edge.example").exits(2).says(&["name"]);
    edge("edge.example").exits(2).says(&["sha256:, uri:, dns:"]);
    let listed = factum_in(&dir, &["token", "list"]).ok();
    assert!(listed.stdout.contains("dns:edge.example"), "{}", listed.stdout);
    // The ledger that they are kept in is Factum's own.
    let ledgers = factum_in(&dir, &["ledgers", "--json"]).ok().json();
    assert_eq!(ledgers["ledgers"], serde_json::json!([]));
}

#[test]
fn a_server_makes_the_first_token_and_is_asked_with_it() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let server = Server::start(&dir, &["--require-token"]);
    assert_eq!(server.get("/v1/ledgers").0, 401);
    let said = server.said.split_whitespace();
    let first = said.filter_map(|word| word.strip_prefix("FACTUM_TOKEN=")).next();
    let first = first.expect("it shows the token").to_owned();
    through(&server, "", &["list"]).exits(3).says(&["401", "FACTUM_TOKEN"]);
    through(&server, &first[..66], &["list"]).exits(3).says(&["401"]);
    let made = ["create", "--name", "reader", "--right", "read on default", "--expires", "1h"];
    let reader = through(&server, &first, &made).ok().stdout.trim().to_owned();
    through(&server, &reader, &["list"]).exits(3).says(&["403", "admin on *"]);
    let listed = through(&server, &first, &["list", "--json"]).ok().json();
    let names = listed["tokens"].as_array().expect("a list").iter();
    let names: Vec<_> = names.map(|token| token["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["first-admin", "reader"]);
    let id = listed["tokens"][0]["id"].as_str().expect("an id");
    let second = through(&server, &first, &["rotate", id]).ok().stdout.trim().to_owned();
    through(&server, &first, &["list"]).exits(3).says(&["401"]);
    through(&server, &second, &["revoke", id]).ok();
    through(&server, &second, &["list"]).exits(3).says(&["401"]);
    drop(server);
    // There were tokens, so no other one is made: the way in is the directory.
    let admin = create(&dir, "admin", "admin on *");
    let server = Server::start(&dir, &["--require-token"]);
    assert!(!server.said.contains("There was no token"), "{}", server.said);
    through(&server, &admin, &["list"]).ok();
    factum_in(&dir, &["token", "list"]).exits(5).says(&["in use"]);
}
