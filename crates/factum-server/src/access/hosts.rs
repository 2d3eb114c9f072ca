//! [`Hosts`]: the names that a server may be called by, and the pages that may ask it. A page of
//! another site could otherwise reach a server on this machine through a name of its own.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Uri, header, uri::Authority};

use super::gate::Stop;

/// The names that a server may be called by, and the sites whose pages may ask.
pub(crate) struct Hosts {
    /// The address that the server listens on.
    listen: IpAddr,
    /// Further names, in lower case.
    names: Vec<String>,
    /// Other sites whose pages may ask, such as `https://app.example`.
    origins: Vec<String>,
}

/// Where a request comes from, if a page sent it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// No page, or one of the server's own.
    Own,
    /// A page of another site that may ask.
    Listed,
}

impl Hosts {
    pub(crate) fn new(listen: IpAddr, names: &[String], origins: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { listen: listen.to_canonical(), names, origins: origins.to_vec() }
    }

    /// Checks the Host (or `:authority`, over HTTP/2) and the Origin of a request. `certified` says
    /// whether the server's certificate is for a name.
    pub(crate) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        scheme: &str,
        certified: impl Fn(&str) -> bool,
    ) -> Result<Origin, Stop> {
        let said = only(headers, &header::HOST).map_err(Stop::Host)?;
        let asked = uri.authority().map(Authority::as_str);
        let host = said.or(asked).ok_or_else(|| Stop::Host("there is no Host header".into()))?;
        for host in [said, asked].into_iter().flatten() {
            self.check_host(host, &certified)?;
        }
        let Some(origin) = only(headers, &header::ORIGIN).map_err(Stop::Origin)? else {
            return Ok(Origin::Own);
        };
        let own = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
        if own.is_some_and(|asked| asked.eq_ignore_ascii_case(host)) {
            return Ok(Origin::Own);
        }
        match self.origins.iter().any(|listed| listed == origin) {
            true => Ok(Origin::Listed),
            false => Err(Stop::Origin(format!("the Origin {origin:?} is not {scheme}://{host}"))),
        }
    }

    fn check_host(&self, text: &str, certified: &impl Fn(&str) -> bool) -> Result<(), Stop> {
        let authority = text.parse::<Authority>().ok();
        let plain = authority.filter(|authority| !authority.as_str().contains('@'));
        if plain.is_some_and(|authority| self.has(authority.host()) || certified(authority.host()))
        {
            return Ok(());
        }
        let said = format!("the Host {text:?} is not a name of this server; use localhost");
        Err(Stop::Host(said))
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
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        (_, Some(_)) => Err(format!("the header {name} is there twice")),
        (Err(_), None) => Err(format!("the header {name} is not plain text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Option<&str> = Some("localhost:2113");

    fn check(
        listen: &str,
        scheme: &str,
        host: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Origin, &'static str> {
        let (names, origins) = (["Factum.example".into()], ["https://app.example".into()]);
        let hosts = Hosts::new(listen.parse().expect("an address"), &names, &origins);
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().expect("a value"));
            }
        }
        let certified = |name: &str| name == "certified.example";
        hosts.check(&Uri::from_static("/"), &headers, scheme, certified).map_err(
            |stop| match stop {
                Stop::Host(_) => "host",
                Stop::Origin(_) => "origin",
                Stop::TooMany | Stop::Stranger => "stranger",
            },
        )
    }

    #[test]
    fn only_the_servers_own_names_are_hosts() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:2113",
            "[::1]:5",
            "factum.example",
            "certified.example:1",
        ] {
            assert_eq!(check("127.0.0.1", "http", Some(host), None), Ok(Origin::Own), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "a@localhost", "10.0.0.1", "::1 "]
        {
            assert_eq!(check("127.0.0.1", "http", Some(host), None), Err("host"), "{host}");
        }
        assert_eq!(check("127.0.0.1", "http", None, None), Err("host"));
        assert_eq!(check("10.0.0.1", "http", Some("10.0.0.1:80"), None), Ok(Origin::Own));
        assert_eq!(check("0.0.0.0", "http", Some("10.0.0.1:80"), None), Ok(Origin::Own));
        assert_eq!(check("0.0.0.0", "http", Some("evil.example"), None), Err("host"));
    }

    #[test]
    fn over_http_2_the_authority_is_the_host_and_both_must_be_the_servers() {
        let hosts = Hosts::new([127, 0, 0, 1].into(), &[], &[]);
        let check = |uri: &str, host: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(header::HOST, host.parse().expect("a value"));
            }
            hosts.check(&uri.parse().expect("a URI"), &headers, "http", |_| false).is_ok()
        };
        assert!(check("http://localhost/", None) && check("http://localhost/", Some("localhost")));
        assert!(!check("http://evil.example/", None) && !check("/", None));
        assert!(!check("http://evil.example/", Some("localhost")));
        assert!(!check("http://localhost/", Some("evil.example")));
    }

    #[test]
    fn only_the_servers_own_pages_and_those_of_listed_sites_may_ask() {
        let asks = |scheme, origin| check("127.0.0.1", scheme, HOST, Some(origin));
        assert_eq!(asks("http", "http://localhost:2113"), Ok(Origin::Own));
        assert_eq!(asks("https", "https://localhost:2113"), Ok(Origin::Own));
        assert_eq!(asks("http", "https://app.example"), Ok(Origin::Listed));
        assert_eq!(asks("https", "http://localhost:2113"), Err("origin"));
        for origin in [
            "http://localhost:8080",
            "https://localhost:2113",
            "null",
            "http://evil.example",
            "https://app.example.evil.example",
            "http://app.example",
            "",
        ] {
            assert_eq!(asks("http", origin), Err("origin"), "{origin}");
        }
    }
}
