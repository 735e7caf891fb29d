//! Entries on disk: one small file each, there as a whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Entry, Key, Matter, Notice};
use crate::cluster::whole_file;

/// The shape of the files; one of another is set aside.
const VERSION: u32 = 1;
/// No entry is that large.
const LARGEST: u64 = 1 << 20;
const ENTRY: &str = ".json";
const UNFINISHED: &str = ".json.new";
const ASIDE: &str = ".set-aside";

/// A file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    matter: Matter,
    notice: Arc<Notice>,
}

/// Where entries survive evictd.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// Uses `path`, which is made if it is not there.
    ///
    /// # Errors
    /// As making or reading a directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        whole_file::make_folder(path)?;
        fs::read_dir(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// What an earlier evictd left, oldest first. What cannot be used is set aside, and one warning
    /// names it.
    ///
    /// # Errors
    /// As reading a directory.
    pub fn load(&self) -> io::Result<Vec<Entry>> {
        let (mut entries, mut odd) = (Vec::new(), Vec::new());
        for file in fs::read_dir(&self.path)? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            if !file.file_type().is_ok_and(|kind| kind.is_file()) || name.ends_with(ASIDE) {
                continue;
            }
            if name.ends_with(UNFINISHED) {
                // Its writer died: that the kernel gave it this name last is all that it was for.
                let _ = fs::remove_file(file.path());
                continue;
            }
            match read(&file.path()) {
                Ok(entry) if file_name(&entry.key()) == name => entries.push(entry),
                Ok(_) => odd.push(format!("{name}: the name is that of another entry")),
                Err(problem) => odd.push(format!("{name}: {problem}")),
            }
        }
        self.set_aside(&odd);
        entries.sort_by_key(|entry| (entry.notice.at_unix_ms, entry.matter));
        Ok(entries)
    }

    fn set_aside(&self, odd: &[String]) {
        let Some(first) = odd.first() else { return };
        for name in odd.iter().filter_map(|odd| odd.split(": ").next()) {
            // Where it cannot be renamed it is named again by the next start.
            let _ = fs::rename(self.path.join(name), self.path.join(format!("{name}{ASIDE}")));
        }
        let (count, path) = (odd.len(), self.path.display());
        warn!("{path}: {count} files that are no entries are set aside as *{ASIDE}; {first}");
    }

    /// Writes an entry so that it is there after a crash, or never was.
    ///
    /// # Errors
    /// As writing files; the disk may be full or read-only.
    pub fn write(&self, entry: &Entry) -> io::Result<()> {
        let written =
            Written { version: VERSION, matter: entry.matter, notice: entry.notice.clone() };
        let file = self.path.join(file_name(&entry.key()));
        whole_file::write(&file, &serde_json::to_vec(&written)?)
    }

    /// Removes an entry; one that is not there is removed.
    ///
    /// # Errors
    /// As removing a file.
    pub fn remove(&self, key: &Key) -> io::Result<()> {
        match fs::remove_file(self.path.join(file_name(key))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            // That a removal is lost only means that the same is told again.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The uid is part of a path already, that of the pod's cgroup.
fn file_name(key: &Key) -> String {
    format!("{}.{}{ENTRY}", key.uid, key.matter.name())
}

fn read(path: &Path) -> Result<Entry, String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(LARGEST).read_to_end(&mut text).map_err(|e| e.to_string())?;
    let Written { version, matter, notice } =
        serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    if version != VERSION {
        return Err(format!("version {version} is not {VERSION}"));
    }
    Ok(Entry { matter, notice })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn notice(n: u64) -> Arc<Notice> {
        Arc::new(Notice {
            namespace: "n".into(),
            pod: "p".into(),
            uid: format!("u{n}").into(),
            cgroup_inode: n,
            at_unix_ms: n,
            message: "The node was low on resource: memory. ".to_owned(),
            annotations: BTreeMap::from([("starved_resource".to_owned(), "memory".to_owned())]),
            disruption_target: true,
        })
    }

    fn names(path: &Path) -> Vec<String> {
        let name = |e: io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn entries_are_there_for_the_next_start() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        let directory = StateDirectory::open(&path).unwrap();
        let entries: Vec<_> = [2, 1].into_iter().flat_map(|n| Entry::of(&notice(n))).collect();
        for entry in &entries {
            directory.write(entry).unwrap();
            // Written again it is the same entry.
            directory.write(entry).unwrap();
        }
        assert_eq!(
            names(&path),
            ["u1.event.json", "u1.status.json", "u2.event.json", "u2.status.json"]
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("u1.event.json"))), (0o700, 0o600));
        directory.remove(&entries[0].key()).unwrap();
        directory.remove(&entries[0].key()).unwrap();
        let left = StateDirectory::open(&path).unwrap().load().unwrap();
        let expected = [&entries[2], &entries[3], &entries[1]].map(Clone::clone);
        assert_eq!(left, expected, "oldest first");
    }

    #[test]
    fn what_is_no_entry_is_set_aside_and_the_rest_is_used() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path();
        let directory = StateDirectory::open(path).unwrap();
        let [status, event] = Entry::of(&notice(1));
        directory.write(&status).unwrap();
        directory.write(&event).unwrap();
        let whole = fs::read(path.join("u1.event.json")).unwrap();
        fs::write(path.join("u1.event.json"), &whole[..whole.len() / 2]).unwrap();
        fs::write(path.join("empty.status.json"), "").unwrap();
        fs::write(path.join("notes.txt"), "by somebody").unwrap();
        fs::copy(path.join("u1.status.json"), path.join("u9.status.json")).unwrap();
        let text = String::from_utf8(whole).unwrap();
        let newer = text.replace("\"version\":1", "\"version\":2");
        fs::write(path.join("newer.status.json"), newer).unwrap();
        fs::write(path.join("u7.status.json.new"), "{").unwrap();
        fs::create_dir(path.join("lost+found")).unwrap();
        let expected = [
            "empty.status.json.set-aside",
            "lost+found",
            "newer.status.json.set-aside",
            "notes.txt.set-aside",
            "u1.event.json.set-aside",
            "u1.status.json",
            "u9.status.json.set-aside",
        ];
        let usable = [status];
        for start in 0..2 {
            assert_eq!(directory.load().unwrap(), usable, "start {start}");
            assert_eq!(names(path), expected, "start {start}");
        }
    }
}
