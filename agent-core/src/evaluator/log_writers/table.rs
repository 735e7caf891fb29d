//! Every log writer that was listed last.

use super::writer::Writer;
use crate::{EvictionId, LogWrites, MonoTime};

/// The writers, in the order of [`Writer::compare`]: no more than were listed in the last reading.
#[derive(Debug, Default)]
pub(in crate::evaluator) struct LogWriters(Vec<Writer>);

impl LogWriters {
    /// Takes in a reading of every writer; those that are not listed are forgotten. Allocates only for
    /// writers that are new.
    pub(super) fn read(&mut self, seen: &[LogWrites], minimum: u64, now: MonoTime) {
        for writer in &mut self.0 {
            writer.listed = false;
        }
        for seen in seen {
            match self.0.binary_search_by(|writer| writer.compare(seen)) {
                Ok(at) => self.0[at].read(seen.bytes, minimum, now),
                Err(at) => self.0.insert(at, Writer::new(seen, now)),
            }
        }
        self.0.retain(|writer| writer.listed);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Writer> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Writer> {
        self.0.iter_mut()
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Writer> {
        self.0.get_mut(at)
    }

    /// A kill failed: the pod is tried again at that time.
    pub(in crate::evaluator) fn retry(&mut self, id: EvictionId, at: MonoTime) {
        let incidents = self.0.iter_mut().filter_map(|writer| writer.incident.as_mut());
        for incident in incidents.filter(|incident| incident.eviction == Some(id)) {
            incident.eviction = None;
            incident.look_at = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PodRef;

    fn seen(pod: &str, container: &str, inode: u64) -> LogWrites {
        let pod = PodRef { uid: pod.into(), cgroup_inode: inode };
        LogWrites { pod, container: container.into(), bytes: 0 }
    }

    #[test]
    fn the_table_holds_what_was_listed_last() {
        let mut table = LogWriters::default();
        let names = |table: &LogWriters| {
            table.iter().map(|w| format!("{}/{}", w.pod.uid, w.container)).collect::<Vec<_>>()
        };
        let all = [seen("b", "y", 1), seen("a", "x", 1), seen("b", "x", 1)];
        table.read(&all, 1, MonoTime::from_nanos(0));
        assert_eq!(names(&table), ["a/x", "b/x", "b/y"]);
        table.read(&all[..2], 1, MonoTime::from_nanos(1));
        assert_eq!(names(&table), ["a/x", "b/y"], "b/x is gone");
        table.read(&[seen("a", "x", 2)], 1, MonoTime::from_nanos(2));
        assert_eq!(names(&table), ["a/x"]);
        assert_eq!(
            table.iter().map(Writer::read_at).max(),
            Some(MonoTime::from_nanos(2)),
            "made again"
        );
    }
}
