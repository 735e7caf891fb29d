//! Where the things that findings are about were written.

use std::path::Path;

use evictd_core::{MapField, Signal};

use crate::config::document::{Documents, Position};

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

/// The keys that lead to an entry.
impl At {
    fn path(self) -> Vec<&'static str> {
        match self {
            Self::Whole => Vec::new(),
            Self::Field(name) => vec![name],
            Self::Map(map) => vec![map.name()],
            Self::Entry(map, signal) => vec![map.name(), signal.name()],
        }
    }

    /// The path of the field, dotted; `None` for the whole.
    pub fn field(self) -> Option<String> {
        let path = self.path();
        (!path.is_empty()).then(|| path.join("."))
    }
}

/// A position in the file that is checked; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// Finds the places in one file.
pub struct Places<'f>(Option<Documents<'f>>);

impl<'f> Places<'f> {
    /// Of a file that was read and found good before; one that changed since has no places.
    pub fn read(file: &'f Path) -> Self {
        Self(Documents::read(file).ok())
    }

    /// Of a text.
    #[cfg(test)]
    pub fn parse(file: &'f Path, text: &str) -> Self {
        Self(Documents::parse(file, text).ok())
    }

    /// Where `at` begins, a map by its key, everything else by its value; `None` if it is not written.
    pub fn find(&self, at: At) -> Option<Place> {
        let path = at.path();
        let document = self.0.as_ref()?.iter().next().filter(|_| !path.is_empty())?;
        let (key, value) = document.positions(&path)?;
        // The value of a map is its first entry, which may have nothing to do with it.
        let Position { line, column } = if matches!(at, At::Map(_)) { key } else { value };
        Some(Place { line, column })
    }
}
