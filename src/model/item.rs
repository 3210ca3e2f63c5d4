//! An item that may be written as a text alone: `"nginx"` for `{ unit = "nginx" }`.

use super::Value;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

/// An item, however it was written.
#[derive(Clone, Debug)]
pub struct Item<T>(pub T);

impl<'de, T: DeserializeOwned + From<String>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Item(T::from(text))),
            table => serde_json::from_value(table).map(Item).map_err(D::Error::custom),
        }
    }
}

#[cfg(feature = "controller")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Item<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("text or {}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let table = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }

    fn inline_schema() -> bool {
        true
    }
}
