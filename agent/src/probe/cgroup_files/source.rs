//! Which files a family can stand on, and whether this machine has them.

use std::{fs, path::Path};

use rustix::fs::inotify;

use crate::sample::CgroupMounts;

/// What takes the place of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// inotify on `memory.events` of the pods (v2).
    MemoryEvents,
    /// An eventfd on `memory.oom_control` of pods and containers (v1).
    OomControls,
    /// inotify on the pods' cgroups.
    Directories,
    /// The number of tasks, read when it could have reached a threshold.
    Polling,
}

impl FileSource {
    /// Whether it is there; if not, why.
    pub(in crate::probe) fn check(
        self,
        mounts: &Result<CgroupMounts, String>,
    ) -> Result<(), String> {
        let mounts = mounts.as_ref().map_err(Clone::clone)?;
        match self {
            Self::MemoryEvents if mounts.memory.is_some() => {
                Err("the memory controller is on cgroup v1, which has no memory.events".to_owned())
            }
            Self::MemoryEvents => {
                has_controller(mounts.unified.as_deref(), "memory")?;
                inotify_works()
            }
            Self::OomControls => {
                let root = mounts.memory.as_ref();
                let root = root.ok_or("the memory controller is not on cgroup v1")?;
                has_file(root, "memory.oom_control")?;
                has_file(root, "cgroup.event_control")
            }
            Self::Directories => inotify_works(),
            Self::Polling if mounts.pids.is_some() => Ok(()),
            Self::Polling => has_controller(mounts.unified.as_deref(), "pids"),
        }
    }
}

fn inotify_works() -> Result<(), String> {
    let opened = inotify::init(inotify::CreateFlags::CLOEXEC);
    opened.map(drop).map_err(|error| format!("no inotify: {error}"))
}

fn has_file(root: &Path, name: &str) -> Result<(), String> {
    let path = root.join(name);
    path.metadata().map(drop).map_err(|error| format!("{}: {error}", path.display()))
}

fn has_controller(root: Option<&Path>, controller: &str) -> Result<(), String> {
    let path = root.ok_or("there is no cgroup v2 hierarchy")?.join("cgroup.controllers");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if text.split_whitespace().any(|name| name == controller) {
        Ok(())
    } else {
        Err(format!("cgroup v2 has no {controller} controller here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(table: &str) -> Result<CgroupMounts, String> {
        CgroupMounts::parse(table).ok_or_else(|| "no cgroups".to_owned())
    }

    #[test]
    fn each_source_says_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        fs::write(at.join("cgroup.controllers"), "cpu memory\n").unwrap();
        for name in ["memory.oom_control", "cgroup.event_control"] {
            fs::write(at.join(name), "").unwrap();
        }
        let v2 = mounts(&format!("none {} cgroup2 rw 0 0\n", at.display()));
        let v1 = mounts(&format!("none {} cgroup rw,memory 0 0\n", at.display()));
        let bare = mounts("none /nonexistent cgroup rw,memory 0 0\n");
        let none = mounts("");
        let cases = [
            ("events on v2", FileSource::MemoryEvents, &v2, None),
            ("events on v1", FileSource::MemoryEvents, &v1, Some("which has no memory.events")),
            ("oom_control on v1", FileSource::OomControls, &v1, None),
            ("oom_control on v2", FileSource::OomControls, &v2, Some("not on cgroup v1")),
            ("no such file", FileSource::OomControls, &bare, Some("/nonexistent/memory.oom_con")),
            ("directories", FileSource::Directories, &v1, None),
            ("pids off", FileSource::Polling, &v2, Some("has no pids controller here")),
            ("pids nowhere", FileSource::Polling, &v1, Some("no cgroup v2 hierarchy")),
            ("nothing", FileSource::Directories, &none, Some("no cgroups")),
        ];
        for (name, source, mounts, expected) in cases {
            let answer = source.check(mounts);
            match expected {
                None => assert_eq!(answer, Ok(()), "{name}"),
                Some(text) => {
                    assert!(answer.as_ref().unwrap_err().contains(text), "{name}: {answer:?}");
                }
            }
        }
    }
}
