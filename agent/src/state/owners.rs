//! Which cgroup belongs to whom.

use std::collections::BTreeMap;

use super::{PodView, walk::Entry};

/// Whom a cgroup belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// A container: number of the pod, number of the container.
    Container(usize, usize),
    /// The rest of a pod.
    Pod(usize),
    /// Nobody but itself: position of the entry.
    Own(usize),
}

/// The cgroups of everybody, by position in `entries`, the topmost first. What is below a container is the
/// container's, what is below a pod is the pod's; of all others each stands for itself.
pub fn owners(entries: &[Entry], pods: &[PodView]) -> BTreeMap<Whose, Vec<usize>> {
    let mut known = BTreeMap::new();
    for (p, pod) in pods.iter().enumerate() {
        if pod.facts.id.cgroup_inode != 0 {
            known.insert(pod.facts.id.cgroup_inode, Whose::Pod(p));
        }
        let containers = pod.containers.iter().enumerate();
        known.extend(containers.map(|(c, (id, _))| (*id, Whose::Container(p, c))));
    }
    let mut whose: Vec<Whose> = Vec::with_capacity(entries.len());
    let mut owners: BTreeMap<Whose, Vec<usize>> = BTreeMap::new();
    for (position, entry) in entries.iter().enumerate() {
        let above = entry.parent.and_then(|parent| whose.get(parent));
        let inherited = above.copied().filter(|above| !matches!(above, Whose::Own(_)));
        let found = known.get(&entry.id).copied().or(inherited).unwrap_or(Whose::Own(position));
        whose.push(found);
        owners.entry(found).or_default().push(position);
    }
    owners
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evictd_core::{PodFacts, PodRef, Qos};

    use super::*;

    fn pod(id: u64, containers: &[u64]) -> PodView {
        let facts = PodFacts {
            id: PodRef { uid: "u".into(), cgroup_inode: id },
            namespace: "shop".into(),
            name: "cart".into(),
            priority: 0,
            is_static: false,
            protected: false,
            qos: Qos::Burstable,
            memory_request: 0,
            ephemeral_storage_request: 0,
            termination_grace_seconds: None,
            spec: None,
        };
        let containers = containers.iter().map(|id| (*id, "app".to_owned())).collect();
        PodView { facts: Arc::new(facts), containers, logs: Vec::new(), disk: None }
    }

    #[test]
    fn what_is_below_a_container_is_its_own() {
        let entry = |id, path: &str, parent| Entry { id, path: path.into(), parent };
        let entries = [
            entry(1, "", None),
            entry(2, "kubepods", Some(0)),
            entry(3, "kubepods/podu", Some(1)),
            entry(4, "kubepods/podu/a", Some(2)),
            entry(5, "kubepods/podu/a/init", Some(3)),
            entry(6, "kubepods/podu/new", Some(2)),
            entry(7, "system.slice", Some(0)),
            entry(8, "system.slice/containerd", Some(6)),
        ];
        // The second pod has no cgroup: none is taken for its own.
        let owners = owners(&entries, &[pod(3, &[4]), pod(0, &[])]);
        let expected = [
            (Whose::Container(0, 0), vec![3, 4]),
            (Whose::Pod(0), vec![2, 5]),
            (Whose::Own(0), vec![0]),
            (Whose::Own(1), vec![1]),
            (Whose::Own(6), vec![6]),
            (Whose::Own(7), vec![7]),
        ];
        assert_eq!(owners.into_iter().collect::<Vec<_>>(), expected);
    }
}
