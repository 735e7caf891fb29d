//! The file that a container's log is written to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Serialize, Serializer};

/// A log directory, written out as the file in it that was written last; `null` where there is none. It
/// is looked for when the record is written, on the reporter's thread.
#[derive(Debug)]
pub struct NewestFile(pub PathBuf);

impl Serialize for NewestFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        newest(&self.0).map(|path| path.display().to_string()).serialize(serializer)
    }
}

fn newest(dir: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(dir).ok()?.flatten().filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        // Of files that are as new the first of the names: `0.log` before `0.log.20261123-011832`.
        Some((metadata.modified().ok()?, std::cmp::Reverse(entry.path())))
    });
    files.max().map(|(_, path)| path.0)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_file_written_last_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        assert_eq!(newest(path), None, "empty");
        assert_eq!(newest(&path.join("missing")), None);
        let then = SystemTime::now() - Duration::from_secs(100);
        for (name, seconds) in [("0.log.20261123-011832", 5), ("1.log", 5), ("0.log", 9)] {
            let file = fs::File::create(path.join(name)).unwrap();
            file.set_modified(then + Duration::from_secs(seconds)).unwrap();
        }
        fs::create_dir(path.join("directory")).unwrap();
        assert_eq!(newest(path), Some(path.join("0.log")));
        let file = fs::File::create(path.join("1.log")).unwrap();
        file.set_modified(then + Duration::from_secs(9)).unwrap();
        assert_eq!(newest(path), Some(path.join("0.log")), "as new as 1.log");
        file.set_modified(then + Duration::from_secs(10)).unwrap();
        let json = serde_json::to_string(&NewestFile(path.to_owned())).unwrap();
        assert_eq!(json, format!("\"{}/1.log\"", path.display()));
    }
}
