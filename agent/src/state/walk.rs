//! Every cgroup of the node.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
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

/// The cgroups of a hierarchy.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// What was found; parents stand before their children.
    pub entries: Vec<Entry>,
    /// False if there were more, or some could not be listed.
    pub is_complete: bool,
}

/// Lists the hierarchy at `root`. What vanishes meanwhile is left out.
pub fn walk(root: &Path) -> Walk {
    let Ok(stat) = rustix::fs::stat(root) else {
        return Walk::default();
    };
    let mut entries = vec![Entry { id: stat.st_ino, path: PathBuf::new(), parent: None }];
    let (mut next, mut is_complete) = (0, true);
    while let Some(path) = entries.get(next).map(|entry| entry.path.clone()) {
        let below = match fs::read_dir(root.join(&path)) {
            Ok(below) => below,
            Err(error) => {
                is_complete &= matches!(error.kind(), ErrorKind::NotFound);
                next += 1;
                continue;
            }
        };
        for child in below.flatten().filter(|child| child.file_type().is_ok_and(|t| t.is_dir())) {
            if entries.len() >= MOST {
                return Walk { entries, is_complete: false };
            }
            let path = path.join(child.file_name());
            entries.push(Entry { id: child.ino(), path, parent: Some(next) });
        }
        next += 1;
    }
    Walk { entries, is_complete }
}

/// Those of `counted` that are no cgroups (any more) of the hierarchy at `root`; none if that cannot be
/// told. `counted` is to be collected before: what is made meanwhile is not among the dead then.
pub fn dead(counted: &BTreeSet<u64>, root: &Path) -> Vec<u64> {
    let there = walk(root);
    let ids: BTreeSet<u64> = there.entries.iter().map(|entry| entry.id).collect();
    counted.iter().filter(|id| there.is_complete && !ids.contains(id)).copied().collect()
}

/// The path of the cgroup with that id, from the root of the hierarchy at `root`; `None` if it is gone.
pub fn path_of(root: &Path, id: u64) -> Option<PathBuf> {
    walk(root).entries.into_iter().find(|entry| entry.id == id).map(|entry| entry.path)
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
        let Walk { entries, is_complete } = walk(dir.path());
        assert!(is_complete);
        let mut paths: Vec<_> = entries.iter().map(|e| e.path.display().to_string()).collect();
        paths.sort();
        assert_eq!(paths, ["", "a", "a/b", "c"]);
        for (i, entry) in entries.iter().enumerate() {
            let parent = entry.parent.map(|parent| &entries[parent].path);
            assert_eq!(parent.map(PathBuf::as_path), entry.path.parent(), "{entry:?}");
            assert!(entry.parent.is_none_or(|parent| parent < i));
        }
        let mut counted: BTreeSet<u64> = entries.iter().map(|entry| entry.id).collect();
        counted.insert(u64::MAX - 1);
        assert_eq!(dead(&counted, dir.path()), [u64::MAX - 1]);
        assert_eq!(dead(&counted, &dir.path().join("missing")), [0; 0], "cannot be told");
        let missing = walk(&dir.path().join("missing"));
        assert_eq!((missing.entries.len(), missing.is_complete), (0, false));
    }
}
