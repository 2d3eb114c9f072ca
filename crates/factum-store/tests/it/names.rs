//! Names are checked where they are made.

use factum_store::{Category, EventId, EventType, StreamName, Tag, ViewName};

#[test]
fn a_name_has_1_to_256_bytes_without_control_characters() {
    let (longest, longer) = ("x".repeat(256), "x".repeat(257));
    // 86 characters of 3 bytes are 258: the limit counts bytes.
    let wide = "日".repeat(86);
    for (text, fits) in [
        ("x", true),
        ("a b:c/ü🦀", true),
        (longest.as_str(), true),
        ("", false),
        (longer.as_str(), false),
        (wide.as_str(), false),
        ("a\nb", false),
        ("a\0", false),
        ("\u{7f}", false),
        ("\u{85}", false),
    ] {
        assert_eq!(EventType::new(text.to_owned()).is_ok(), fits, "type {text:?}");
        assert_eq!(StreamName::new(text.to_owned()).is_ok(), fits, "stream {text:?}");
        assert_eq!(Tag::new(text.to_owned()).is_ok(), fits, "tag {text:?}");
        assert_eq!(text.parse::<Category>().is_ok(), fits, "category {text:?}");
    }
}

#[test]
fn what_is_wrong_with_a_name_is_said() {
    for (text, said) in [("", "tag is empty"), ("a\tb", "tag has a control character at byte 1")] {
        let problem = Tag::new(text.to_owned()).unwrap_err().to_string();
        assert!(problem.starts_with(said), "{problem}");
    }
    let problem = StreamName::new("x".repeat(300)).unwrap_err();
    assert_eq!(problem.to_string(), "stream has 300 bytes; the limit is 256");
    assert_eq!("no uuid".parse::<EventId>().unwrap_err().field, "id");
}

#[test]
fn a_category_is_what_stands_before_the_first_hyphen() {
    for (stream, expected) in [
        ("order-1", "order"),
        ("order-1-b", "order"),
        ("order", "order"),
        ("-x", "-x"),
        ("a-", "a"),
    ] {
        let stream = StreamName::new(stream.to_owned()).unwrap();
        assert_eq!(stream.category().as_str(), expected, "of {stream}");
    }
}

#[test]
fn the_ledgers_own_types_begin_with_a_dollar() {
    for (name, system) in [("$command", true), ("$", true), ("a$", false), ("command", false)] {
        assert_eq!(EventType::new(name.to_owned()).unwrap().is_system(), system, "{name}");
    }
}

#[test]
fn the_name_of_a_view_can_be_a_table() {
    let (longest, longer) = ("v".repeat(63), "v".repeat(64));
    for name in ["a", "order_lines", "v2", longest.as_str()] {
        assert!(ViewName::new(name).is_ok(), "{name}");
    }
    for name in ["", "1a", "_a", "A", "a-b", "a b", "ä", "a\"b", longer.as_str()] {
        assert!(ViewName::new(name).is_err(), "{name}");
    }
}
