//! A small HTTP client that can also say what no proper client would say.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.text()))
    }

    /// The body of an answer that came in chunks.
    pub(crate) fn dechunked(&self) -> Vec<u8> {
        let (mut rest, mut whole) = (self.body.as_slice(), Vec::new());
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&rest[..end]).expect("a size is text");
            let size = usize::from_str_radix(size, 16).expect("a size is a number");
            whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 2 + size + 2..];
        }
        whole
    }

    /// The document, when it is a "yes".
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// The document, when it is this problem.
    #[track_caller]
    pub(crate) fn problem(&self, slug: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["type"], format!("/problems/{slug}"), "{document}");
        assert_eq!(document["status"], self.status);
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
        document
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::parse(bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.expect("a status"),
            headers: headers.map(|(name, value)| (name.into(), value.into())).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }
}

/// Asks on a connection of its own.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) body: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, headers: Vec::new(), body: None }
    }

    pub(crate) fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn bearer(self, header: &'a str) -> Self {
        self.header("Authorization", header)
    }

    pub(crate) fn json(self, body: &'a str) -> Self {
        self.header("Content-Type", "application/json").body(body.as_bytes())
    }

    pub(crate) fn body(mut self, body: &'a [u8]) -> Self {
        self.body = Some(body);
        self
    }

    fn head(&self, address: SocketAddr) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let has =
            |name: &str| self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !has("Host") {
            head.push_str(&format!("Host: {address}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = self.body.filter(|_| !has("Content-Length")) {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head + "\r\n"
    }

    pub(crate) async fn send(self, address: SocketAddr) -> Answer {
        let closing = self.header("Connection", "close");
        let mut bytes = closing.head(address).into_bytes();
        bytes.extend_from_slice(closing.body.unwrap_or_default());
        Answer::parse(&raw(address, &bytes).await)
    }

    /// Asks on this connection, which need not be a plain one.
    pub(crate) async fn over<S>(self, mut stream: S, address: SocketAddr) -> Answer
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let closing = self.header("Connection", "close");
        let mut bytes = closing.head(address).into_bytes();
        bytes.extend_from_slice(closing.body.unwrap_or_default());
        stream.write_all(&bytes).await.expect("can write");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        Answer::parse(&answer)
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn stream(self, address: SocketAddr) -> Sse {
        let asking = self.header("Accept", "text/event-stream");
        let mut connection = TcpStream::connect(address).await.expect("the server listens");
        connection.write_all(asking.head(address).as_bytes()).await.expect("can write");
        let mut stream = Sse { connection, raw: Vec::new(), text: String::new() };
        let head = loop {
            if let Some(end) = stream.raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break stream.raw.drain(..end + 4).collect::<Vec<_>>();
            }
            assert!(stream.fill().await, "the server answers");
        };
        let answer = Answer::parse(&head);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:?}");
        stream
    }
}

/// Sends these bytes and returns everything that comes until the server closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    // The server may close before it has read everything; what it said still counts.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// A stream of server-sent events, read frame by frame.
pub(crate) struct Sse {
    connection: TcpStream,
    raw: Vec<u8>,
    text: String,
}

/// One event of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: String,
}

impl Frame {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("data is JSON")
    }
}

impl Sse {
    /// The next event; `None` when the stream has ended. Comments are left out.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let prefix = format!("{name}: ");
                block.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
            };
            if let Some(event) = field("event") {
                let id = field("id").map(|id| id.parse().expect("an id is a position"));
                return Some(Frame { event, id, data: field("data").expect("an event has data") });
            }
        }
    }

    /// The next block of lines, comments too.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            self.chunk().await?;
        }
    }

    /// Decodes one chunk of the chunked body.
    async fn chunk(&mut self) -> Option<()> {
        loop {
            if let Some(end) = self.raw.windows(2).position(|two| two == b"\r\n") {
                let size = std::str::from_utf8(&self.raw[..end]).expect("a size is text");
                let size = usize::from_str_radix(size, 16).expect("a size is a number");
                if size == 0 {
                    return None;
                }
                if self.raw.len() >= end + 2 + size + 2 {
                    let chunk = self.raw[end + 2..end + 2 + size].to_vec();
                    self.raw.drain(..end + 2 + size + 2);
                    self.text.push_str(&String::from_utf8(chunk).expect("chunks are UTF-8"));
                    return Some(());
                }
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn fill(&mut self) -> bool {
        self.connection.read_buf(&mut self.raw).await.is_ok_and(|read| read > 0)
    }
}
