//! YAML (and so JSON) documents that remember where each value was written.
//!
//! Both the configuration and the Pod manifests are read through this tree, so that every mistake is
//! reported the same way: file, line, column, field path, what is wrong and what is allowed.

mod node;
mod part;
mod read;

use std::{fs, path::Path};

use serde::de::DeserializeOwned;

pub(crate) use node::{Node, Position};

use crate::config::InputError;
use part::Part;

/// Larger files are refused: neither a configuration nor a manifest comes near.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Mappings and sequences within each other, twice as many as a Pod can have. Each takes stack to read.
const MAX_DEPTH: usize = 32;

/// The YAML documents of one file; empty documents are left out.
pub(crate) struct Documents<'f> {
    file: &'f Path,
    roots: Vec<Node>,
}

impl<'f> Documents<'f> {
    /// Reads and parses `file`.
    pub(crate) fn read(file: &'f Path) -> Result<Self, InputError> {
        let unreadable = |problem| InputError::in_file(file, problem);
        let len = fs::metadata(file).map_err(|e| unreadable(format!("cannot be read: {e}")))?.len();
        if len > MAX_FILE_BYTES {
            return Err(unreadable(format!("{len} bytes, more than {MAX_FILE_BYTES}")));
        }
        let text =
            fs::read_to_string(file).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
        Self::parse(file, &text)
    }

    /// Parses `text` as the content of `file`.
    pub(crate) fn parse(file: &'f Path, text: &str) -> Result<Self, InputError> {
        // `y` and `on` are texts, as in YAML 1.2 and JSON.
        let options = serde_saphyr::options! {
            strict_booleans: true,
            budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        };
        let roots = serde_saphyr::from_multiple_with_options::<Node>(text, options)
            .map_err(|e| InputError::syntax(file, e.without_snippet()))?;
        Ok(Self { file, roots })
    }

    /// Each document in turn.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Document<'_>> {
        self.roots.iter().map(|root| Document { file: self.file, root })
    }

    /// The document, where a file may have only one; `None` if it is empty.
    pub(crate) fn only(&self) -> Result<Option<Document<'_>>, InputError> {
        if let Some(second) = self.iter().nth(1) {
            let problem = format!("{} YAML documents", self.roots.len());
            return Err(second.error(&[], problem).allowed("one"));
        }
        Ok(self.iter().next())
    }
}

/// One document of a file.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    file: &'a Path,
    root: &'a Node,
}

impl<'a> Document<'a> {
    /// The document as a `T`; fields unknown to `T` are refused.
    pub(crate) fn to<T: DeserializeOwned>(self) -> Result<T, InputError> {
        T::deserialize(self.root).map_err(|e| e.into_input_error(self.file, self.root.at))
    }

    /// As [`Self::to`], but fields named in `also` are passed over too.
    pub(crate) fn to_beside<T: DeserializeOwned>(
        self,
        also: &'static [&'static str],
    ) -> Result<T, InputError> {
        T::deserialize(Part { node: self.root, also: Some(also) })
            .map_err(|e| e.into_input_error(self.file, self.root.at))
    }

    /// As [`Self::to`], but every field unknown to `T` is passed over.
    pub(crate) fn part<T: DeserializeOwned>(self) -> Result<T, InputError> {
        T::deserialize(Part { node: self.root, also: None })
            .map_err(|e| e.into_input_error(self.file, self.root.at))
    }

    /// Whether the document has a field of that name.
    pub(crate) fn has(self, field: &str) -> bool {
        self.root.child(field).is_some()
    }

    /// Where the value at `path` was written, or the nearest enclosing one that exists.
    pub(crate) fn position(self, path: &[&str]) -> Position {
        self.place_of(path, |_, value| value)
    }

    /// As [`Self::position`], but of its key.
    pub(crate) fn key_position(self, path: &[&str]) -> Position {
        self.place_of(path, |key, _| key)
    }

    /// The value at `path`, if it is a text.
    pub(crate) fn text(self, path: &[&str]) -> Option<&'a str> {
        let mut node = self.root;
        for key in path {
            node = node.child(key)?.1;
        }
        node.as_text()
    }

    /// An error about the field at `path` (keys and sequence indices). It points at the value, or at
    /// the nearest enclosing one that exists.
    pub(crate) fn error(self, path: &[&str], problem: impl Into<String>) -> InputError {
        InputError::in_field(self.file, self.position(path), path.join("."), problem)
    }

    fn place_of(self, path: &[&str], choose: impl Fn(Position, Position) -> Position) -> Position {
        let mut node = self.root;
        let mut at = node.at;
        for (depth, key) in path.iter().enumerate() {
            let Some((key_at, value)) = node.child(key) else {
                break;
            };
            let last = depth + 1 == path.len();
            // The key of the innermost mapping that exists is where something is missing.
            at = if last { choose(key_at, value.at) } else { key_at };
            node = value;
        }
        at
    }
}
