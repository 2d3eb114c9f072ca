//! Where spans go: the settings, and the variables of the environment that OpenTelemetry has for it.
//! Spans are sent over gRPC, in the form that every collector takes (OTLP).

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    SpanExporter, WithExportConfig, WithTonicConfig,
    tonic_types::transport::{Certificate, ClientTlsConfig},
};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};

use crate::Config;

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const AUTHORITIES: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];

/// What spans are sent with; nothing when nobody says where they are to go.
pub(super) fn exporter(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<SpanExporter>, String> {
    let Some(endpoint) = endpoint(config, &variable) else { return Ok(None) };
    if let Some(protocol) = first(&PROTOCOLS, &variable).filter(|protocol| protocol != "grpc") {
        return Err(format!(
            "spans are sent over gRPC, not {protocol}: name the collector's port for that (4317), \
             and OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
        ));
    }
    let refused = |problem: String| format!("spans can't be sent to {endpoint}: {problem}");
    let mut tls = ClientTlsConfig::new().with_enabled_roots();
    if let Some(file) = first(&AUTHORITIES, &variable) {
        let pem = std::fs::read(&file).map_err(|error| refused(format!("{file}: {error}")))?;
        tls = tls.ca_certificate(Certificate::from_pem(pem));
    }
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(&endpoint);
    let exporter = match endpoint.starts_with("https://") {
        true => exporter.with_tls_config(tls),
        false => exporter,
    };
    exporter.build().map(Some).map_err(|error| refused(error.to_string()))
}

/// Who says all this: the same on every span.
pub(super) fn described(
    mut exporter: SpanExporter,
    variable: impl Fn(&str) -> Option<String>,
) -> (Resource, SpanExporter) {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let named = |text: String| text.split(',').any(|one| one.trim().starts_with("service.name="));
    let resource = match variable("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(named)
    {
        true => resource,
        false => resource.with_service_name("factum"),
    };
    let resource = resource.build();
    exporter.set_resource(&resource);
    (resource, exporter)
}

/// Our setting is over the variables; and who switches OpenTelemetry off means all of it.
fn endpoint(config: &Config, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let says = |name, text: &str| variable(name).is_some_and(|it| it.eq_ignore_ascii_case(text));
    if says("OTEL_SDK_DISABLED", "true") {
        return None;
    }
    let standard = || match says("OTEL_TRACES_EXPORTER", "none") {
        true => None,
        false => first(&ENDPOINTS, variable),
    };
    config.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty()).or_else(standard)
}

/// The first variable that says something.
fn first(names: &[&str], variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    names.iter().find_map(|name| variable(name).filter(|said| !said.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint_of(ours: Option<&str>, said: &[(&str, &str)]) -> Option<String> {
        let config = Config { otlp_endpoint: ours.map(str::to_owned), ..Config::default() };
        endpoint(&config, &|name| variable(said, name))
    }

    fn variable(said: &[(&str, &str)], name: &str) -> Option<String> {
        said.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn spans_go_where_the_setting_says_and_else_where_the_standard_variables_say() {
        let [of_traces, of_all] = ENDPOINTS;
        assert_eq!(endpoint_of(None, &[]), None);
        assert_eq!(endpoint_of(None, &[(of_all, "")]), None);
        assert_eq!(endpoint_of(None, &[(of_all, "http://a")]).as_deref(), Some("http://a"));
        let both = [(of_all, "http://a"), (of_traces, "http://b")];
        assert_eq!(endpoint_of(None, &both).as_deref(), Some("http://b"));
        assert_eq!(endpoint_of(Some("http://c"), &both).as_deref(), Some("http://c"));
        let none = [(of_all, "http://a"), ("OTEL_TRACES_EXPORTER", "none")];
        assert_eq!(endpoint_of(None, &none), None);
        assert_eq!(endpoint_of(Some("http://c"), &[("OTEL_SDK_DISABLED", "TRUE")]), None);
    }

    #[tokio::test]
    async fn what_can_not_be_used_is_said() {
        let refused = |endpoint: &str, said: &[(&str, &str)]| {
            let config = Config { otlp_endpoint: Some(endpoint.into()), ..Config::default() };
            exporter(&config, |name| variable(said, name)).expect_err("is refused")
        };
        assert!(refused("not a url", &[]).contains("not a url"));
        let http = refused("http://a:4318", &[(PROTOCOLS[1], "http/protobuf")]);
        assert!(http.contains("http/protobuf") && http.contains("4317"), "{http}");
        let authority = refused("https://a:4317", &[(AUTHORITIES[1], "/nowhere.pem")]);
        assert!(authority.contains("/nowhere.pem"), "{authority}");
    }
}
