//! What findings are about, and where that was written.

use std::path::Path;

use evictd_core::{MapField, Signal};

use crate::config::{EvictionSettings, Place, document::Documents};

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The node or the configuration as a whole.
    Whole,
    /// A field of its own.
    Field(&'static str),
    /// One of the four maps.
    Map(MapField),
    /// An entry of one of them.
    Entry(MapField, Signal),
}

impl At {
    /// The path of the field, dotted; `None` for the whole.
    pub fn field(self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Field(name) => Some(name.to_owned()),
            Self::Map(map) => Some(map.name().to_owned()),
            Self::Entry(map, signal) => Some(format!("{map}.{signal}")),
        }
    }
}

/// What was written, beside what is in force.
pub struct Places<'a> {
    file: &'a Path,
    /// None if the file changed since it was read and found good.
    documents: Option<Documents<'a>>,
    settings: &'a EvictionSettings,
}

impl<'a> Places<'a> {
    /// Of the settings that were made from `file`, and from drop-ins and flags on top.
    pub fn read(file: &'a Path, settings: &'a EvictionSettings) -> Self {
        Self { file, documents: Documents::read(file).ok(), settings }
    }

    /// Of the settings that were made from `text`.
    #[cfg(test)]
    pub fn parse(file: &'a Path, text: &str, settings: &'a EvictionSettings) -> Self {
        Self { file, documents: Documents::parse(file, text).ok(), settings }
    }

    /// Where `at` begins, a map by its key, everything else by its value; `None` if it is not written.
    pub fn find(&self, at: At) -> Option<Place> {
        let field = match at {
            At::Whole => return None,
            At::Entry(map, signal) => return self.settings.place(map, signal.name()),
            At::Field(name) => name,
            At::Map(map) => map.name(),
        };
        let document = self.documents.as_ref()?.iter().next().filter(|d| d.has(field))?;
        // The value of a map is its first entry, which may have nothing to do with it.
        let at = match at {
            At::Map(_) => document.key_position(&[field]),
            At::Whole | At::Field(_) | At::Entry(..) => document.position(&[field]),
        };
        Some(Place { file: self.file.into(), line: at.line, column: at.column })
    }

    /// The text of a field of the file.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.documents.as_ref()?.iter().next()?.text(&[field])
    }
}
