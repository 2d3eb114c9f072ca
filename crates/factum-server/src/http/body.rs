//! The body of a request: JSON text, bounded in size, in time and in depth before anything parses
//! it; all of them, and what comes over gRPC, share one room (G12).

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, header},
};
use futures_lite::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::{Kind, Problem};
use crate::{
    Config,
    api::{Room, Share},
};

/// How deep JSON may be nested. Readers everywhere can parse that, inside an answer too.
const DEPTH_MAX: usize = 100;

/// Receives bodies; all of them together are bounded.
pub(crate) struct Bodies {
    room: Arc<Room>,
    bytes_max: usize,
    timeout: std::time::Duration,
}

/// A body that was received, and the room it takes while it is being worked on.
pub(crate) struct JsonText {
    pub(crate) text: String,
    _room: Share,
}

impl Bodies {
    pub(crate) fn new(room: Arc<Room>, config: &Config) -> Self {
        Self { room, bytes_max: config.body_bytes_max, timeout: config.body_timeout }
    }

    /// The request's body as JSON text that is safe to parse.
    pub(crate) async fn json(&self, request: Request) -> Result<JsonText, Problem> {
        check_media_type(request.headers())?;
        let declared = self.declared(request.headers())?;
        let room = self.room.take(declared.unwrap_or(self.bytes_max)).await?;
        let receiving = self.receive(request.into_body(), declared.unwrap_or_default());
        let bytes = timeout(self.timeout, receiving).await.map_err(|_| {
            let seconds = self.timeout.as_secs_f64();
            Problem::new(Kind::BodyTooSlow, format!("the body took more than {seconds} s"))
        })??;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::new(Kind::Malformed, format!("the body is not UTF-8 at byte {at}"))
        })?;
        check_depth(&text)?;
        Ok(JsonText { text, _room: room })
    }

    fn declared(&self, headers: &HeaderMap) -> Result<Option<usize>, Problem> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|text| text.parse::<usize>().ok());
        match length {
            Some(length) if length > self.bytes_max => Err(self.too_large()),
            length => Ok(length),
        }
    }

    async fn receive(&self, body: Body, declared: usize) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::with_capacity(declared);
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk: Bytes = chunk.map_err(|error| {
                Problem::new(Kind::Malformed, format!("the body can't be received: {error}"))
            })?;
            if bytes.len() + chunk.len() > self.bytes_max {
                return Err(self.too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn too_large(&self) -> Problem {
        let limit = self.bytes_max;
        Problem::new(Kind::BodyTooLarge, format!("the body has more than {limit} bytes"))
    }
}

impl JsonText {
    /// The body as a `T`; what is wrong is said with line and column.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_str(&self.text).map_err(|error| {
            let kind = if error.is_data() { Kind::Invalid } else { Kind::Malformed };
            Problem::new(kind, format!("the body is not what is expected: {error}"))
                .with("field", "body")
        })
    }
}

/// JSON can't come from a form of another site's page without the browser asking first.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let media = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let essence = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let said = match media {
        None => "there is no Content-Type".to_owned(),
        Some(media) => format!("the Content-Type is {media:?}"),
    };
    let detail = format!("{said}; it must be application/json");
    Err(Problem::new(Kind::UnsupportedMediaType, detail))
}

/// Parsers recurse, and a payload is passed on without being parsed: so depth is counted first.
pub(super) fn check_depth(text: &str) -> Result<(), Problem> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            let detail =
                format!("the body is nested more than {DEPTH_MAX} levels deep at byte {at}");
            return Err(Problem::new(Kind::Malformed, detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(check_depth(&deep(DEPTH_MAX)).is_ok());
        assert!(check_depth(&deep(DEPTH_MAX + 1)).is_err());
        assert!(check_depth(&format!("\"\\\"{}\"", deep(1_000))).is_ok());
        assert!(check_depth(&"[]".repeat(1_000)).is_ok());
    }
}
