//! Whether files changed, without reading them.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

/// Tells apart two states of the files: what they are called, which files these are once links are
/// followed, and when they changed. A file that cannot be seen is a state too.
pub fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        if let Ok(meta) = fs::metadata(file) {
            (meta.dev(), meta.ino(), meta.size()).hash(&mut hasher);
            (meta.ctime(), meta.ctime_nsec()).hash(&mut hasher);
        }
    }
    hasher.finish()
}
