//! Files that are there whole or as they were.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Makes a folder that nobody else can look into; fine if it is there.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes it for nobody else to read, so that it is there after a crash or as it was; who reads it meanwhile
/// reads the old one. Where it stands meanwhile is [`unfinished`].
pub(super) fn write(file: &Path, content: &[u8]) -> io::Result<()> {
    let new = unfinished(file);
    let finish = || {
        let mut options = OpenOptions::new();
        let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        open.write_all(content)?;
        open.sync_all()?;
        fs::rename(&new, file)?;
        file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    finish().inspect_err(|_| {
        // Half of it would take space that is needed.
        let _ = fs::remove_file(&new);
    })
}

/// The same, in a folder that may not be there yet.
pub(super) fn write_with_folder(file: &Path, content: &[u8]) -> io::Result<()> {
    file.parent().map_or(Ok(()), make_folder)?;
    write(file, content)
}

/// The same name with `.new` after it.
fn unfinished(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    name.into()
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
            write_with_folder(&file, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

        fs::create_dir(unfinished(&file)).unwrap();
        assert!(write(&file, b"three").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    }
}
