//! Readings without a running evictd: the probes are loaded here, for as long as this runs.

use std::{collections::BTreeSet, path::Path};

use aya::Ebpf;
use evictd_common::{LOGS_TRIPWIRE, LogDirectory, SpaceOwner, TASKS_TRIPWIRE};
use evictd_core::{Forecast, Policy};
use tracing::warn;

use super::Args;
use crate::{
    clock,
    config::{Config, Sources},
    node::Node,
    pods::{ManifestDirectory, PodSource},
    probe::{
        CounterReader, Counters, Family, FsKind, LADDER, LoadError, LoadOptions, MapSizes, Rung,
        Standing, load, log_directory,
    },
    state::{FAMILIES, NodeState, PodView, Reading, Source, StateReader, dead},
};

/// The first tripwire that counts bytes.
const FIRST_SLOT: u32 = TASKS_TRIPWIRE + 1;

/// The probes, the node, and what is needed to read both.
pub struct OwnProbes {
    /// Dropping it detaches every program.
    _ebpf: Option<Ebpf>,
    counters: Option<Counters>,
    node: Node,
    policy: Policy,
    forecast: Forecast,
    reader: StateReader,
    log_directories: BTreeSet<LogDirectory>,
    /// Kernel numbers of the filesystems with logs.
    devices: BTreeSet<u32>,
    configuration: String,
}

/// What was loaded.
struct Loaded {
    ebpf: Ebpf,
    counters: Counters,
    reader: CounterReader,
    standings: Vec<Standing>,
}

impl OwnProbes {
    /// Opens what the command line names and loads the probes. Without probes the rest is shown.
    ///
    /// # Errors
    /// Bad input, or a machine without cgroups.
    pub fn open(args: &Args) -> anyhow::Result<Self> {
        let (config, configuration) = configured(args)?;
        let pods = if args.config.is_some() || args.pods.is_some() {
            PodSource::Manifests(ManifestDirectory::new(config.pods.clone()))
        } else {
            PodSource::Nowhere
        };
        let node = Node::with_pods(&config, pods)?;
        let policy = Node::policy(&config, &node.sampler, false);
        let (ebpf, counters, reader) = match load_probes(&node, config.max_pods) {
            Ok(Loaded { ebpf, counters, reader, standings }) => {
                let reader = StateReader::open(&node.mounts, Ok((reader, &standings)))?;
                (Some(ebpf), Some(counters), reader)
            }
            Err(error) => (None, None, StateReader::open(&node.mounts, Err(error.to_string()))?),
        };
        Ok(Self {
            _ebpf: ebpf,
            counters,
            node,
            policy,
            forecast: Forecast::default(),
            reader,
            log_directories: BTreeSet::new(),
            devices: BTreeSet::new(),
            configuration,
        })
    }

    /// Reads everything now.
    pub fn read(&mut self) -> Reading {
        if let Err(error) = self.node.index.reload_if_changed() {
            warn!("pods stay as they were: {error}");
        }
        self.node.index.refresh();
        self.node.sampler.refresh(self.node.index.tree());
        let pods = PodView::all(&self.node.index);
        self.follow(&pods);
        self.drop_dead_keys();
        let at = clock::now();
        let signals = self.node.sampler.signals(at);
        self.forecast.observe(&signals, at);
        let state = NodeState::of(&self.policy, &self.forecast, &signals, None);
        let source = Source::OwnProbes { configuration: self.configuration.clone() };
        self.reader.read(&pods, state, source)
    }

    /// Nobody tells of cgroups that go.
    fn drop_dead_keys(&mut self) {
        let (Some(counters), Some(root)) = (&mut self.counters, self.node.mounts.identity()) else {
            return;
        };
        for gone in dead(&counters.counted_cgroups(), root) {
            counters.depart(gone);
            for dev in &self.devices {
                counters.forget_space(SpaceOwner::cgroup(gone, *dev));
            }
        }
        counters.settle_departed();
    }

    /// Counts the log directories of these pods, and no others.
    fn follow(&mut self, pods: &[PodView]) {
        let Some(counters) = &mut self.counters else {
            return;
        };
        let logs = pods.iter().flat_map(|pod| &pod.logs);
        let now: BTreeSet<_> = logs.map(|log| log_directory(log.dev, log.inode)).collect();
        for gone in self.log_directories.difference(&now) {
            counters.forget_log_directory(gone);
        }
        // Before their filesystems: a log that grows in between would be taken for the runtime's own file.
        for directory in now.difference(&self.log_directories) {
            // One that finds no room has no count: its rate is unknown.
            let _ = counters.watch_log_directory(*directory);
        }
        // Logs and space are counted on watched filesystems only.
        let sampler = &self.node.sampler;
        let roots = [Some(sampler.nodefs()), sampler.imagefs()];
        let roots = roots.into_iter().flatten().map(|fs| log_directory(fs.superblock_dev(), 0).dev);
        for dev in roots.chain(now.iter().map(|directory| directory.dev)) {
            let slot = FIRST_SLOT + u32::try_from(self.devices.len()).unwrap_or(LOGS_TRIPWIRE);
            if slot < LOGS_TRIPWIRE && self.devices.insert(dev) {
                // Its tripwire stays disarmed: nobody is woken.
                let _ = counters.watch(dev, slot);
            }
        }
        self.log_directories = now;
    }
}

/// Only what is read: no records, no tripwires.
fn load_probes(node: &Node, max_pods: u32) -> Result<Loaded, LoadError> {
    let roots = [Some(node.sampler.nodefs()), node.sampler.imagefs()];
    let filesystems: Vec<FsKind> =
        roots.into_iter().flatten().filter_map(|fs| FsKind::at(fs.path())).collect();
    let ladder: Vec<(Family, &[Rung])> =
        LADDER.iter().filter(|(family, _)| FAMILIES.contains(family)).copied().collect();
    let sizes = MapSizes::of_node(max_pods, node.index.len());
    let options = LoadOptions {
        ladder: &ladder,
        map_sizes: sizes.entries(),
        filesystems: &filesystems,
        ..LoadOptions::default()
    };
    let (mut ebpf, standings) = load(options)?;
    let reader = CounterReader::open(&ebpf)?;
    let counters = Counters::take(&mut ebpf)?;
    Ok(Loaded { ebpf, counters, reader, standings })
}

/// The configuration, and in words what is from where.
fn configured(args: &Args) -> anyhow::Result<(Config, String)> {
    let mut config = Sources { config: args.config.clone(), ..Sources::default() }.read()?;
    config.pods = args.pods.clone().unwrap_or(config.pods);
    let mut words = match &args.config {
        Some(path) => format!("thresholds of {}", path.display()),
        None => "the kubelet's default thresholds".to_owned(),
    };
    if args.config.is_none() && !config.root_directory.exists() {
        config.root_directory = Path::new("/").to_owned();
        words.push_str(", nodefs is /");
    }
    words.push_str(&match (&args.config, &args.pods) {
        (None, None) => "; no pods: --config or --pods names them".to_owned(),
        (Some(_), _) | (_, Some(_)) => format!("; pods of {}", config.pods.display()),
    });
    Ok((config, words))
}
