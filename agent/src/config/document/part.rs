//! Some fields of a document, where others read the rest of it.

use serde::{
    de::{Deserializer, Error, Visitor},
    forward_to_deserialize_any,
};

use super::{
    node::{Node, Value},
    read::ReadError,
};

/// A mapping whose fields beyond those of the type asked for are passed over.
pub(super) struct Part<'de> {
    pub(super) node: &'de Node,
    /// The fields that may be passed over; `None` for all.
    pub(super) also: Option<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Part<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ReadError> {
        Err(ReadError::custom("not a type with fields"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let also = self.also.unwrap_or_default();
        let known: Vec<&str> = fields.iter().chain(also).copied().collect();
        let Value::Mapping(entries) = &self.node.value else {
            return Err(ReadError::no_mapping(self.node, &known));
        };
        let unknown = entries.iter().find(|entry| !known.contains(&entry.key.as_str()));
        if let Some(entry) = unknown.filter(|_| self.also.is_some()) {
            return Err(ReadError::unknown(entry, &known));
        }
        self.node.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
