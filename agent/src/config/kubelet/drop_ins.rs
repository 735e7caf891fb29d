//! The kubelet's `--config-dir`: files that change its configuration, one after the other (T-21).

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::file;
use crate::config::{InputError, layer::Layer};

/// Reads every drop-in below `dir`, in the order in which they are applied.
pub(in crate::config) fn read(dir: &Path) -> Result<Vec<Layer>, InputError> {
    files(dir)?.iter().map(|path| file::read(path)).collect()
}

/// The drop-ins (`*.conf`) below `dir` as the kubelet walks them: by name, directories in their place,
/// without following links to directories.
pub(in crate::config) fn files(dir: &Path) -> Result<Vec<PathBuf>, InputError> {
    let mut found = Vec::new();
    walk(dir, &mut found).map_err(|e| {
        InputError::in_file(dir, format!("the directory of drop-ins cannot be read: {e}"))
    })?;
    Ok(found)
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, found)?;
        } else if path.as_os_str().as_encoded_bytes().ends_with(b".conf") {
            found.push(path);
        }
    }
    Ok(())
}
