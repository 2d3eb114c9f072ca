//! What is written: events of a shop, made from their number alone, so that every system gets the
//! same ones and a reader knows which tags exist.

use std::sync::OnceLock;

use bytes::Bytes;

/// The types that events have; types are not equally frequent in life, but that decides nothing
/// here.
pub(crate) const TYPES: [&str; 10] = [
    "order.placed",
    "order.paid",
    "order.modified",
    "order.shipped",
    "order.delivered",
    "order.cancelled",
    "order.returned",
    "payment.refunded",
    "address.changed",
    "parcel.scanned",
];

/// On about every second event.
pub(crate) const HOT_TAG: &str = "channel:web";
/// Every so many events one carries a voucher, and each voucher is on about 20 events.
const VOUCHER_EVERY: u64 = 1_000;
const EVENTS_OF_A_VOUCHER: u64 = 20;
/// The words that free text is made of.
const WORDS: [&str; 32] = [
    "please",
    "leave",
    "the",
    "parcel",
    "with",
    "our",
    "neighbour",
    "door",
    "green",
    "medium",
    "cotton",
    "shirt",
    "lamp",
    "socket",
    "warranty",
    "gift",
    "card",
    "refund",
    "express",
    "morning",
    "street",
    "avenue",
    "suite",
    "north",
    "blue",
    "large",
    "returned",
    "damaged",
    "box",
    "and",
    "second",
    "floor",
];

/// Orders, and what was done to them.
const RETAIL: [&str; 2] = [
    include_str!("../../../examples/retail/data/orders.jsonl"),
    include_str!("../../../examples/retail/data/actions.jsonl"),
];

/// An event as no system knows it yet.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) event_type: &'static str,
    pub(crate) stream: String,
    pub(crate) tags: Vec<String>,
    pub(crate) data: Bytes,
}

/// The `number`th event of a ledger of `events`, with so many bytes of data. An order has ten events
/// among a thousand neighbours, a customer ten among a hundred thousand.
pub(crate) fn shop_event(number: u64, events: u64, bytes: usize) -> Event {
    let chance = mix(number);
    let mut tags = vec![customer(number), format!("product:{}", chance % 1_000)];
    if chance & (1 << 40) == 0 {
        tags.push(HOT_TAG.into());
    }
    if number % VOUCHER_EVERY == VOUCHER_EVERY / 2 {
        tags.push(some_voucher(events, chance));
    }
    Event {
        event_type: TYPES[(chance >> 32) as usize % TYPES.len()],
        stream: order(number),
        tags,
        data: json(number, bytes),
    }
}

/// An event whose data is of a real shop's exports: one of their lines, with other digits in it each
/// time, so that no two are the same and what makes them compressible is what makes the shop's so.
pub(crate) fn retail_event(number: u64, events: u64) -> Event {
    static LINES: OnceLock<Vec<&str>> = OnceLock::new();
    let lines = LINES.get_or_init(|| RETAIL.iter().flat_map(|export| export.lines()).collect());
    let line = lines[mix(number) as usize % lines.len()];
    let mut random = fastrand::Rng::with_seed(number);
    let digit = |letter: char| if letter.is_ascii_digit() { random.digit(10) } else { letter };
    let data = line.chars().map(digit).collect::<String>().into();
    Event { data, ..shop_event(number, events, 0) }
}

/// Data of an event that has next to nothing in it.
pub(crate) const SMALL_BYTES: usize = 16;

/// An event of one writer's own stream and tag. A small one has no other tag.
pub(crate) fn own_event(writer: usize, number: u64, bytes: usize) -> Event {
    let mut tags = vec![own_tag(writer)];
    if bytes > SMALL_BYTES {
        tags.push(format!("product:{}", mix(number) % 1_000));
    }
    let stream = own_stream(writer);
    Event {
        event_type: TYPES[number as usize % TYPES.len()],
        stream,
        tags,
        data: json(number, bytes),
    }
}

pub(crate) fn own_tag(writer: usize) -> String {
    format!("customer:own-{writer}")
}

fn own_stream(writer: usize) -> String {
    format!("order-own{writer}")
}

/// The stream of an event.
pub(crate) fn order(number: u64) -> String {
    format!("order-W{}", number / 1_000 * 100 + mix(number) % 100)
}

/// The customer of an event, as a tag.
pub(crate) fn customer(number: u64) -> String {
    format!("customer:{}", number / 100_000 * 10_000 + mix(number ^ 1 << 60) % 10_000)
}

/// The tag of one of a ledger's vouchers.
pub(crate) fn some_voucher(events: u64, chance: u64) -> String {
    let vouchers = (events / VOUCHER_EVERY / EVENTS_OF_A_VOUCHER).max(1);
    format!("voucher:{}", chance % vouchers)
}

/// JSON of exactly `bytes` bytes (if that is enough for its fields), about as compressible as life:
/// the same keys each time, numbers that differ, and text.
fn json(number: u64, bytes: usize) -> Bytes {
    use std::fmt::Write as _;
    let mut random = fastrand::Rng::with_seed(number);
    let mut text = String::with_capacity(bytes);
    let _ = write!(
        text,
        r#"{{"order":"W{:07}","user":"{}_{}","item":"{:010}","quantity":{},"cents":{},"paid_with":"card_{:07}","note":""#,
        random.u32(..10_000_000),
        WORDS[random.usize(..WORDS.len())],
        random.u32(1_000..10_000),
        random.u64(..10_000_000_000),
        random.u32(1..9),
        random.u32(100..100_000),
        random.u32(..10_000_000),
    );
    while text.len() + 2 < bytes {
        text.push_str(WORDS[random.usize(..WORDS.len())]);
        text.push(' ');
    }
    text.truncate(bytes.saturating_sub(2));
    text.push_str("\"}");
    text.into()
}

/// A number that looks like chance (SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_json_of_the_length_asked_for() {
        for bytes in [128, 256, 1 << 10, 16 << 10] {
            let data = shop_event(7, 1_000, bytes).data;
            // The shortest has room for less than its fields, and is cut.
            assert_eq!(data.len(), bytes);
            let parsed = serde_json::from_slice::<serde_json::Value>(&data);
            assert!(parsed.is_ok() || bytes < 160, "{}", String::from_utf8_lossy(&data));
        }
    }

    #[test]
    fn a_ledger_has_the_tags_that_are_asked_for() {
        let events = 40_000;
        let all: Vec<Event> = (0..events).map(|i| shop_event(i, events, 256)).collect();
        let with = |tag: &str| all.iter().filter(|e| e.tags.iter().any(|t| t == tag)).count();
        assert!((events as usize / 2).abs_diff(with(HOT_TAG)) < 1_000);
        let vouchers: Vec<usize> = (0..2).map(|i| with(&some_voucher(events, i))).collect();
        assert_eq!(vouchers.iter().sum::<usize>(), 40, "{vouchers:?}");
        assert!(with(&customer(17)) > 0);
        assert!(all.iter().any(|event| event.stream == order(17)));
    }
}
