//! Connections that ask nothing: half of them over HTTP/1.1, which the server closes after a while
//! and which come again; half over HTTP/2, which answer its pings.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::Context as _;

use super::load::Load;

/// How often all of them are looked at.
const EVERY: Duration = Duration::from_millis(200);
/// The head of a frame of HTTP/2.
const HEAD: usize = 9;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;

struct Idle {
    stream: TcpStream,
    /// Bytes of a frame that is not whole yet; `None` over HTTP/1.1.
    frames: Option<Vec<u8>>,
}

/// Keeps so many connections open until it is over.
pub(super) fn keep(load: &Load, how_many: usize) -> anyhow::Result<()> {
    let open = |number: usize| Idle::open(&load.address, number % 2 == 1);
    let mut all = (0..how_many).map(open).collect::<anyhow::Result<Vec<_>>>()?;
    while !load.is_over() {
        for (number, idle) in all.iter_mut().enumerate() {
            if !idle.look()? {
                *idle = open(number)?;
                load.reopened();
            }
        }
        std::thread::sleep(EVERY);
    }
    Ok(())
}

impl Idle {
    fn open(address: &str, http2: bool) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).context("opening an idle connection")?;
        if http2 {
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
            stream.write_all(&frame(SETTINGS, 0, &[]))?;
        }
        stream.set_nonblocking(true)?;
        Ok(Self { stream, frames: http2.then(Vec::new) })
    }

    /// Answers what came; says whether the connection is still open.
    fn look(&mut self) -> anyhow::Result<bool> {
        let mut bytes = [0; 4_096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    if let Some(frames) = &mut self.frames {
                        frames.extend_from_slice(&bytes[..read]);
                    }
                    self.answer()?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error).context("an idle connection"),
            }
        }
    }

    fn answer(&mut self) -> anyhow::Result<()> {
        let Some(frames) = &mut self.frames else { return Ok(()) };
        while frames.len() >= HEAD {
            let length = u32::from_be_bytes([0, frames[0], frames[1], frames[2]]) as usize;
            if frames.len() < HEAD + length {
                break;
            }
            let (kind, flags) = (frames[3], frames[4]);
            let rest = frames.split_off(HEAD + length);
            let payload = std::mem::replace(frames, rest).split_off(HEAD);
            let answer = match (kind, flags & ACK) {
                (SETTINGS, 0) => frame(SETTINGS, ACK, &[]),
                (PING, 0) => frame(PING, ACK, &payload),
                _ => continue,
            };
            // Whoever is being sent away meanwhile is seen at the next look.
            let _ = self.stream.write_all(&answer);
        }
        Ok(())
    }
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 0], payload].concat()
}
