//! From the tree to Rust types, by serde. Types announce their fields (`deserialize_struct`), so an
//! unknown one is refused here, with its position and the fields that are allowed, even for types
//! that would skip it.

use std::{fmt, path::Path, slice};

use serde::{
    de::{
        DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess,
        Unexpected, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::node::{Entry, Node, Position, Value};
use crate::config::{InputError, error::unknown};

/// What is wrong with a value; gains its position and path on the way up.
#[derive(Debug)]
pub(crate) struct ReadError {
    at: Option<Position>,
    /// Innermost first.
    path: Vec<String>,
    problem: String,
    allowed: Option<String>,
}

impl ReadError {
    fn new(problem: String) -> Self {
        Self { at: None, path: Vec::new(), problem, allowed: None }
    }

    /// A value that is no mapping stands where one with these fields belongs.
    pub(super) fn no_mapping(found: &Node, fields: &[&str]) -> Self {
        let problem = format!("{} where a mapping belongs", found.kind());
        Self { allowed: Some(fields.join(", ")), ..Self::new(problem) }
    }

    /// A mapping has an entry that is none of these fields.
    pub(super) fn unknown(entry: &Entry, fields: &[&str]) -> Self {
        let (problem, allowed) = unknown("field", &entry.key, fields);
        let error = Self { allowed: Some(allowed), ..Self::new(problem) };
        error.within(entry.key.as_str(), entry.key_at)
    }

    fn within(mut self, key: impl Into<String>, at: Position) -> Self {
        self.at.get_or_insert(at);
        self.path.push(key.into());
        self
    }

    pub(super) fn into_input_error(mut self, file: &Path, root: Position) -> InputError {
        self.path.reverse();
        let error =
            InputError::in_field(file, self.at.unwrap_or(root), self.path.join("."), self.problem);
        match self.allowed {
            Some(allowed) => error.allowed(allowed),
            None => error,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ReadError {}

impl Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("found {found}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("found {found}, expected {expected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let (problem, allowed) = unknown("value", variant, expected);
        Self { allowed: Some(allowed), ..Self::new(problem) }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let (problem, allowed) = unknown("field", field, expected);
        Self { allowed: Some(allowed), ..Self::new(problem) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: vec![field.to_owned()], ..Self::new("is required".to_owned()) }
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(v) => visitor.visit_bool(*v),
            Value::Integer(v) => visitor.visit_i64(*v),
            Value::Unsigned(v) => visitor.visit_u64(*v),
            Value::Float(v) => visitor.visit_f64(*v),
            Value::Text(v) => visitor.visit_borrowed_str(v),
            Value::Sequence(items) => visitor.visit_seq(Items { rest: items.iter(), index: 0 }),
            Value::Mapping(entries) => {
                visitor.visit_map(Entries { rest: entries.iter(), value: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            Value::Bool(_)
            | Value::Integer(_)
            | Value::Unsigned(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Sequence(_)
            | Value::Mapping(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let Value::Mapping(entries) = &self.value else {
            // Without this a sequence would be taken for the fields in order.
            return Err(ReadError::no_mapping(self, fields));
        };
        if let Some(entry) = entries.iter().find(|e| !fields.contains(&e.key.as_str())) {
            return Err(ReadError::unknown(entry, fields));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.as_text() {
            Some(text) => {
                visitor.visit_enum(IntoDeserializer::<ReadError>::into_deserializer(text))
            }
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        // A quantity may be written as a plain number (`cpu: 0.5`), but its type takes no floats.
        if let (Value::Float(v), "Quantity") = (&self.value, name) {
            return visitor.visit_string(v.to_string());
        }
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de> {
    rest: slice::Iter<'de, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(item) = self.rest.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        seed.deserialize(item).map(Some).map_err(|e| e.within(index.to_string(), item.at))
    }
}

struct Entries<'de> {
    rest: slice::Iter<'de, Entry>,
    value: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(entry);
        let key: StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|e| e.within(entry.key.as_str(), entry.key_at))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ReadError> {
        let Some(entry) = self.value.take() else {
            return Err(ReadError::new("a value was asked for before its key".to_owned()));
        };
        seed.deserialize(&entry.value).map_err(|e| e.within(entry.key.as_str(), entry.value.at))
    }
}
