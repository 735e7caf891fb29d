//! `e2e`: evictd against a real API server and etcd, with a fake kubelet around real processes.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::demo::require_root;
use crate::setup::{self, Kubernetes, Purpose};
use crate::test::{self, Tally};
use crate::workspace::Workspace;

/// Test programs that need the API server. They run on this machine only, not in the VMs.
pub(crate) const PROGRAMS: [&str; 7] =
    ["cluster", "control_plane", "deploy", "e2e", "eviction_api", "node_marks", "outbox"];

/// Tells the test programs the folder of kube-apiserver and kubectl.
const VARIABLE: &str = "EVICTD_KUBERNETES";
/// Tells them the program that renders the chart.
const HELM: &str = "EVICTD_HELM";
/// Its value where they are to say that they were left out.
const LEFT_OUT: &str = "none";

/// Builds kube-apiserver if it is not cached, and runs the tests that need it.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    apiserver: Apiserver,
    /// Only tests whose names contain this
    filter: Option<String>,
}

/// Whether the tests that need an API server run.
#[derive(clap::Args, Clone, Copy, Default)]
pub(crate) struct Apiserver {
    /// Leave out the tests that need kube-apiserver, which is built with Go; without this option a
    /// machine that cannot build it fails
    #[arg(long)]
    without_apiserver: bool,
}

impl Apiserver {
    /// What must be set up.
    pub(crate) fn purpose(self) -> Option<Purpose> {
        (!self.without_apiserver).then_some(Purpose::ControlPlane)
    }

    /// What the test programs are told.
    pub(crate) fn environment(self) -> Result<Vec<(&'static str, OsString)>> {
        if self.without_apiserver {
            return Ok(vec![(VARIABLE, LEFT_OUT.into())]);
        }
        let (folder, helm) = (Kubernetes::folder()?, setup::helm().program()?);
        Ok(vec![(VARIABLE, folder.into()), (HELM, helm.into())])
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut total = Tally::default();
    if options.apiserver.without_apiserver {
        for program in PROGRAMS {
            total.skip(program, "--without-apiserver was given");
        }
    } else {
        require_root("e2e")?;
        let workspace = Workspace::load()?;
        setup::ensure(
            &workspace.pins,
            &[Purpose::Build, Purpose::StaticBuild, Purpose::ControlPlane],
        )?;
        total.add(test::end_to_end(&workspace, options.apiserver, options.filter.as_deref())?);
    }
    print!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_needs_no_setup_and_says_so() {
        let without = Apiserver { without_apiserver: true };
        assert!(without.purpose().is_none());
        assert_eq!(without.environment().unwrap(), [("EVICTD_KUBERNETES", "none".into())]);
        let with = Apiserver { without_apiserver: false };
        assert!(with.purpose() == Some(Purpose::ControlPlane));
        let told = with.environment().unwrap();
        let paths: Vec<_> = told.iter().map(|(_, path)| path.to_string_lossy()).collect();
        assert!(paths[0].contains("/tools/kubernetes-"), "{paths:?}");
        assert!(paths[1].contains("/tools/helm-"), "{paths:?}");
    }
}
