//! Where spans and logs go: the settings, and the variables of the environment that OpenTelemetry has
//! for it. They are sent over gRPC, in the form that every collector takes (OTLP).

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    WithExportConfig, WithTonicConfig,
    tonic_types::transport::{Certificate, ClientTlsConfig},
};
use opentelemetry_sdk::Resource;

use crate::Config;

/// What is sent. Variables of its own go before those of all kinds.
pub(super) struct Kind {
    what: &'static str,
    endpoints: [&'static str; 2],
    protocols: [&'static str; 2],
    authorities: [&'static str; 2],
    exporter: &'static str,
}

pub(super) const SPANS: Kind = Kind {
    what: "spans",
    endpoints: ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
    protocols: ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
    authorities: ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"],
    exporter: "OTEL_TRACES_EXPORTER",
};

pub(super) const LOGS: Kind = Kind {
    what: "logs",
    endpoints: ["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
    protocols: ["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
    authorities: ["OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"],
    exporter: "OTEL_LOGS_EXPORTER",
};

/// A collector.
#[derive(Debug)]
pub(super) struct Destination {
    what: &'static str,
    endpoint: String,
    tls: Option<ClientTlsConfig>,
}

impl Kind {
    /// Where these are to go; nothing when nobody says so.
    pub(super) fn destination(
        &self,
        config: &Config,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Destination>, String> {
        let what = self.what;
        let Some(endpoint) = self.endpoint(config, &variable) else { return Ok(None) };
        if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
            let problem = "it begins neither with http:// nor with https://".to_owned();
            return Err(refused(what, &endpoint, problem));
        }
        let protocol = first(&self.protocols, &variable).filter(|protocol| protocol != "grpc");
        if let Some(protocol) = protocol {
            return Err(format!(
                "{what} are sent over gRPC, not {protocol}: name the collector's port for that \
                 (4317), and OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
            ));
        }
        let mut tls = ClientTlsConfig::new().with_enabled_roots();
        if let Some(file) = first(&self.authorities, &variable) {
            let pem = std::fs::read(&file);
            let pem = pem.map_err(|error| refused(what, &endpoint, format!("{file}: {error}")))?;
            tls = tls.ca_certificate(Certificate::from_pem(pem));
        }
        let tls = endpoint.starts_with("https://").then_some(tls);
        Ok(Some(Destination { what, endpoint, tls }))
    }

    /// Our setting is over the variables; and who switches OpenTelemetry off means all of it.
    fn endpoint(
        &self,
        config: &Config,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let says =
            |name, text: &str| variable(name).is_some_and(|it| it.eq_ignore_ascii_case(text));
        if says("OTEL_SDK_DISABLED", "true") {
            return None;
        }
        let standard = || match says(self.exporter, "none") {
            true => None,
            false => first(&self.endpoints, variable),
        };
        config.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty()).or_else(standard)
    }
}

impl Destination {
    /// An exporter that sends there.
    pub(super) fn of<B: WithExportConfig + WithTonicConfig>(self, exporter: B) -> B {
        let exporter = exporter.with_endpoint(self.endpoint);
        match self.tls {
            Some(tls) => exporter.with_tls_config(tls),
            None => exporter,
        }
    }

    /// Why nothing can be sent there.
    pub(super) fn refused(&self) -> impl Fn(String) -> String + use<> {
        let (what, endpoint) = (self.what, self.endpoint.clone());
        move |problem| refused(what, &endpoint, problem)
    }
}

fn refused(what: &str, endpoint: &str, problem: String) -> String {
    format!("{what} can't be sent to {endpoint}: {problem}")
}

/// Who says all this: the same on every span and line.
pub(super) fn resource(variable: impl Fn(&str) -> Option<String>) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let named = |text: String| text.split(',').any(|one| one.trim().starts_with("service.name="));
    let resource = match variable("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(named)
    {
        true => resource,
        false => resource.with_service_name("factum"),
    };
    resource.build()
}

/// The first variable that says something.
fn first(names: &[&str], variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    names.iter().find_map(|name| variable(name).filter(|said| !said.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint_of(ours: Option<&str>, said: &[(&str, &str)]) -> [Option<String>; 2] {
        let config = Config { otlp_endpoint: ours.map(str::to_owned), ..Config::default() };
        [SPANS, LOGS].map(|kind| kind.endpoint(&config, &|name| variable(said, name)))
    }

    fn variable(said: &[(&str, &str)], name: &str) -> Option<String> {
        said.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn each_kind_goes_where_the_setting_says_and_else_where_the_standard_variables_say() {
        let [of_traces, of_all] = SPANS.endpoints;
        let both = |a: Option<&str>, b: Option<&str>| [a, b].map(|it| it.map(str::to_owned));
        assert_eq!(endpoint_of(None, &[]), both(None, None));
        assert_eq!(endpoint_of(None, &[(of_all, "")]), both(None, None));
        let a = Some("http://a");
        assert_eq!(endpoint_of(None, &[(of_all, "http://a")]), both(a, a));
        let said = [(of_all, "http://a"), (of_traces, "http://b")];
        assert_eq!(endpoint_of(None, &said), both(Some("http://b"), a));
        let c = Some("http://c");
        assert_eq!(endpoint_of(c, &said), both(c, c));
        let none = [(of_all, "http://a"), (SPANS.exporter, "none")];
        assert_eq!(endpoint_of(None, &none), both(None, a));
        let none = [(of_all, "http://a"), (LOGS.exporter, "none")];
        assert_eq!(endpoint_of(None, &none), both(a, None));
        assert_eq!(endpoint_of(c, &[("OTEL_SDK_DISABLED", "TRUE")]), both(None, None));
    }

    #[test]
    fn what_can_not_be_used_is_said() {
        let refused = |kind: Kind, endpoint: &str, said: &[(&str, &str)]| {
            let config = Config { otlp_endpoint: Some(endpoint.into()), ..Config::default() };
            kind.destination(&config, |name| variable(said, name)).expect_err("is refused")
        };
        let http = [(SPANS.protocols[1], "http/protobuf")];
        for kind in [SPANS, LOGS] {
            let (what, http) = (kind.what, refused(kind, "http://a:4318", &http));
            assert!(http.contains("http/protobuf") && http.contains("4317"), "{http}");
            assert!(http.starts_with(what), "{http}");
        }
        let scheme = refused(LOGS, "collector:4317", &[]);
        assert!(scheme.contains("collector:4317") && scheme.contains("http://"), "{scheme}");
        let authority = [(SPANS.authorities[1], "/nowhere.pem")];
        let authority = refused(LOGS, "https://a:4317", &authority);
        assert!(authority.contains("/nowhere.pem"), "{authority}");
    }
}
