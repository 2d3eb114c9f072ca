//! [`Config`]: where the server listens, and how large anything may be that a client can make large
//! (G11, G12). The defaults are safe: loopback only, everything bounded.
//!
//! Each field is a setting of the same name: what can be written here can be said in a file, in the
//! environment and on the command line.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    JwtSettings, TlsFiles,
    units::{bytes, span},
};

/// Where a server listens, and its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address. Port 0 takes a free port. `127.0.0.1:2113`.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach though there is no TLS, or
    /// nobody has to say who they are. What is said can then be read and changed on the way, and
    /// without `require_token` whoever reaches the server may read and write everything.
    pub insecure_listen_beyond_loopback: bool,
    /// Whether who presents no token is a stranger. Beyond loopback that is always so, unless
    /// `insecure_listen_beyond_loopback` says otherwise.
    pub require_token: bool,
    /// Further names that clients may call the server by (the `Host` header), beside `localhost`
    /// and its addresses.
    pub hosts: Vec<String>,
    /// Other sites whose pages may ask, such as `https://app.example`. None.
    pub origins: Vec<String>,
    /// The certificate to show. Without one there is no TLS.
    pub tls: Option<TlsFiles>,
    /// Whose JWTs are believed, beside the tokens of this server. Nobody's.
    pub jwt: Option<JwtSettings>,
    /// Connections at a time; further ones wait to be accepted. Never more than the files that the
    /// process may have open allow for. 8,192.
    pub connections_max: usize,
    /// Connections at a time from one address; further ones are closed at once. 0 is no limit. 0.
    pub peer_connections_max: usize,
    /// Requests at a time on one connection, over HTTP/2. 256.
    pub streams_max: u32,
    /// Requests a second from one address; 0 is no limit. 0.
    pub peer_requests_per_second: u32,
    /// Requests a second of one principal, wherever it is; 0 is no limit. 0.
    pub principal_requests_per_second: u32,
    /// Commands and appends at a time. 64.
    pub commands_max: usize,
    /// Reads of events and views at a time. 32.
    pub queries_max: usize,
    /// Streams of events at a time. 4,096.
    pub subscriptions_max: usize,
    /// Consumers that wait for events of a group at a time. 512.
    pub consumers_max: usize,
    /// How long a request waits for its turn before it is told that the server is busy. 2 s.
    #[serde(with = "span")]
    pub patience: Duration,
    /// Bytes of one body. 4 MiB.
    #[serde(with = "bytes")]
    pub body_bytes_max: usize,
    /// Bytes of one gRPC message. 20 MiB: an append of 16 MiB, and what is around it.
    #[serde(with = "bytes")]
    pub message_bytes_max: usize,
    /// Bytes of all bodies and gRPC messages that are being received or worked on at a time. 64 MiB.
    #[serde(with = "bytes")]
    pub bodies_bytes_max: usize,
    /// Bytes of a request's line and headers. 64 KiB.
    #[serde(with = "bytes")]
    pub head_bytes_max: usize,
    /// How long the head of the next request may take; an idle connection is closed after it. 15 s.
    #[serde(with = "span")]
    pub head_timeout: Duration,
    /// How long a connection over HTTP/2 may have no request before it is ended. 10 min.
    #[serde(with = "span")]
    pub idle_timeout: Duration,
    /// How long a body, or a gRPC message, may take. 30 s.
    #[serde(with = "span")]
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer before the connection is closed, and
    /// nothing of a stream before that is ended. 60 s.
    #[serde(with = "span")]
    pub write_timeout: Duration,
    /// How long a read waits for a view to see the position in `after`. 5 s.
    #[serde(with = "span")]
    pub view_deadline: Duration,
    /// How often a silent stream of events says that it is alive. 15 s.
    #[serde(with = "span")]
    pub heartbeat: Duration,
    /// Bytes that must be free where the data are; with less the server says that it is not ready.
    /// 256 MiB.
    #[serde(with = "bytes")]
    pub disk_free_bytes_min: u64,
    /// The directory below which clients may have backups made, each under a name. It has to be
    /// there; without one no backup is made over the network.
    pub backup_dir: Option<PathBuf>,
    /// Where spans and log lines are sent, by OTLP over gRPC, such as `http://localhost:4317`. Without
    /// it, where the variables of OpenTelemetry say; without those there are none.
    pub otlp_endpoint: Option<String>,
    /// How long requests may go on after shutdown was asked for. 10 s.
    #[serde(with = "span")]
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Self::PORT),
            insecure_listen_beyond_loopback: false,
            require_token: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            tls: None,
            jwt: None,
            connections_max: 8_192,
            peer_connections_max: 0,
            streams_max: 256,
            peer_requests_per_second: 0,
            principal_requests_per_second: 0,
            commands_max: 64,
            queries_max: 32,
            consumers_max: 512,
            subscriptions_max: 4_096,
            patience: Duration::from_secs(2),
            body_bytes_max: 4 << 20,
            message_bytes_max: 20 << 20,
            bodies_bytes_max: 64 << 20,
            head_bytes_max: 64 << 10,
            head_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(600),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            view_deadline: Duration::from_secs(5),
            heartbeat: Duration::from_secs(15),
            disk_free_bytes_min: 256 << 20,
            backup_dir: None,
            otlp_endpoint: None,
            grace: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// The port that a server listens on when nobody says otherwise.
    pub const PORT: u16 = 2113;

    /// The defaults, listening at `listen`.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, ..Self::default() }
    }

    /// Whether the address is one that only this machine reaches.
    fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Whether who presents no token is a stranger.
    pub(crate) fn requires_token(&self) -> bool {
        self.require_token || !(self.is_loopback() || self.insecure_listen_beyond_loopback)
    }

    /// Whether a server takes these settings together.
    ///
    /// # Errors
    /// [`ServeError::BeyondLoopback`] when others would reach it unprotected.
    pub fn check(&self) -> Result<(), ServeError> {
        let safe = self.is_loopback() || self.tls.is_some();
        if !safe && !self.insecure_listen_beyond_loopback {
            return Err(ServeError::BeyondLoopback { listen: self.listen });
        }
        Ok(())
    }
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address can be reached by other machines, and there is no TLS.
    #[error(
        "{listen} can be reached from other machines, and without TLS whatever is said on the way \
         can be read and changed, authentication too; name a certificate (--tls-certificate, \
         --tls-key), listen on 127.0.0.1, or say explicitly that this is meant \
         (--insecure-listen-beyond-loopback)"
    )]
    BeyondLoopback {
        /// The address.
        listen: SocketAddr,
    },
    /// The address can't be listened on.
    #[error("can't listen on {listen}: {problem}; choose another port, or 0 for a free one")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        problem: std::io::Error,
    },
    /// The certificate, its key, or what clients' certificates are signed by can't be used.
    #[error("{0}; TLS needs PEM files of a certificate and its key")]
    Tls(String),
    /// The settings of JWTs, or a file that they name, can't be used.
    #[error("jwt: {0}; docs/access.md says what is needed")]
    Jwt(String),
    /// Spans can't be sent where the settings say.
    #[error("{0}")]
    Otlp(String),
    /// The data directory can't be used.
    #[error("{0}")]
    Store(factum::Fault),
    /// A ledger, or the application on it, can't be opened.
    #[error("ledger {ledger}: {fault}")]
    Ledger {
        /// Its name.
        ledger: String,
        /// Why.
        fault: factum::Fault,
    },
}
