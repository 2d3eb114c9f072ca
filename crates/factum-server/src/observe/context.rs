//! [`TraceContext`]: the trace that work is part of, as W3C Trace Context says it (`traceparent`,
//! `tracestate`). What a client sends is taken only when it is well-formed, and is never longer than
//! its form: anything else counts as not said.

use std::str::FromStr;

use factum_store::ByteString;
use http::HeaderMap;
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
const LENGTH: usize = 55;
/// Bytes of a `tracestate` that are passed on; the standard asks for as many.
const STATE_BYTES_MAX: usize = 512;

/// A trace, and the span in it that asked for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    span: SpanContext,
    text: ByteString,
}

impl TraceContext {
    /// What a request says of itself, over HTTP and gRPC alike.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut said = headers.get_all(TRACEPARENT).iter();
        // Said twice, nobody knows which is meant.
        let (Some(said), None) = (said.next(), said.next()) else { return None };
        let (trace, span, flags) = parsed(said.to_str().ok()?)?;
        Some(Self::from(SpanContext::new(trace, span, flags, true, state(headers))))
    }

    /// What an event says that it came of.
    pub(crate) fn parse(traceparent: &str) -> Option<Self> {
        let (trace, span, flags) = parsed(traceparent)?;
        Some(Self::from(SpanContext::new(trace, span, flags, true, TraceState::NONE)))
    }

    /// As `traceparent`.
    pub(crate) fn text(&self) -> &ByteString {
        &self.text
    }

    /// Without the span: what log lines are found by.
    pub(crate) fn trace_id(&self) -> &str {
        self.text.get(3..35).unwrap_or_default()
    }

    pub(crate) fn span(&self) -> &SpanContext {
        &self.span
    }

    /// What log lines that are written within it are to name.
    pub(super) fn current(&self) -> Context {
        Context::new().with_remote_span_context(self.span.clone())
    }
}

impl From<SpanContext> for TraceContext {
    fn from(span: SpanContext) -> Self {
        let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
        Self { text: format!("00-{trace}-{id}-{flags:02x}").into(), span }
    }
}

/// The parts of a `traceparent`. Of later versions the beginning is understood, as the standard asks.
fn parsed(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let known = text.get(..LENGTH)?;
    let later = text.get(LENGTH..).unwrap_or_default();
    let mut parts = known.split('-');
    let (version, trace) = (hex(parts.next()?, 2)?, hex(parts.next()?, 32)?);
    let (span, flags) = (hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
    let whole = match version {
        "00" => later.is_empty(),
        "ff" => false,
        _ => later.is_empty() || later.starts_with('-'),
    };
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let sampled = u8::from_str_radix(flags, 16).ok()? & TraceFlags::SAMPLED.to_u8();
    let valid = whole && trace != TraceId::INVALID && span != SpanId::INVALID;
    valid.then_some((trace, span, TraceFlags::new(sampled)))
}

/// So many digits, small ones.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.as_bytes().iter().all(digit)).then_some(text)
}

/// What other systems have to say about the trace; nothing when it is not well-formed.
fn state(headers: &HeaderMap) -> TraceState {
    let said = headers.get_all(TRACESTATE).iter().filter_map(|state| state.to_str().ok());
    let said: Vec<_> = said.collect();
    let fits = said.iter().map(|state| state.len() + 1).sum::<usize>() <= STATE_BYTES_MAX + 1;
    match fits && !said.is_empty() {
        true => TraceState::from_str(&said.join(",")).unwrap_or_default(),
        false => TraceState::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(said: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn what_is_well_formed_is_taken_as_it_is() {
        let context = TraceContext::parse(SAID).expect("is well-formed");
        assert_eq!((&**context.text(), context.trace_id()), (SAID, &SAID[3..35]));
        assert!(context.span().is_sampled() && context.span().is_remote());
        let quiet = TraceContext::parse(&SAID.replace("-01", "-00")).expect("is well-formed");
        assert!(!quiet.span().is_sampled());
        let later = format!("cc{}-what-comes-later", &SAID[2..]);
        assert_eq!(TraceContext::parse(&later).expect("is understood").text(), SAID);
        assert_eq!(TraceContext::parse(&SAID.replace("-01", "-09")).expect("is").text(), SAID);
    }

    #[test]
    fn what_is_not_well_formed_counts_as_not_said() {
        let wrong = [
            "",
            "00",
            "t",
            "00-1-2-01",
            &SAID[..54],
            &format!("{SAID}-"),
            &format!("{SAID}0"),
            &format!("ff{}", &SAID[2..]),
            &format!("cc{}x", &SAID[2..]),
            &SAID.to_uppercase(),
            &SAID.replace('4', "g"),
            &SAID.replace('-', "_"),
            &SAID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &SAID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &SAID.replace("-01", "-+1"),
            &SAID.replace("4bf92f", "4bf-2f"),
            &"é".repeat(60),
        ];
        for text in wrong {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
        assert_eq!(
            TraceContext::of(&headers(&[("traceparent", SAID), ("traceparent", SAID)])),
            None
        );
        assert_eq!(TraceContext::of(&headers(&[("tracestate", "a=1")])), None);
    }

    #[test]
    fn the_state_of_a_trace_is_taken_when_it_is_well_formed_and_not_large() {
        let state = |states: &[&str]| {
            let mut said = vec![("traceparent", SAID)];
            said.extend(states.iter().map(|state| ("tracestate", *state)));
            let context = TraceContext::of(&headers(&said)).expect("is said");
            assert_eq!(context.text(), SAID);
            context.span().trace_state().header()
        };
        assert_eq!(state(&["a=1,b=2"]), "a=1,b=2");
        assert_eq!(state(&["a=1", "b=2"]), "a=1,b=2");
        assert_eq!(state(&["nonsense"]), "");
        assert_eq!(state(&[&format!("a={}", "x".repeat(STATE_BYTES_MAX))]), "");
    }
}
