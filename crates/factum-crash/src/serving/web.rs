//! HTTP/1.1 as plainly as can be, so that the load costs little beside the server that it is for.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, ensure};

/// How long anything may take before it counts as no answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the server.
pub(super) struct Web {
    pub(super) stream: BufReader<TcpStream>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Web {
    pub(super) fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("reaching {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request and waits for all of the answer.
    pub(super) fn ask(&mut self, what: &str, body: &str) -> anyhow::Result<Answer> {
        self.send(what, "application/json", body)?;
        let (status, length) = self.head()?;
        let mut body = vec![0; length.context("an answer without a length")?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body })
    }

    /// Begins a stream of server-sent events.
    pub(super) fn follow(&mut self, path: &str) -> anyhow::Result<()> {
        self.send(&format!("GET {path}"), "text/event-stream", "")?;
        let (status, _) = self.head()?;
        ensure!(status == 200, "a stream was answered with {status}");
        Ok(())
    }

    fn send(&mut self, what: &str, accept: &str, body: &str) -> anyhow::Result<()> {
        let length = body.len();
        let request = format!(
            "{what} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Ok(self.stream.get_mut().write_all(request.as_bytes())?)
    }

    /// The status, and how long the body is.
    fn head(&mut self) -> anyhow::Result<(u16, Option<usize>)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).context("no status")?.parse()?;
        let mut length = None;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.parse()?);
            }
        }
        Ok((status, length))
    }

    /// A line without its end.
    pub(super) fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the connection was closed");
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}
