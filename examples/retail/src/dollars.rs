//! `#[serde(with = "dollars")]`: cents in memory, the data set's dollars in a document.
//!
//! Every number below such a field is money: `{"price_cents": 4784}` is shown as `{"price": 47.84}`
//! and read back as it was. Decisions never see a dollar: only documents and the data set's files
//! have them.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
    ser::Error as _,
};
use serde_json::{Map, Value};

/// Shows a value's cents as dollars.
pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    let value = serde_json::to_value(value).map_err(S::Error::custom)?;
    in_dollars(value).serialize(to)
}

/// Reads a value's dollars as cents.
pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    serde_json::from_value(in_cents(value)).map_err(D::Error::custom)
}

fn in_dollars(value: Value) -> Value {
    match value {
        // Two decimals survive: a double tells all cents apart up to 2^46 dollars.
        Value::Number(cents) => cents.as_i64().map(|cents| cents as f64 / 100.0).into(),
        Value::Array(values) => values.into_iter().map(in_dollars).collect(),
        Value::Object(fields) => renamed(fields, |name, value| {
            let shown = name.strip_suffix("_cents").map(str::to_owned).unwrap_or(name);
            (shown, in_dollars(value))
        }),
        other => other,
    }
}

fn in_cents(value: Value) -> Value {
    match value {
        Value::Number(dollars) => dollars.as_f64().map(|d| (d * 100.0).round() as i64).into(),
        Value::Array(values) => values.into_iter().map(in_cents).collect(),
        Value::Object(fields) => renamed(fields, |name, value| {
            let kept = if value.is_number() { name + "_cents" } else { name };
            (kept, in_cents(value))
        }),
        other => other,
    }
}

fn renamed(fields: Map<String, Value>, each: impl Fn(String, Value) -> (String, Value)) -> Value {
    fields.into_iter().map(|(name, value)| each(name, value)).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{in_cents, in_dollars};

    #[test]
    fn cents_become_dollars_and_back() {
        let kept = json!({"a": [{"price_cents": 4784, "name": "x"}, {"price_cents": -5}], "n": {"b_cents": 0}});
        let shown =
            json!({"a": [{"price": 47.84, "name": "x"}, {"price": -0.05}], "n": {"b": 0.0}});
        assert_eq!(in_dollars(kept.clone()), shown);
        assert_eq!(in_cents(shown), kept);
    }

    #[test]
    fn every_amount_survives_the_way_there_and_back() {
        let most = (1_i64 << 46) * 100;
        for cents in (-100_000..100_000).chain(most - 100_000..=most) {
            assert_eq!(in_cents(in_dollars(json!(cents))), json!(cents));
        }
    }
}
