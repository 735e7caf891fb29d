//! Logs on disk that belong to nobody who lives: rotated ones of dead pods, and those of containers
//! that were removed. Only regular files below the directory of container logs are touched.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

/// One rotated log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RotatedLog {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    modified: SystemTime,
}

/// The rotated logs (`0.log.20261123-050152`, `.gz` too) of the pods in `dead`, by UID; oldest first.
/// What a container wrote last stays, and so does what cannot be read.
pub(super) fn rotated(pod_logs_dir: &Path, dead: &BTreeSet<&str>) -> Vec<RotatedLog> {
    let is_dead = |pod: &Path| {
        let name = pod.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.rsplit_once('_')).is_some_and(|(_, uid)| dead.contains(uid))
    };
    let mut logs: Vec<_> = entries(pod_logs_dir)
        .filter(|pod| is_dead(pod))
        .flat_map(|pod| entries(&pod))
        .flat_map(|container| entries(&container))
        .filter(|file| is_rotated(file))
        .filter_map(|path| {
            let metadata = fs::symlink_metadata(&path).ok()?;
            let modified = metadata.modified().ok()?;
            metadata.is_file().then_some(RotatedLog { path, size: metadata.len(), modified })
        })
        .collect();
    logs.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    logs
}

/// Removes the log of a container that is gone, and its rotated ones. Elsewhere than in
/// `pod_logs_dir` nothing is removed, and links stay.
pub(super) fn remove_of_container(pod_logs_dir: &Path, log: &Path) {
    let climbs = log.components().any(|part| part == Component::ParentDir);
    let (Some(directory), Some(name)) = (log.parent(), log.file_name()) else { return };
    if climbs || !log.starts_with(pod_logs_dir) {
        return;
    }
    let is_its = |path: &Path| {
        let file = path.file_name().and_then(|file| file.to_str());
        let rest = file.zip(name.to_str()).and_then(|(file, name)| file.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    for file in entries(directory).filter(|path| is_its(path)) {
        // One that cannot be removed stays, as the kubelet leaves it.
        let _ = remove(&file);
    }
}

/// Removes one regular file.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() { fs::remove_file(path) } else { Ok(()) }
}

fn is_rotated(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.contains(".log."))
}

/// What is in a directory; nothing where it is a link or cannot be read.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let is_directory = fs::symlink_metadata(directory).is_ok_and(|metadata| metadata.is_dir());
    let entries = is_directory.then(|| fs::read_dir(directory).ok()).flatten();
    entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(dir: &Path, file: &str) {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, file).expect("written");
    }

    #[test]
    fn only_rotated_logs_of_dead_pods_go() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for file in [
            "ns_a_dead/app/0.log",
            "ns_a_dead/app/0.log.20261123-050152",
            "ns_a_dead/app/0.log.20261123-040152.gz",
            "ns_b_alive/app/0.log.20261123-050152",
            "elsewhere/0.log.1",
        ] {
            write(dir.path(), file);
        }
        symlink(dir.path().join("elsewhere"), dir.path().join("ns_a_dead/linked")).expect("link");
        let found = rotated(dir.path(), &["dead"].into());
        let names: BTreeSet<_> =
            found.iter().filter_map(|log| log.path.strip_prefix(dir.path()).ok()).collect();
        let expected = ["0.log.20261123-050152", "0.log.20261123-040152.gz"]
            .map(|name| Path::new("ns_a_dead/app").join(name));
        assert_eq!(names, expected.iter().map(PathBuf::as_path).collect());
        assert!(found.iter().all(|log| log.size > 0));
    }

    #[test]
    fn a_removed_containers_log_goes_with_its_rotated_ones() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let logs = dir.path().join("pods");
        for file in ["p/app/0.log", "p/app/0.log.1", "p/app/1.log", "p/app/0.logs", "../kept.log"] {
            write(&logs, file);
        }
        remove_of_container(&logs, &logs.join("p/app/0.log"));
        remove_of_container(&logs, &logs.join("../kept.log"));
        remove_of_container(&logs, &dir.path().join("kept.log"));
        let left: BTreeSet<_> = entries(&logs.join("p/app")).collect();
        assert_eq!(left, ["0.logs", "1.log"].map(|n| logs.join("p/app").join(n)).into());
        assert!(dir.path().join("kept.log").exists());
    }
}
