//! Memory events of a cgroup, v1 or v2.

use super::MemoryEvents;
use crate::{
    pods::CgroupDirs,
    sample::{CounterFile, keyed},
};

/// Reads them in whichever hierarchy has the memory controller; `None` if none has.
pub fn read(dirs: &CgroupDirs) -> Option<MemoryEvents> {
    if let Some(v1) = &dirs.memory {
        let failures = CounterFile::open_at(v1, "memory.failcnt").ok();
        let control = CounterFile::open_at(v1, "memory.oom_control").ok()?;
        let max = failures.and_then(|file| file.number());
        return control.read(|text| Some(v1_events(text, max)));
    }
    let events = CounterFile::open_at(dirs.unified.as_ref()?, "memory.events").ok()?;
    events.read(|text| Some(v2_events(text)))
}

fn v1_events(oom_control: &str, max: Option<u64>) -> MemoryEvents {
    MemoryEvents { max, oom_kill: keyed(oom_control, "oom_kill"), ..MemoryEvents::default() }
}

fn v2_events(text: &str) -> MemoryEvents {
    MemoryEvents {
        high: keyed(text, "high"),
        max: keyed(text, "max"),
        oom: keyed(text, "oom"),
        oom_kill: keyed(text, "oom_kill"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let v2 = "low 0\nhigh 4\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n";
        let expected =
            MemoryEvents { high: Some(4), max: Some(3), oom: Some(2), oom_kill: Some(1) };
        assert_eq!(v2_events(v2), expected);
        let v1 = v1_events("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n", Some(7));
        let expected = MemoryEvents { high: None, max: Some(7), oom: None, oom_kill: Some(5) };
        assert_eq!(v1, expected);
    }
}
