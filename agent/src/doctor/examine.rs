//! Looks at the machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::pods;
use super::report::{Capability, Cgroup, Hierarchy, Kernel, Maps, Probe, Report, Verdict};
use crate::{
    cluster::ClusterArgs,
    config::Config,
    privilege::{CAPABILITIES, Need},
    probe::{self, FsKind, LoadOptions, MapSizes, Standing, Tracefs, lockdown},
    sample::CgroupMounts,
};

/// Examines everything that evictd depends on. The probes are loaded and detached again.
pub fn examine(
    config: &Config,
    cluster: &ClusterArgs,
    btf: &Path,
    tracefs: Option<&Path>,
) -> Report {
    let paths = [&config.root_directory, &config.pod_logs_dir].into_iter().chain(&config.imagefs);
    let filesystems = FsKind::at_each(paths.map(PathBuf::as_path));
    let sizes = MapSizes::of_node(config.max_pods, 0);
    let map_sizes = sizes.entries();
    let mut options = LoadOptions { btf, tracefs, map_sizes, ..LoadOptions::default() };
    if !filesystems.is_empty() {
        options.filesystems = &filesystems;
    }
    let (probes, no_probes, maps) = match probe::load(options) {
        Ok((_detached_when_dropped, standings)) => {
            (standings.into_iter().map(probe).collect(), None, maps(sizes))
        }
        Err(error) => (Vec::new(), Some(error.to_string()), None),
    };
    let capabilities: Vec<Capability> = CAPABILITIES
        .iter()
        .map(|capability| Capability {
            name: capability.name,
            held: capability.is_held(),
            purpose: capability.purpose,
            needed_to: need_name(capability.need),
        })
        .collect();
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        verdict: Verdict::Ready,
        kernel: kernel(btf, tracefs),
        cgroup: cgroup(),
        capabilities,
        pods: pods::pods(config, cluster),
        probes,
        no_probes,
        maps,
    };
    report.verdict = verdict(&report);
    report
}

const fn need_name(need: Need) -> &'static str {
    match need {
        Need::Observe => "observe",
        Need::Enforce => "enforce",
        Need::Robustness => "robustness",
    }
}

fn kernel(btf: &Path, tracefs: Option<&Path>) -> Kernel {
    let uname = rustix::system::uname();
    let (btf_bytes, btf_problem) = match fs::metadata(btf) {
        Ok(found) => (Some(found.len()), None),
        Err(error) => (None, Some(format!("{}: {error}", btf.display()))),
    };
    Kernel {
        release: uname.release().to_string_lossy().into_owned(),
        machine: uname.machine().to_string_lossy().into_owned(),
        btf_bytes,
        btf_problem,
        lockdown: lockdown(),
        tracefs: Tracefs::at(tracefs).root().map(|root| root.display().to_string()),
    }
}

fn cgroup() -> Cgroup {
    match CgroupMounts::detect(Path::new("/proc/mounts")) {
        Ok(mounts) => {
            let all = [
                ("unified", &mounts.unified),
                ("memory", &mounts.memory),
                ("pids", &mounts.pids),
                ("freezer", &mounts.freezer),
            ];
            let hierarchies = all.into_iter().filter_map(|(name, path)| {
                Some(Hierarchy { name, path: path.as_ref()?.display().to_string() })
            });
            Cgroup {
                layout: Some(mounts.kind.name()),
                hierarchies: hierarchies.collect(),
                problem: None,
            }
        }
        Err(error) => {
            Cgroup { layout: None, hierarchies: Vec::new(), problem: Some(error.to_string()) }
        }
    }
}

/// To be asked while they are there.
fn maps(sizes: MapSizes) -> Option<Maps> {
    let MapSizes { pods, cpus, .. } = sizes;
    Some(Maps { bytes: probe::map_bytes()?, most_bytes: MapSizes::MOST_BYTES, pods, cpus })
}

fn probe(standing: Standing) -> Probe {
    Probe {
        family: standing.family.name(),
        rung: standing.rung,
        cost: standing.cost(),
        refused: standing.refused,
    }
}

fn verdict(report: &Report) -> Verdict {
    let lacks = |need: &str| report.capabilities.iter().any(|c| c.needed_to == need && !c.held);
    let lacks_pods = report.pods.problem.is_some();
    if report.cgroup.problem.is_some() || lacks("observe") || (lacks_pods && report.pods.required) {
        return Verdict::Unable;
    }
    let degraded = lacks("enforce")
        || lacks("robustness")
        || lacks_pods
        || report.no_probes.is_some()
        || report.probes.iter().any(|probe| probe.cost.is_some());
    if degraded { Verdict::Degraded } else { Verdict::Ready }
}

#[cfg(test)]
mod tests {
    use super::{super::report::Pods, *};

    #[test]
    fn the_verdict_is_the_worst_of_all() {
        let capability = |needed_to, held| Capability { name: "", held, purpose: "", needed_to };
        let family = |cost| Probe { family: "tasks", rung: Some("x"), refused: Vec::new(), cost };
        let report = |capabilities, probes, no_probes, problem| Report {
            version: "",
            verdict: Verdict::Ready,
            kernel: Kernel {
                release: String::new(),
                machine: String::new(),
                btf_bytes: None,
                btf_problem: None,
                lockdown: None,
                tracefs: None,
            },
            cgroup: Cgroup { layout: None, hierarchies: Vec::new(), problem },
            capabilities,
            pods: Pods::default(),
            probes,
            no_probes,
            maps: None,
        };
        let all = || vec![capability("observe", true), capability("enforce", true)];
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            ("all there", report(all(), vec![family(None)], None, None), Verdict::Ready),
            ("a lower rung", report(all(), vec![family(Some("x"))], None, None), Verdict::Degraded),
            ("no probes", report(all(), Vec::new(), some("EPERM"), None), Verdict::Degraded),
            ("no cgroups", report(all(), Vec::new(), None, some("none")), Verdict::Unable),
            (
                "may not act",
                report(vec![capability("enforce", false)], Vec::new(), None, None),
                Verdict::Degraded,
            ),
            (
                "may not watch",
                report(vec![capability("observe", false)], Vec::new(), None, None),
                Verdict::Unable,
            ),
        ];
        for (name, report, expected) in cases {
            assert_eq!(verdict(&report), expected, "{name}");
        }
        for (required, expected) in [(false, Verdict::Degraded), (true, Verdict::Unable)] {
            let pods = Pods { problem: some("401"), required, ..Pods::default() };
            let report = Report { pods, ..report(all(), vec![family(None)], None, None) };
            assert_eq!(verdict(&report), expected, "no pods");
        }
    }
}
