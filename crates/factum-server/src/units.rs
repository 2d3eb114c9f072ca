//! How settings are written: spans of time as `15s` or `250ms`, sizes as `4MiB` or a plain number.

/// A span of time.
pub(crate) mod span {
    use std::time::Duration;

    use jiff::fmt::serde::unsigned_duration::friendly::compact::required;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        required::serialize(span, to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        required::deserialize(from)
    }
}

/// A number of bytes, for `#[serde(with = "bytes")]`: `64MiB`, or a plain number.
pub mod bytes {
    use std::{fmt, marker::PhantomData};

    use serde::{Deserializer, Serializer, de};

    const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

    /// As the largest unit that it is a whole number of.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<N, S>(bytes: &N, to: S) -> Result<S::Ok, S::Error>
    where
        N: Copy + TryInto<u64>,
        S: Serializer,
    {
        let bytes = (*bytes).try_into().unwrap_or(u64::MAX);
        let whole = |(_, shift): &&(&str, u32)| bytes > 0 && bytes % (1 << shift) == 0;
        match UNITS.iter().find(whole) {
            Some((unit, shift)) if *shift > 0 => {
                to.collect_str(&format_args!("{}{unit}", bytes >> shift))
            }
            _ => to.serialize_u64(bytes),
        }
    }

    /// A text with a unit, or a number of bytes.
    ///
    /// # Errors
    /// What is neither.
    pub fn deserialize<'de, N, D>(from: D) -> Result<N, D::Error>
    where
        N: TryFrom<u64>,
        D: Deserializer<'de>,
    {
        from.deserialize_any(Bytes(PhantomData))
    }

    struct Bytes<N>(PhantomData<N>);

    impl<N: TryFrom<u64>> de::Visitor<'_> for Bytes<N> {
        type Value = N;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a number of bytes, such as 65536 or 4MiB")
        }

        fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<N, E> {
            N::try_from(bytes).map_err(|_| E::custom("is more than this machine can count"))
        }

        fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<N, E> {
            match u64::try_from(bytes) {
                Ok(bytes) => self.visit_u64(bytes),
                Err(_) => Err(E::invalid_value(de::Unexpected::Signed(bytes), &self)),
            }
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<N, E> {
            let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
            let (number, shift) = UNITS
                .iter()
                .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
                .unwrap_or((text, 0));
            let number: u64 = number.trim().parse().map_err(|_| wrong())?;
            let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
            self.visit_u64(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};
    use serde_json::{Value, from_value, json};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Settings {
        #[serde(with = "super::span")]
        span: Duration,
        #[serde(with = "super::bytes")]
        size: u64,
    }

    fn read(span: Value, size: Value) -> Result<Settings, String> {
        from_value(json!({ "span": span, "size": size })).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_can_be_read_and_the_other_way_round() {
        for (span, size, millis, bytes) in [
            (json!("15s"), json!("4MiB"), 15_000, 4 << 20),
            (json!("250ms"), json!(65_537), 250, 65_537),
            (json!("2m"), json!("1GiB"), 120_000, 1 << 30),
            (json!("0s"), json!(0), 0, 0),
        ] {
            let settings = read(span.clone(), size.clone()).expect("can be read");
            assert_eq!(settings, Settings { span: Duration::from_millis(millis), size: bytes });
            assert_eq!(json!(settings), json!({ "span": span, "size": size }));
        }
        assert_eq!(read(json!("1 s"), json!("64 KiB")).expect("can be read").size, 65_536);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for size in [json!("4 MB"), json!(-1), json!(1.5), json!("99999999999GiB"), json!(null)] {
            let refused = read(json!("1s"), size.clone()).expect_err("is refused");
            assert!(refused.contains("bytes"), "{size}: {refused}");
        }
        for span in [json!("soon"), json!("-1s"), json!(5)] {
            assert!(read(span.clone(), json!(1)).is_err(), "{span}");
        }
    }
}
