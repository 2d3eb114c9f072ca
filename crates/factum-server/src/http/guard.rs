//! What every request passes before any route sees it: the Host and Origin check against DNS
//! rebinding, the encoding of the address; and what every answer leaves with. A panic in a route
//! ends as an answer, not as the end of the server.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_lite::FutureExt;

use super::{
    Shared,
    parameters::check_encoding,
    problem::{Kind, Problem},
};

/// The names that a server may be called by.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// The address that the server listens on.
    listen: IpAddr,
    /// Further names, in lower case.
    names: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(listen: IpAddr, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { listen: listen.to_canonical(), names }
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        let host = only(request.headers(), &header::HOST, Kind::HostNotAllowed)?
            .ok_or_else(|| Problem::new(Kind::HostNotAllowed, "there is no Host header"))?;
        self.check_host(host)?;
        if let Some(authority) = request.uri().authority() {
            self.check_host(authority.as_str())?;
        }
        let origin = only(request.headers(), &header::ORIGIN, Kind::OriginNotAllowed)?;
        if let Some(origin) = origin
            && !origin.strip_prefix("http://").is_some_and(|asked| asked.eq_ignore_ascii_case(host))
        {
            let detail = format!("the Origin {origin:?} is not http://{host}");
            return Err(Problem::new(Kind::OriginNotAllowed, detail));
        }
        Ok(())
    }

    fn check_host(&self, text: &str) -> Result<(), Problem> {
        let authority = text.parse::<Authority>().ok();
        let plain = authority.filter(|authority| !authority.as_str().contains('@'));
        if plain.is_some_and(|authority| self.has(authority.host())) {
            return Ok(());
        }
        let detail = format!("the Host {text:?} is not a name of this server; use localhost");
        Err(Problem::new(Kind::HostNotAllowed, detail))
    }

    /// An address can't be rebound, only a name can: so an address is fine if the server listens
    /// there.
    fn has(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            let everywhere = self.listen.is_unspecified() && !address.is_unspecified();
            return address.is_loopback() || address == self.listen || everywhere;
        }
        let host = host.to_ascii_lowercase();
        host == "localhost" || self.names.contains(&host)
    }
}

/// The value of a header that may be there once.
fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    kind: Kind,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        (_, Some(_)) => Err(Problem::new(kind, format!("the header {name} is there twice"))),
        (Err(_), None) => Err(Problem::new(kind, format!("the header {name} is not plain text"))),
    }
}

/// The outermost layer.
pub(crate) async fn guard(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let passed = shared.hosts.check(&request).and_then(|()| check_encoding(request.uri()));
    let address = request.uri().path().to_owned();
    let mut response = match passed {
        Err(problem) => problem.into_response(),
        Ok(()) => match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => panicked(&address, &*panic),
        },
    };
    harden(response.headers_mut());
    response
}

fn panicked(address: &str, panic: &(dyn std::any::Any + Send)) -> Response {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(address, "a request panicked: {}", said.unwrap_or("without a message"));
    Problem::new(Kind::Bug, "the request ended by a mistake of the server's own").into_response()
}

/// A browser must neither guess what an answer is, nor run anything in it, nor keep it.
fn harden(headers: &mut HeaderMap) {
    for (name, value) in
        [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CACHE_CONTROL, "no-store")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page for people says itself what it is made of.
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn check(listen: &str, host: Option<&str>, origin: Option<&str>) -> Result<(), Kind> {
        let hosts = Hosts::new(listen.parse().expect("an address"), &["Factum.example".into()]);
        let mut request = Request::new(Body::empty());
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, value.parse().expect("a value"));
            }
        }
        hosts.check(&request).map_err(|problem| problem.kind)
    }

    #[test]
    fn only_the_servers_own_names_are_hosts() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:2113", "[::1]:5", "factum.example"] {
            assert_eq!(check("127.0.0.1", Some(host), None), Ok(()), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "a@localhost", "10.0.0.1", "::1 "]
        {
            assert_eq!(check("127.0.0.1", Some(host), None), Err(Kind::HostNotAllowed), "{host}");
        }
        assert_eq!(check("127.0.0.1", None, None), Err(Kind::HostNotAllowed));
        assert_eq!(check("10.0.0.1", Some("10.0.0.1:80"), None), Ok(()));
        assert_eq!(check("0.0.0.0", Some("10.0.0.1:80"), None), Ok(()));
        assert_eq!(check("0.0.0.0", Some("evil.example"), None), Err(Kind::HostNotAllowed));
    }

    #[test]
    fn only_the_servers_own_pages_may_ask() {
        let host = Some("localhost:2113");
        assert_eq!(check("127.0.0.1", host, Some("http://localhost:2113")), Ok(()));
        for origin in
            ["http://localhost:8080", "https://localhost:2113", "null", "http://evil.example", ""]
        {
            let refused = Err(Kind::OriginNotAllowed);
            assert_eq!(check("127.0.0.1", host, Some(origin)), refused, "{origin}");
        }
    }
}
