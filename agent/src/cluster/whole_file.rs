//! Files that are there whole or as they were.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Writes it for nobody else to read; who reads it meanwhile reads the old one.
pub(super) fn write(file: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let new = file.with_extension("new");
    let finish = || {
        let mut options = OpenOptions::new();
        let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        open.write_all(content)?;
        open.sync_all()?;
        fs::rename(&new, file)
    };
    finish().inspect_err(|_| {
        // Half of it would take space that is needed.
        let _ = fs::remove_file(&new);
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_old_one_stays_until_the_new_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state").join("file.json");
        for content in ["one", "two"] {
            write(&file, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

        fs::create_dir(file.with_extension("new")).unwrap();
        assert!(write(&file, b"three").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    }
}
