//! Reading files of vectors: one JSON object a line, compressed or not.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;

/// Why vectors cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no file of vectors.
    #[error("{0} holds none of named.jsonl, random.jsonl.gz, thresholds.jsonl")]
    Empty(PathBuf),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not a vector.
    #[error("{path}:{line}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// The vectors of a file, in its order.
pub fn load_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, LoadError> {
    let read = |source| LoadError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
    let text: Box<dyn Read> =
        if is_compressed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    let mut vectors = Vec::new();
    for (i, line) in BufReader::new(text).lines().enumerate() {
        let line = line.map_err(read)?;
        if line.trim().is_empty() {
            continue;
        }
        vectors.push(serde_json::from_str(&line).map_err(|source| LoadError::Parse {
            path: path.to_owned(),
            line: i + 1,
            source,
        })?);
    }
    Ok(vectors)
}
