//! [`Gate`]: what every request passes before any face sees it. Whether it calls the server by a
//! name of the server's, whether its page may ask, and who asks; a face that forgets one of these
//! opens no door.

use std::{net::SocketAddr, sync::Arc};

use factum_store::BoxFuture;
use http::{Extensions, Request};

use super::{
    Access, Principal, Shown, Standing, Who,
    hosts::{Hosts, Origin},
};
use crate::{Config, api::ApiError, observe::TraceContext, tls::Tls};

/// Paths that a stranger may ask too, and nothing below them but what explains each problem.
const OPEN: [&str; 5] =
    ["/health", "/ready", PROBLEMS, "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];

const PROBLEMS: &str = "/problems";

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The certificate that was shown, and is signed by an authority that the server believes.
    pub(crate) shown: Option<Arc<Shown>>,
}

/// Why a request is not passed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It calls the server by a name that is not the server's.
    Host(String),
    /// It comes from a page that may not ask.
    Origin(String),
    /// Too many come from the same address.
    TooMany,
    /// Who asks is not known.
    Stranger,
}

/// What becomes of a request at the gate.
pub(crate) enum Admitted {
    /// It goes on to its face, for as long as whoever asks is who they are.
    Yes(Option<Standing>),
    No(Stop),
    /// It has to be asked again when this has ended.
    Later(BoxFuture<'static, ()>),
}

/// The gate of a server.
pub(crate) struct Gate {
    access: Arc<Access>,
    hosts: Hosts,
    tls: Option<Arc<Tls>>,
}

impl Gate {
    pub(crate) fn new(access: Arc<Access>, config: &Config, tls: Option<Arc<Tls>>) -> Self {
        let hosts = Hosts::new(config.listen.ip(), &config.hosts, &config.origins);
        Self { access, hosts, tls }
    }

    /// Checks a request's Host and Origin.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<Origin, Stop> {
        let tls = self.tls.as_deref();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let certified = |name: &str| tls.is_some_and(|tls| tls.is_for(name));
        self.hosts.check(request.uri(), request.headers(), scheme, certified)
    }

    /// Finds out who asks, and has it known to whoever answers.
    pub(crate) fn admit<B>(&self, request: &mut Request<B>, peer: &Peer) -> Admitted {
        match self.access.who(request.headers(), peer.shown.as_ref()) {
            Who::Known(principal, standing) => {
                request.extensions_mut().insert(principal);
                Admitted::Yes(standing)
            }
            _ if is_open(request.uri().path()) => Admitted::Yes(None),
            Who::AskAgain(later) => Admitted::Later(later),
            Who::Stranger => Admitted::No(self.stranger(peer)),
        }
    }

    /// The same for the last time: who is not known now is a stranger.
    pub(crate) fn admit_at_last<B>(
        &self,
        request: &mut Request<B>,
        peer: &Peer,
    ) -> Result<Option<Standing>, Stop> {
        match self.admit(request, peer) {
            Admitted::Yes(standing) => Ok(standing),
            Admitted::No(stop) => Err(stop),
            Admitted::Later(_) => Err(self.stranger(peer)),
        }
    }

    fn stranger(&self, peer: &Peer) -> Stop {
        self.access.audit().authentication_failed(peer.address.ip());
        Stop::Stranger
    }
}

impl Principal {
    /// Whoever the gate found to ask.
    pub(crate) fn of(extensions: &Extensions) -> Result<Self, ApiError> {
        let principal = extensions.get::<Self>().cloned().ok_or(ApiError::Unauthenticated)?;
        Ok(principal.within(extensions.get::<Arc<TraceContext>>().cloned()))
    }
}

fn is_open(path: &str) -> bool {
    let problem = path.strip_prefix(PROBLEMS).and_then(|rest| rest.strip_prefix('/'));
    OPEN.contains(&path) || problem.is_some_and(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_open() {
        for path in ["/health", "/problems", "/problems/bug", "/grpc.health.v1.Health/Check"] {
            assert!(is_open(path), "{path}");
        }
        for path in [
            "/",
            "/healthy",
            "/health/",
            "/health/../v1/ledgers",
            "/v1/ledgers",
            "/v1/health",
            "//health",
            "/problem",
            "/problems/../docs",
            "/grpc.health.v1.Health/List",
            "",
        ] {
            assert!(!is_open(path), "{path}");
        }
    }
}
