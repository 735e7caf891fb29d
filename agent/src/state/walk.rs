//! Every cgroup of the node.

use std::{
    fs,
    os::unix::fs::DirEntryExt as _,
    path::{Path, PathBuf},
};

/// A node has hundreds of cgroups; a tree of more is cut, not waited for.
const MOST: usize = 16_384;

/// One cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id: the inode of its directory.
    pub id: u64,
    /// From the root of the hierarchy, without a slash before it; empty for the root.
    pub path: PathBuf,
    /// Position of the one above it; a parent stands before its children.
    pub parent: Option<usize>,
}

/// Lists the hierarchy at `root`. What vanishes meanwhile is left out.
pub fn walk(root: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Ok(stat) = rustix::fs::stat(root) {
        entries.push(Entry { id: stat.st_ino, path: PathBuf::new(), parent: None });
    }
    let mut next = 0;
    while let Some(path) = entries.get(next).map(|entry| entry.path.clone()) {
        let below = fs::read_dir(root.join(&path)).into_iter().flatten().flatten();
        for child in below.filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entries.len() >= MOST {
                return entries;
            }
            let path = path.join(child.file_name());
            entries.push(Entry { id: child.ino(), path, parent: Some(next) });
        }
        next += 1;
    }
    entries
}

/// The path of the cgroup with that id, from the root of the hierarchy at `root`; `None` if it is gone.
pub fn path_of(root: &Path, id: u64) -> Option<PathBuf> {
    walk(root).into_iter().find(|entry| entry.id == id).map(|entry| entry.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_stand_before_their_children() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::create_dir_all(dir.path().join("c")).unwrap();
        fs::write(dir.path().join("cgroup.procs"), "").unwrap();
        let entries = walk(dir.path());
        let mut paths: Vec<_> = entries.iter().map(|e| e.path.display().to_string()).collect();
        paths.sort();
        assert_eq!(paths, ["", "a", "a/b", "c"]);
        for (i, entry) in entries.iter().enumerate() {
            let parent = entry.parent.map(|parent| &entries[parent].path);
            assert_eq!(parent.map(PathBuf::as_path), entry.path.parent(), "{entry:?}");
            assert!(entry.parent.is_none_or(|parent| parent < i));
        }
        assert_eq!(walk(&dir.path().join("missing")), []);
    }
}
