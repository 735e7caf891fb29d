//! The kernel's accounts of space that are one pod's: those of its log directories and of its cgroups, also
//! of containers that are gone, since their files may not be.

use evictd_common::{Space, SpaceOwner};

use super::counted::log_directory;
use crate::{
    pods::{LogDir, Pod},
    probe::Counters,
};

/// Accounts of containers that are gone are kept apart up to so many; the oldest are summed up.
const KEPT: usize = 16;

/// Whose accounts make up a pod's usage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owners {
    logs: Vec<SpaceOwner>,
    /// Its cgroups on nodefs, the pod's own first.
    volumes: Vec<SpaceOwner>,
    /// What accounts held that are kept no longer.
    folded: Space,
}

impl Owners {
    pub(super) fn sum_logs(&self, read: impl Fn(&SpaceOwner) -> Space) -> Space {
        self.logs.iter().map(read).fold(Space::default(), |sum, space| sum + space)
    }

    pub(super) fn sum_volumes(&self, read: impl Fn(&SpaceOwner) -> Space) -> Space {
        self.volumes.iter().map(read).fold(self.folded, |sum, space| sum + space)
    }

    /// Who owns what a walk finds in a volume: the pod, since nobody knows which container made it.
    pub(super) fn of_volumes(&self) -> Option<SpaceOwner> {
        self.volumes.first().copied()
    }

    /// Who owns what is in the log directory with that inode.
    pub(super) fn of_log(&self, inode: u64) -> Option<SpaceOwner> {
        self.logs.iter().find(|owner| owner.id == inode).copied()
    }

    /// Whether a file in a volume is on one of these accounts already.
    pub(super) fn has_volume(&self, owner: SpaceOwner) -> bool {
        self.volumes.contains(&owner)
    }

    pub(super) fn has_cgroup(&self, id: u64) -> bool {
        self.volumes.iter().any(|owner| owner.id == id)
    }

    pub(super) fn cgroups(&self) -> &[SpaceOwner] {
        &self.volumes
    }
}

/// The owners of a pod over its life.
#[derive(Debug, Default)]
pub(super) struct PodAccounts {
    pub(super) owners: Owners,
    /// An account was there before it was known to be the pod's: only a walk can tell what was on it.
    pub(super) is_unsure: bool,
}

impl PodAccounts {
    /// Takes in the cgroups and log directories that the pod has now. `dev`: the kernel's number of nodefs.
    pub(super) fn follow(&mut self, pod: &Pod, dev: u32, counters: &mut Counters) {
        let logs = pod.logs().iter().map(|log: &LogDir| {
            let directory = log_directory(log);
            SpaceOwner::log_directory(directory.inode, directory.dev)
        });
        if !logs.clone().eq(self.owners.logs.iter().copied()) {
            self.owners.logs = logs.collect();
        }
        let Some(cgroup) = pod.cgroup() else {
            return;
        };
        let containers = cgroup.containers().iter().map(|container| container.inode);
        for id in [cgroup.inode()].into_iter().chain(containers) {
            if self.owners.has_cgroup(id) {
                continue;
            }
            let owner = SpaceOwner::cgroup(id, dev);
            self.is_unsure |=
                counters.space_of(owner).is_some_and(|space| space != Space::default());
            self.owners.volumes.push(owner);
        }
        let living = 1 + cgroup.containers().len();
        self.fold(
            living,
            |id| id == cgroup.inode() || cgroup.containers().iter().any(|c| c.inode == id),
            counters,
        );
    }

    fn fold(&mut self, living: usize, lives: impl Fn(u64) -> bool, counters: &mut Counters) {
        while self.owners.volumes.len() > living + KEPT {
            let Some(oldest) = self.owners.volumes.iter().position(|owner| !lives(owner.id)) else {
                return;
            };
            let owner = self.owners.volumes.remove(oldest);
            self.owners.folded = self.owners.folded + counters.space_of(owner).unwrap_or_default();
            counters.forget_space(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_that_are_folded_stay_in_the_sum() {
        let (a, b) = (SpaceOwner::cgroup(1, 9), SpaceOwner::cgroup(2, 9));
        let log = SpaceOwner::log_directory(3, 9);
        let space = |owner: &SpaceOwner| Space { grown: owner.id * 100, released: 10, stray: 1 };
        let apart = Owners { logs: vec![log], volumes: vec![a, b], folded: Space::default() };
        let folded = Owners { logs: vec![log], volumes: vec![b], folded: space(&a) };
        assert_eq!(apart.sum_volumes(space), folded.sum_volumes(space));
        assert_eq!(apart.sum_volumes(space).net(), 280);
        assert_eq!(apart.sum_logs(space).net(), 290);
        assert_eq!(
            (apart.of_volumes(), apart.of_log(3), apart.of_log(4)),
            (Some(a), Some(log), None)
        );
        assert!(apart.has_volume(a) && !folded.has_volume(a));
    }
}
