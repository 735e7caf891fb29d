//! Reads the counters of everybody on the node.

use std::{
    collections::BTreeMap,
    ffi::CString,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use evictd_common::LogDirectory;
use evictd_core::{Qos, Quantity};

use super::{
    Account, Count, LogCount, Memory, NodeState, Owner, PodView, ProbeState, Reading, Role, Source,
    owners::{Whose, owners},
    walk::{Entry, walk},
};
use crate::{
    clock,
    pods::{CgroupDirs, CgroupTree, CgroupTreeError, LogDir, procs},
    probe::{CounterReader, Family, Standing, log_directory},
    sample::{CgroupMemory, CgroupMounts, CgroupPids, MemoryEventFiles},
};

/// The families whose counters are read.
pub const FAMILIES: [Family; 3] = [Family::Writes, Family::Tasks, Family::Space];

/// Where counters come from. Reading changes nothing and takes some 50 µs a cgroup, so it is done
/// away from the control loop.
pub struct StateReader {
    root: PathBuf,
    tree: CgroupTree,
    /// The kernel counts by cgroup v2 id; without a v2 hierarchy nobody has one.
    has_ids: bool,
    counters: Option<CounterReader>,
    counts_logs: bool,
    probes: Vec<ProbeState>,
}

/// What the kernel has counted of logs: bytes written, and space.
#[derive(Default)]
struct Logs {
    written: BTreeMap<LogDirectory, u64>,
    grown: BTreeMap<LogDirectory, i64>,
    /// By files that are nobody's.
    unowned: Option<i64>,
}

impl StateReader {
    /// Reads `counters` and the cgroups below `mounts`. Where there are no counters, `why` says why.
    pub fn open(
        mounts: &CgroupMounts,
        counters: Result<(CounterReader, &[Standing]), String>,
    ) -> Result<Self, CgroupTreeError> {
        let has_ids = mounts.unified.is_some();
        let counts_logs = counters
            .as_ref()
            .is_ok_and(|(_, standings)| standings.iter().any(Standing::counts_logs));
        let none = |why: &str| FAMILIES.map(|family| ProbeState::none(family, why)).to_vec();
        let (counters, probes) = match counters {
            Err(why) => (None, none(&why)),
            Ok(_) if !has_ids => {
                (None, none("there is no cgroup v2 hierarchy, by whose ids the kernel counts"))
            }
            Ok((counters, standings)) => {
                let counted = standings.iter().filter(|s| FAMILIES.contains(&s.family));
                (Some(counters), counted.map(|standing| ProbeState::of(standing, 0)).collect())
            }
        };
        Ok(Self {
            root: mounts.identity().unwrap_or(Path::new("/sys/fs/cgroup")).to_owned(),
            // The pods' own cgroup is not asked for.
            tree: CgroupTree::open(mounts, Path::new("."))?,
            has_ids,
            counters,
            counts_logs,
            probes,
        })
    }

    /// Reads everything now.
    pub fn read(&self, pods: &[PodView], node: NodeState, source: Source) -> Reading {
        let at_ns = clock::now().as_nanos();
        let (counts, logs) = self.counts();
        let unowned_grown = logs.unowned;
        let entries = walk(&self.root).entries;
        let accounts = Accounts { reader: self, entries: &entries, pods, counts: &counts, logs };
        let accounts = accounts.all();
        let probes = self.probes();
        let disks = pods.iter().filter_map(|pod| pod.disk.clone()).collect();
        Reading { at_ns, source, node, probes, counts, accounts, disks, unowned_grown }
    }

    fn probes(&self) -> Vec<ProbeState> {
        let mut probes = self.probes.clone();
        for probe in &mut probes {
            let family = FAMILIES.into_iter().find(|family| family.name() == probe.family);
            let lost = |family| self.counters.as_ref().map(|counters| counters.drops(family));
            probe.lost = family.and_then(lost).unwrap_or(0);
        }
        probes
    }

    fn stands(&self, family: Family) -> bool {
        self.probes.iter().any(|probe| probe.family == family.name() && probe.rung.is_some())
    }

    /// What the kernel has counted.
    fn counts(&self) -> (BTreeMap<u64, Count>, Logs) {
        let (mut counts, mut logs) = (BTreeMap::<u64, Count>::new(), Logs::default());
        let Some(counters) = &self.counters else {
            return (counts, logs);
        };
        if self.stands(Family::Writes) {
            let written = counters.written();
            for (id, bytes) in written.cgroups {
                counts.entry(id).or_default().written = Some(bytes);
            }
            logs.written = written.logs;
        }
        if self.stands(Family::Tasks) {
            for (id, forks) in counters.forks() {
                counts.entry(id).or_default().forks = Some(forks);
            }
        }
        if self.stands(Family::Space) {
            let grown = counters.grown();
            for (id, bytes) in grown.cgroups {
                counts.entry(id).or_default().grown = Some(bytes);
            }
            logs.grown = grown.logs;
            logs.unowned = Some(grown.unowned);
            // A log that is counted and has no account yet has not grown.
            for log in logs.written.keys() {
                logs.grown.entry(*log).or_insert(0);
            }
        }
        (counts, logs)
    }

    /// The cgroup at `path` in every hierarchy.
    fn dirs(&self, path: &Path) -> CgroupDirs {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        CString::new(path.as_os_str().as_bytes())
            .map(|path| self.tree.open_dirs(&path))
            .unwrap_or_default()
    }
}

/// Makes the accounts of one reading.
struct Accounts<'a> {
    reader: &'a StateReader,
    entries: &'a [Entry],
    pods: &'a [PodView],
    counts: &'a BTreeMap<u64, Count>,
    logs: Logs,
}

impl Accounts<'_> {
    fn all(&self) -> Vec<Account> {
        let owners = owners(self.entries, self.pods);
        let mut accounts = Vec::new();
        for (whose, cgroups) in &owners {
            let account = match *whose {
                Whose::Container(pod, container) => Some(self.container(pod, container, cgroups)),
                Whose::Pod(pod) => self.pod(pod, cgroups),
                Whose::Own(entry) => self.other(entry),
            };
            accounts.extend(account);
        }
        for pod in self.pods {
            let left = pod.logs.iter().filter(|log| container_of(pod, log).is_none());
            accounts.extend(left.map(|log| self.log_alone(pod, log)));
        }
        accounts
    }

    fn container(&self, pod: usize, container: usize, cgroups: &[usize]) -> Account {
        let (pod, top) = (&self.pods[pod], self.top(cgroups));
        let (_, name) = &pod.containers[container];
        let mut account = self.account(owner(pod, Some(name)), cgroups, &self.dirs(top));
        let log = pod.logs.iter().find(|log| *log.container == **name);
        account.log = log.map(|log| self.log(log));
        account.memory.request = request(pod, name);
        account
    }

    /// A pod's own cgroup has something to tell only if something happened in it, outside its containers.
    fn pod(&self, pod: usize, cgroups: &[usize]) -> Option<Account> {
        let pod = &self.pods[pod];
        let dirs = if pod.containers.is_empty() {
            self.dirs(self.top(cgroups))
        } else {
            // Its figures are those of its containers.
            CgroupDirs::default()
        };
        let account = self.account(owner(pod, None), cgroups, &dirs);
        let active = self.is_active(&account) || pod.containers.is_empty();
        active.then_some(account)
    }

    /// A cgroup of no pod, if there is anything in it.
    fn other(&self, position: usize) -> Option<Account> {
        let entry = &self.entries[position];
        let dirs = self.reader.dirs(&entry.path);
        let path = format!("/{}", entry.path.display());
        let owner = Owner::Cgroup { path, role: Role::of(&entry.path) };
        let mut account = self.account(owner, &[position], &dirs);
        let below = || self.entries[position..].iter().filter(|e| e.parent == Some(position));
        if below().next().is_some() {
            // Figures of a cgroup count those below, which have accounts of their own.
            let tasks = below().filter_map(|e| tasks(&self.reader.dirs(&e.path))).sum();
            account.tasks = account.tasks.map(|all| all.saturating_sub(tasks));
            account.processes = procs::count_in(&dirs, false);
            account.memory = Memory::default();
            account.memory_events = None;
        }
        // The root has no task counter; what is in no cgroup of its own is there.
        let is_root = entry.parent.is_none();
        let has_tasks = account.tasks.is_some_and(|tasks| tasks > 0);
        (is_root || has_tasks || self.is_active(&account)).then_some(account)
    }

    fn log_alone(&self, pod: &PodView, log: &LogDir) -> Account {
        Account {
            owner: owner(pod, Some(&log.container)),
            cgroups: Vec::new(),
            log: Some(self.log(log)),
            tasks: None,
            processes: None,
            memory: Memory::default(),
            memory_events: None,
        }
    }

    fn account(&self, owner: Owner, cgroups: &[usize], dirs: &CgroupDirs) -> Account {
        let memory = CgroupMemory::open(dirs).ok();
        let has_ids = self.reader.has_ids;
        Account {
            owner,
            cgroups: cgroups.iter().filter(|_| has_ids).map(|i| self.entries[*i].id).collect(),
            log: None,
            tasks: tasks(dirs),
            processes: procs::count_in(dirs, true),
            memory: Memory {
                working_set: memory.as_ref().and_then(CgroupMemory::working_set),
                request: None,
                limit: memory.as_ref().and_then(CgroupMemory::limit),
            },
            memory_events: MemoryEventFiles::open(dirs).and_then(|files| files.read()),
        }
    }

    fn log(&self, log: &LogDir) -> LogCount {
        let directory = log_directory(log.dev, log.inode);
        let written = self.logs.written.get(&directory).copied();
        let written = written.filter(|_| self.reader.counts_logs);
        let grown = self.logs.grown.get(&directory).copied();
        LogCount { dev: log.dev, inode: log.inode, written, grown }
    }

    fn top(&self, cgroups: &[usize]) -> &Path {
        cgroups.first().map_or(Path::new(""), |position| &self.entries[*position].path)
    }

    fn dirs(&self, path: &Path) -> CgroupDirs {
        self.reader.dirs(path)
    }

    fn is_active(&self, account: &Account) -> bool {
        account.cgroups.iter().any(|id| self.counts.contains_key(id))
    }
}

fn tasks(dirs: &CgroupDirs) -> Option<u64> {
    CgroupPids::open(dirs).ok()?.tasks()
}

/// The number of the container that a log is of.
fn container_of(pod: &PodView, log: &LogDir) -> Option<usize> {
    pod.containers.iter().position(|(_, name)| **name == *log.container)
}

/// What the manifest requests for a container; of a pod with a single one, for the pod.
fn request(pod: &PodView, container: &str) -> Option<u64> {
    let Some(spec) = &pod.facts.spec else {
        return (pod.containers.len() == 1).then_some(pod.facts.memory_request);
    };
    let requests = spec.container(container)?.requests;
    let bytes = requests.memory.map_or(0, Quantity::value);
    Some(u64::try_from(bytes).unwrap_or_default())
}

fn owner(pod: &PodView, container: Option<&str>) -> Owner {
    let facts = &pod.facts;
    let (namespace, name) = (facts.namespace.to_string(), facts.name.to_string());
    let (uid, priority) = (facts.id.uid.to_string(), facts.priority);
    let qos = qos(facts.qos).to_owned();
    match container {
        Some(container) => Owner::Container {
            namespace,
            pod: name,
            container: container.to_owned(),
            uid,
            qos,
            priority,
        },
        None => Owner::Pod { namespace, pod: name, uid, qos, priority },
    }
}

const fn qos(qos: Qos) -> &'static str {
    match qos {
        Qos::Guaranteed => "Guaranteed",
        Qos::Burstable => "Burstable",
        Qos::BestEffort => "BestEffort",
    }
}
