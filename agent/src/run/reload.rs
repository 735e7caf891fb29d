//! The configuration while evictd runs: read again when it changes or at SIGHUP. What cannot be used is
//! told once, and the last good one stays in force.

use evictd_core::Policy;
use tracing::{error, info, warn};

use super::{
    daemon::Daemon,
    evictions::Evictions,
    observe::Observer,
    record::{ConfigOutcome, Record},
};
use crate::{
    clock::now,
    cluster::node::Reporting,
    config::{Config, Mode, NodeMarks, Watch},
    node::Node,
    privilege,
    trace::Traced,
};

/// The configuration in force and where it comes from.
pub struct Configuration {
    watch: Watch,
    /// The command line's, which wins.
    mode: Option<Mode>,
    in_force: Config,
}

impl Configuration {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// Of the input only.
    pub fn read(mut watch: Watch, mode: Option<Mode>) -> anyhow::Result<Self> {
        let mut in_force = watch.read()?;
        in_force.mode = mode.unwrap_or(in_force.mode);
        Ok(Self { watch, mode, in_force })
    }

    /// What is in force.
    pub const fn in_force(&self) -> &Config {
        &self.in_force
    }

    /// Reads everything again.
    fn read_again(&mut self) -> anyhow::Result<Config> {
        let mut config = self.watch.read()?;
        config.mode = self.mode.unwrap_or(config.mode);
        privilege::check(config.mode)?;
        Ok(config)
    }

    /// Takes over what can change while evictd runs; the rest stays as it is.
    fn take(&mut self, new: Config) -> Changes {
        let changes = Changes::between(&self.in_force, &new);
        let old = &mut self.in_force;
        let semantics = old.policy.semantics;
        old.policy = Policy { semantics, ..new.policy };
        old.eviction = new.eviction;
        old.mode = new.mode;
        old.protect = new.protect;
        old.node = new.node;
        old.reclaim = new.reclaim;
        old.image_minimum_age = new.image_minimum_age;
        changes
    }

    /// Puts `changes` in force.
    fn apply(
        &self,
        changes: &Changes,
        evaluator: &mut Traced,
        observer: &mut Observer,
        evictions: &mut Evictions,
        runtime: bool,
    ) {
        // A change of mode too: what was only pretended does not count for the other mode.
        if changes.policy || changes.mode || changes.reclaim {
            evaluator.set_policy(Node::policy(&self.in_force, observer.sampler(), runtime), now());
        }
        if changes.mode {
            evictions.set_mode(self.in_force.mode);
        }
        if changes.protect {
            observer.protect(self.in_force.protect.clone());
        }
    }
}

/// What of the node is told the cluster. Observing touches nothing.
pub(super) const fn reporting(config: &Config) -> Reporting {
    let NodeMarks { conditions, taints } = config.node;
    match config.mode {
        Mode::Observe => Reporting::NOTHING,
        Mode::Enforce => Reporting { conditions, taints, events: true },
    }
}

/// What differs between two configurations.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    policy: bool,
    mode: bool,
    protect: bool,
    node: bool,
    reclaim: bool,
    /// Fields that only a restart puts in force.
    after_restart: Vec<&'static str>,
}

impl Changes {
    fn between(old: &Config, new: &Config) -> Self {
        let semantics = old.policy.semantics;
        let after_restart = [
            ("semantics", semantics != new.policy.semantics),
            ("rootDirectory", old.root_directory != new.root_directory),
            ("imagefs", old.imagefs != new.imagefs),
            ("memorySource", old.memory_source != new.memory_source),
            ("podLogsDir", old.pod_logs_dir != new.pod_logs_dir),
            ("cgroupRoot", old.cgroup_root != new.cgroup_root),
            ("pods", old.pods != new.pods),
            ("maxPods", old.max_pods != new.max_pods),
            ("containerRuntimeEndpoint", old.runtime_endpoint != new.runtime_endpoint),
        ];
        Self {
            policy: old.policy != Policy { semantics, ..new.policy.clone() },
            mode: old.mode != new.mode,
            protect: old.protect != new.protect,
            node: old.node != new.node,
            reclaim: (old.reclaim, old.image_minimum_age) != (new.reclaim, new.image_minimum_age),
            after_restart: after_restart
                .iter()
                .filter(|(_, differs)| *differs)
                .map(|f| f.0)
                .collect(),
        }
    }

    /// For people.
    fn describe(&self) -> String {
        let now = [
            ("policy", self.policy),
            ("mode", self.mode),
            ("protect", self.protect),
            ("node", self.node),
            ("nodeReclaim", self.reclaim),
        ];
        let now: Vec<_> = now.iter().filter(|(_, differs)| *differs).map(|f| f.0).collect();
        let changed = if now.is_empty() { "nothing".to_owned() } else { now.join(", ") };
        let mut text = format!("changed: {changed}");
        if !self.after_restart.is_empty() {
            text.push_str("; only after a restart: ");
            text.push_str(&self.after_restart.join(", "));
        }
        text
    }
}

impl Daemon {
    /// Reads the configuration again if it changed, or if `asked` to. True if another one may be in
    /// force now.
    pub(super) fn reload(&mut self, asked: bool) -> bool {
        if !asked && !self.configuration.watch.changed() {
            return false;
        }
        let (outcome, detail) = match self.configuration.read_again() {
            Ok(new) => (ConfigOutcome::Applied, self.put_in_force(new)),
            Err(problem) => {
                error!("the configuration stays as it was: {problem:#}");
                (ConfigOutcome::Refused, format!("{problem:#}"))
            }
        };
        self.reporter.report(now(), Record::Config { outcome, detail });
        outcome == ConfigOutcome::Applied
    }

    fn put_in_force(&mut self, new: Config) -> String {
        let changes = self.configuration.take(new);
        let runtime = self.reclaims.was_reached();
        let Self { configuration, evaluator, observer, evictions, node, .. } = self;
        configuration.apply(&changes, evaluator, observer, evictions, runtime);
        if let Some(node) = node {
            node.configure(reporting(configuration.in_force()));
        }
        let detail = changes.describe();
        if changes.after_restart.is_empty() {
            info!("configuration read again; {detail}");
        } else {
            warn!("configuration read again; {detail}");
        }
        detail
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const BEFORE: &str = "evictionHard: {pid.available: \"10\"}\nrootDirectory: /k\n";

    fn config(text: &str) -> Config {
        Config::parse(Path::new("c.yaml"), text).unwrap()
    }

    #[test]
    fn what_changes_is_told_and_what_needs_a_restart_stays() {
        let more = |line: &str| format!("{BEFORE}{line}");
        let cases = [
            (more("# a comment\n"), "changed: nothing"),
            (more("mode: enforce\n"), "changed: mode"),
            (more("protect: [{namespace: a}]\n"), "changed: protect"),
            (more("node: {taints: false}\n"), "changed: node"),
            (more("nodeReclaim: {order: never}\n"), "changed: nodeReclaim"),
            (more("imageMinimumGCAge: 1m\n"), "changed: nodeReclaim"),
            (BEFORE.replace("10", "11"), "changed: policy"),
            (more("evictionPressureTransitionPeriod: 1s\n"), "changed: policy"),
            (
                BEFORE.replace("/k", "/other"),
                "changed: nothing; only after a restart: rootDirectory",
            ),
            (
                more(
                    "semantics: kubelet\nimagefs: /i\npodLogsDir: /l\ncgroupRoot: /c\npods: /p\nmaxPods: 7\ncontainerRuntimeEndpoint: /r\n",
                ),
                "changed: nothing; only after a restart: semantics, imagefs, memorySource, podLogsDir, cgroupRoot, pods, maxPods, containerRuntimeEndpoint",
            ),
        ];
        for (text, expected) in cases {
            let args = crate::config::ConfigArgs::default();
            let in_force = config(BEFORE);
            let mut configuration = Configuration { watch: Watch::new(args), mode: None, in_force };
            let new = config(&text);
            assert_eq!(configuration.take(new.clone()).describe(), expected, "{text}");
            let kept = configuration.in_force();
            assert_eq!(kept.root_directory, Path::new("/k"));
            assert_eq!(kept.policy.semantics, config(BEFORE).policy.semantics);
            assert_eq!((kept.mode, &kept.protect, kept.node), (new.mode, &new.protect, new.node));
            let again = configuration.take(new).describe();
            assert!(again.starts_with("changed: nothing"), "{text}: {again}");
        }
    }
}
