//! Which cgroup hierarchies this machine has.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// Controllers of cgroup v1 that evictd reads or acts through, and the one that keeps pods from
/// taking the processor from everything else, as on any node.
const V1_CONTROLLERS: [&str; 4] = ["memory", "pids", "freezer", "cpu"];

/// Mount points of the hierarchies in use. A sandbox makes its cgroups in each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies {
    /// Where cgroup2 is mounted.
    pub v2: Option<PathBuf>,
    /// v1 controllers and where they are mounted; empty on a pure v2 machine.
    pub v1: Vec<(String, PathBuf)>,
}

impl Hierarchies {
    /// The hierarchies of this machine.
    pub fn of_this_machine() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/mounts").context("reading /proc/mounts")?;
        let found = Self::parse(&mounts);
        if found.v2.is_none() && found.v1.is_empty() {
            bail!("no cgroup filesystem is mounted (looked in /proc/mounts)");
        }
        Ok(found)
    }

    /// The hierarchies in the text of `/proc/mounts`.
    pub fn parse(mounts: &str) -> Self {
        let mut found = Self::default();
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(path), Some(kind), Some(options)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            match kind {
                "cgroup2" => found.v2 = Some(PathBuf::from(path)),
                "cgroup" => found.v1.extend(
                    options
                        .split(',')
                        .filter(|option| V1_CONTROLLERS.contains(option))
                        .map(|controller| (controller.to_owned(), PathBuf::from(path))),
                ),
                _ => {}
            }
        }
        found
    }

    /// Every mount point once.
    pub fn roots(&self) -> Vec<&Path> {
        let mut roots: Vec<&Path> = self.v2.iter().map(PathBuf::as_path).collect();
        for (_, path) in &self.v1 {
            if !roots.contains(&path.as_path()) {
                roots.push(path);
            }
        }
        roots
    }

    /// The mount point of a v1 controller; `None` where v2 has it.
    pub fn v1_root(&self, controller: &str) -> Option<&Path> {
        self.v1.iter().find(|(name, _)| name == controller).map(|(_, path)| path.as_path())
    }

    /// True when the memory and pids controllers are v2's.
    pub fn is_pure_v2(&self) -> bool {
        self.v1.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_read_from_proc_mounts() {
        let hybrid = "\
            tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
            cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\
            cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
            cgroup /sys/fs/cgroup/devices cgroup rw,devices 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found = Hierarchies::parse(hybrid);
        assert_eq!(found.v2.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(found.v1_root("memory"), Some(Path::new("/sys/fs/cgroup/memory")));
        assert_eq!(found.v1_root("devices"), None);
        assert_eq!(found.roots().len(), 4);

        let pure = Hierarchies::parse("none /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n");
        assert!(pure.is_pure_v2());
        assert_eq!(pure.roots(), [Path::new("/sys/fs/cgroup")]);

        let joint = Hierarchies::parse("cgroup /c/mem,pids cgroup rw,memory,pids 0 0\n");
        assert_eq!(joint.roots(), [Path::new("/c/mem,pids")]);
        assert_eq!(Hierarchies::parse("proc /proc proc rw 0 0\n"), Hierarchies::default());
    }
}
