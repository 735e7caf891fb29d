//! Whose cgroup is which, also after it is gone.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::record::PodName;
use crate::pods::{Pod, PodCgroup, PodIndex};

/// Cgroups that are remembered after they are gone: those of the last minutes, on any node.
const MOST_GONE: usize = 4096;

/// Whose a cgroup is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupOwner {
    /// The pod.
    pub pod: PodName,
    /// The container; `None` for the pod's own cgroup.
    pub container: Option<Arc<str>>,
}

/// The owners of the cgroups that there are, and of the last ones that there were. The kernel does not
/// use a cgroup's id again.
#[derive(Debug, Default)]
pub struct CgroupNames {
    known: BTreeMap<u64, CgroupOwner>,
    there: BTreeSet<u64>,
    gone: VecDeque<u64>,
}

impl CgroupNames {
    /// Takes in what the index has now. To be called whenever that changed.
    pub fn note(&mut self, index: &PodIndex) {
        self.update(index.iter().flat_map(cgroups));
    }

    fn update(&mut self, now: impl Iterator<Item = (u64, CgroupOwner)>) {
        let before = std::mem::take(&mut self.there);
        for (id, owner) in now {
            self.there.insert(id);
            self.known.insert(id, owner);
        }
        self.gone.extend(before.difference(&self.there));
        while self.gone.len() > MOST_GONE {
            let forgotten = self.gone.pop_front().filter(|id| !self.there.contains(id));
            forgotten.map(|id| self.known.remove(&id));
        }
    }

    /// Whose that cgroup is, or was.
    pub fn owner(&self, cgroup_id: u64) -> Option<&CgroupOwner> {
        self.known.get(&cgroup_id)
    }
}

/// A pod's name for people.
pub fn pod_name(pod: &Pod) -> PodName {
    let facts = pod.facts();
    PodName { namespace: facts.namespace.clone(), pod: facts.name.clone() }
}

/// The cgroups of a pod: its own and its containers'.
fn cgroups(pod: &Pod) -> impl Iterator<Item = (u64, CgroupOwner)> {
    let owner = |container: Option<&str>| CgroupOwner {
        pod: pod_name(pod),
        container: container.map(Arc::from),
    };
    let own = pod.cgroup().map(|cgroup| (cgroup.inode(), owner(None)));
    let containers = pod.cgroup().into_iter().flat_map(PodCgroup::containers);
    let containers =
        containers.map(move |c| (c.inode, owner(pod.container_name(c.inode).or(Some(c.id())))));
    own.into_iter().chain(containers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(id: u64) -> (u64, CgroupOwner) {
        let pod = PodName { namespace: "shop".into(), pod: "cart".into() };
        (id, CgroupOwner { pod, container: Some(id.to_string().into()) })
    }

    #[test]
    fn the_last_of_the_dead_are_remembered_and_no_more() {
        let mut names = CgroupNames::default();
        names.update([owner(1), owner(2)].into_iter());
        names.update([owner(2)].into_iter());
        assert_eq!(names.owner(1), Some(&owner(1).1), "gone, but known");
        for id in 3..=MOST_GONE as u64 + 2 {
            names.update([owner(2), owner(id)].into_iter());
        }
        assert_eq!(names.owner(1), Some(&owner(1).1));
        names.update([owner(2)].into_iter());
        assert_eq!(names.owner(1), None, "the oldest makes room");
        assert_eq!(names.owner(3), Some(&owner(3).1));
        assert_eq!(names.owner(2), Some(&owner(2).1), "what is there stays");
        assert_eq!(names.known.len(), MOST_GONE + 1);
    }
}
