//! Every decoder of what clients send over HTTP, as a function of bytes, for fuzzing. A decoder may refuse anything; it may not panic or make names that
//! are none.

use axum::http::Uri;
use factum_store::{EventType, StreamName, Tag};

use super::{append::AppendBody, body::check_depth, events, parameters::Parameters};
use crate::fuzzing::Target;

/// Every decoder of what clients send over HTTP.
pub(crate) const TARGETS: &[Target] =
    &[("append_json", append_json), ("query_string", query_string), ("names", names)];

fn append_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if check_depth(text).is_err() {
        return;
    }
    let Ok(body) = serde_json::from_str::<AppendBody>(text) else { return };
    let Ok((new, _)) = body.into_parts() else { return };
    for event in new {
        assert!(event.tags.is_sorted_by(|a, b| a < b), "tags are a sorted set");
        let is_json = event.content_type == factum_store::ContentType::Json;
        let data = std::str::from_utf8(&event.data);
        assert!(!is_json || data.is_ok_and(|data| text.contains(data)), "a payload was changed");
    }
}

fn query_string(bytes: &[u8]) {
    let path = [b"/v1/ledgers/default/events?", bytes].concat();
    let Ok(uri) = Uri::try_from(path) else { return };
    let Ok(parameters) = Parameters::parse(&uri) else { return };
    if parameters.check(events::PARAMETERS).is_ok() {
        let _ = events::query(&parameters);
        let _ = parameters.limit(10, 1_000);
        let _ = parameters.switch("system");
        let _ = parameters.one::<u64>("after");
    }
}

fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let is_name = !text.is_empty() && text.len() <= 256 && !text.contains(char::is_control);
    assert_eq!(Tag::new(text.to_owned()).is_ok(), is_name);
    assert_eq!(EventType::new(text.to_owned()).is_ok(), is_name);
    let stream = StreamName::new(text.to_owned());
    assert_eq!(stream.is_ok(), is_name);
    if let Ok(stream) = stream {
        assert!(stream.as_str().starts_with(stream.category().as_str()));
    }
}

/// Inputs of a target that are whole, to begin with.
#[must_use]
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts: &[&str] = match target {
        "append_json" => &[
            r#"{"events":[{"type":"a","data":{"n":1},"tags":["k:2","k:1"],"stream":"s-1"}]}"#,
            r#"{"events":[{"id":"018f2f6e-0000-7000-8000-000000000001","type":"a","data":{"base64":"AAEC"},"content_type":"x/y","metadata":{"a":[]},"schema":{"name":"a","version":2},"actor":"b","causation_ids":["018f2f6e-0000-7000-8000-000000000002"],"trace":"00-1-2-01"}],"conditions":[{"stream":"s-1","revision":"none"},{"stream":"s","revision":3},{"no_match":[{"types":["a"],"tags":["k:1"]}],"after":7}]}"#,
        ],
        "query_string" => &[
            "type=a&type=b&tag=order%3AW1&stream=s-1&after=3&limit=10&direction=backward",
            "category=s&up_to=9&system&tag=%F0%9F%A6%80",
        ],
        "names" => &["order:W123", "s-1", "käse", "$command"],
        _ => &[],
    };
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
