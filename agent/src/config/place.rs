//! Where something was written.

use std::{fmt, path::Path, sync::Arc};

use super::document::Position;

/// A place in a source of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file; for flags given on evictd's command line, `--kubelet-flags`.
    pub file: Arc<Path>,
    /// Line, from 1; 0 where the whole source is meant, as for flags.
    pub line: u64,
    /// Column, from 1; 0 where the whole source is meant.
    pub column: u64,
}

impl Place {
    pub(super) fn new(file: &Arc<Path>, at: Position) -> Self {
        Self { file: file.clone(), line: at.line, column: at.column }
    }

    /// All of `file`.
    pub(super) fn whole(file: &Arc<Path>) -> Self {
        Self::new(file, Position::default())
    }

    /// Of what nobody wrote.
    pub(super) fn defaults() -> Self {
        Self::whole(&Path::new("defaults").into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: Place,
}
