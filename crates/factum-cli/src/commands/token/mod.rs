//! `factum token`: who may ask a server what. Tokens are kept in the data directory; while a server
//! holds it, the server is asked.

mod place;

use std::time::Duration;

use clap::{Args, Subcommand};
use factum::store::Timestamp;
use factum_server::{Identity, Right, TokenId};
use serde_json::Value;

use crate::{failure::Failure, output::Output};
use place::{Asked, Place};

/// Make, list, rotate and revoke the tokens that a server asks for.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum token create --name shop --right 'append,read on shop'
  factum token create --name report --right 'read on shop-* types order.*' --expires 30d
  factum token create --name tenant-7 --right 'append,read on shop tags tenant:7'
  factum token create --name edge --right 'append on shop' --certificate dns:edge.example
  factum token create --name admin --right 'append,read,command,admin on *'
  factum token list --json
  factum token rotate 5f0c11e2a9d34b76 --grace 1h
  factum token revoke 5f0c11e2a9d34b76 --url https://factum.example:2113

A right is VERBS on LEDGERS, and may end in types TYPES and tags TAGS: lists with commas, in which *
stands for any text. With --certificate a client shows that instead of a secret: sha256:FINGERPRINT,
uri:URI, dns:NAME, email:ADDRESS or cn:NAME, as the certificate has it. The secret of a token is shown once, when it is made or rotated. While a server
holds the directory, name the server (--url) and a token that may administer (FACTUM_TOKEN).")]
pub(crate) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token.
    Create(Create),
    /// List the tokens, without their secrets.
    List(List),
    /// Give a token a new secret.
    Rotate(Rotate),
    /// Make a token worthless, at once and for ever.
    Revoke(Revoke),
}

#[derive(Args, Debug)]
struct Create {
    /// Who will have it: 1 to 64 of a-z, 0-9, ., _ and -.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it allows; repeat it for more.
    #[arg(long = "right", required = true, value_name = "RIGHT")]
    rights: Vec<Right>,
    /// The certificate that is shown instead of a secret.
    #[arg(long, value_name = "IDENTITY")]
    certificate: Option<Identity>,
    /// When it ends: 12h, 30d (from now), or an RFC 3339 time.
    #[arg(long, value_name = "WHEN", value_parser = end)]
    expires: Option<Timestamp>,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct Rotate {
    /// The token's id.
    #[arg(value_name = "ID")]
    id: TokenId,
    /// How long the old secret is good, too: 30m, 1h, 7d.
    #[arg(long, value_name = "HOW-LONG", default_value = "0s", value_parser = age)]
    grace: Duration,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct Revoke {
    /// The token's id.
    #[arg(value_name = "ID")]
    id: TokenId,
    #[command(flatten)]
    place: Place,
}

impl Token {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        match self.action {
            Action::Create(Create { name, rights, certificate, expires, place }) => {
                let made = place.ask(Asked::Create { name, rights, certificate, expires }).await?;
                with_secret(&made, "made", output)
            }
            Action::Rotate(Rotate { id, grace, place }) => {
                let rotated = place.ask(Asked::Rotate { id, grace }).await?;
                with_secret(&rotated, "rotated", output)
            }
            Action::Revoke(Revoke { id, place }) => {
                let revoked = place.ask(Asked::Revoke { id }).await?;
                match output.for_people() {
                    true => Ok(output.line(format!("token {id} is worth nothing any more"))?),
                    false => Ok(output.json(&revoked)?),
                }
            }
            Action::List(List { place }) => list(&place.ask(Asked::List).await?, output),
        }
    }
}

fn with_secret(token: &Value, done: &str, output: &mut Output) -> Result<(), Failure> {
    if !output.for_people() {
        return Ok(output.json(token)?);
    }
    let (id, name) = (text(&token["id"]), text(&token["name"]));
    if let Some(certificate) = token["certificate"].as_str() {
        return Ok(output.line(format!("token {id} of {name} is the certificate {certificate}"))?);
    }
    output.line(text(&token["secret"]))?;
    Ok(output.note(format!("token {id} of {name} is {done}; its secret is shown only now"))?)
}

fn list(document: &Value, output: &mut Output) -> Result<(), Failure> {
    if !output.for_people() {
        return Ok(output.json(document)?);
    }
    let tokens = document["tokens"].as_array().into_iter().flatten();
    let rows = tokens.map(|token| {
        let rights = token["rights"].as_array().into_iter().flatten();
        let rights = rights.filter_map(|right| serde_json::from_value::<Right>(right.clone()).ok());
        let rights = rights.map(|right| right.to_string()).collect::<Vec<_>>().join("; ");
        let end = match &token["revoked_at"] {
            Value::Null => text(&token["expires_at"]).to_owned(),
            at => format!("revoked {}", text(at)),
        };
        let texts = ["id", "name", "certificate"].map(|field| text(&token[field]).to_owned());
        let [id, name, certificate] = texts;
        [id, name, rights, certificate, end]
    });
    Ok(output.table(["token", "name", "rights", "certificate", "ends"], rows)?)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// A time, or how long from now.
fn end(text: &str) -> Result<Timestamp, String> {
    if let Ok(from_now) = age(text) {
        let end = std::time::SystemTime::now() + from_now;
        let since = end.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return Ok(Timestamp::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX)));
    }
    let time = text.parse::<jiff::Timestamp>().ok();
    let micros = time.and_then(|time| u64::try_from(time.as_microsecond()).ok());
    micros
        .map(Timestamp::from_micros)
        .ok_or_else(|| "is neither how long from now (12h, 30d) nor an RFC 3339 time".to_owned())
}

/// `90s`, `30m`, `12h`, `30d`; at most a hundred years.
fn age(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("must end in s, m, h or d".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| "must be a number and s, m, h or d".to_owned())?;
    let age = Duration::from_secs(u64::from(number) * seconds);
    match age <= Duration::from_secs(86_400 * 36_525) {
        true => Ok(age),
        false => Err("is more than a hundred years".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_and_when_are_read() {
        assert_eq!(age("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(age("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for text in ["", "7", "d", "-1d", "1.5h", "7w", "99999d", "é"] {
            assert!(age(text).is_err(), "{text}");
        }
        assert_eq!(end("1970-01-01T00:00:01Z"), Ok(Timestamp::from_micros(1_000_000)));
        assert!(end("1h").is_ok_and(|end| end.micros > 1_700_000_000_000_000));
        assert!(end("tomorrow").is_err() && end("1950-01-01T00:00:00Z").is_err());
    }
}
