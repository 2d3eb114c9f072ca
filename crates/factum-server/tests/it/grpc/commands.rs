//! Commands: outcomes, refusals, retries, and every "no".

use factum_client::Connection;
use factum_proto::{
    Reason,
    v1::{self, commands_client::CommandsClient},
};

use super::{failed, refused_field};
use crate::world::World;

fn run(command: &str, input: &str) -> v1::RunRequest {
    v1::RunRequest {
        ledger: "bank".into(),
        command: command.to_owned(),
        input: input.to_owned().into(),
        key: None,
    }
}

async fn commands(world: &World) -> CommandsClient<Connection> {
    world.client().await.commands()
}

#[tokio::test]
async fn a_command_has_an_outcome_and_a_refusal_is_one() {
    let world = World::start().await;
    let mut commands = commands(&world).await;
    let open = v1::RunRequest { key: Some("k".into()), ..run("open", r#"{"account":"a"}"#) };
    let done = commands.run(open.clone()).await.expect("is run").into_inner();
    assert_eq!((done.refusal, done.events, done.position, done.replayed), (None, 2, 3, false));
    let receipt = done.receipt.expect("is recorded");
    assert_eq!((receipt.first, receipt.last), (1, 3));
    let again = commands.run(open).await.expect("is answered").into_inner();
    assert_eq!((again.replayed, again.receipt.map(|r| r.ids)), (true, Some(receipt.ids)));
    let over = commands.run(run("withdraw", r#"{"account":"a","cents":101}"#)).await;
    let over = over.expect("is decided").into_inner();
    let refusal = over.refusal.expect("is refused");
    assert_eq!((&*refusal.code, &*refusal.message), ("short", "only 100 left"));
    assert_eq!(&refusal.data[..], br#"{"have":100}"#);
    assert_eq!((over.events, over.position), (0, 4), "the refusal is recorded");
}

#[tokio::test]
async fn what_can_not_be_run_is_said() {
    let world = World::start().await;
    let mut commands = commands(&world).await;
    failed(commands.run(run("close", "{}")).await, Reason::UnknownCommand);
    let nowhere = v1::RunRequest { ledger: String::new(), ..run("open", "{}") };
    failed(commands.run(nowhere).await, Reason::UnknownLedger);
    failed(commands.run(run("open", "{")).await, Reason::Invalid);
    failed(commands.run(run("open", r#"{"account":7}"#)).await, Reason::Invalid);
    let binary = v1::RunRequest { input: vec![0xff].into(), ..run("open", "") };
    assert_eq!(refused_field(commands.run(binary).await), "input");
    let keyless = v1::RunRequest { key: Some(String::new()), ..run("open", "{}") };
    assert_eq!(refused_field(commands.run(keyless).await), "key");
    let keyed = |account: &str| v1::RunRequest {
        key: Some("k".into()),
        ..run("open", &format!(r#"{{"account":"{account}"}}"#))
    };
    commands.run(keyed("a")).await.expect("is run");
    failed(commands.run(keyed("b")).await, Reason::KeyReused);
}

#[tokio::test]
async fn a_decider_with_a_mistake_ends_its_own_call_only() {
    let world = World::start().await;
    let mut commands = commands(&world).await;
    failed(commands.run(run("explode", "{}")).await, Reason::Bug);
    commands.run(run("open", r#"{"account":"a"}"#)).await.expect("the connection goes on");
}
