//! Reading files of vectors: one JSON object a line, compressed or not.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

/// Why vectors cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no file of vectors.
    #[error("{0} holds no *.jsonl and no *.jsonl.gz")]
    Empty(PathBuf),
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A line of a file.
pub(crate) struct Line {
    /// File and number.
    pub(crate) place: String,
    pub(crate) text: String,
}

/// The files of vectors in `dir`, by name.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let read = |source| LoadError::Read { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".jsonl") || name.ends_with(".jsonl.gz") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(LoadError::Empty(dir.to_owned())) } else { Ok(files) }
}

/// The lines of a file that are not blank.
pub(crate) fn lines(path: &Path) -> Result<Vec<Line>, LoadError> {
    let read = |source| LoadError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
    let text: Box<dyn Read> =
        if is_compressed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    let mut lines = Vec::new();
    for (i, text) in BufReader::new(text).lines().enumerate() {
        let text = text.map_err(read)?;
        let place = format!("{}:{}", path.display(), i + 1);
        if !text.trim().is_empty() {
            lines.push(Line { place, text });
        }
    }
    Ok(lines)
}
