//! Tools that Go builds from their modules, each in a cache folder of its own version.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Requirement;
use crate::process;
use crate::workspace;

const HELM: &str = "3.21.4";

/// A module with one program.
pub(crate) struct GoTool {
    name: &'static str,
    version: &'static str,
    /// What is built, without its version.
    package: &'static str,
    /// How it tells its version, which shows that it runs.
    version_argument: &'static str,
}

/// Renders the chart.
pub(crate) fn helm() -> GoTool {
    GoTool {
        name: "helm",
        version: HELM,
        package: "helm.sh/helm/v3/cmd/helm",
        version_argument: "version",
    }
}

impl GoTool {
    /// Path of the program.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        Ok(self.folder()?.join(self.name))
    }

    fn folder(&self) -> Result<PathBuf> {
        let folder = format!("{}-{}", self.name, self.version);
        Ok(workspace::cache()?.join("tools").join(folder).join("bin"))
    }

    fn arguments(&self) -> [String; 5] {
        let query = format!("{}@v{}", self.package, self.version);
        ["install", "-trimpath", "-ldflags", "-s -w", &query].map(str::to_owned)
    }
}

impl Requirement for GoTool {
    fn name(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    fn is_met(&self) -> bool {
        let runs = |program| process::capture(Command::new(program).arg(self.version_argument));
        self.program().is_ok_and(|program| runs(program).is_ok())
    }

    fn meet(&self) -> Result<()> {
        if process::find_program("go").is_none() {
            bail!("there is no Go here (program `go`)");
        }
        let mut go = Command::new("go");
        go.args(self.arguments()).env("GOBIN", self.folder()?).env("CGO_ENABLED", "0");
        process::run_quietly(&mut go).context("building from source")
    }

    fn commands(&self) -> Vec<String> {
        let folder = self.folder().unwrap_or_default();
        let query = format!("{}@v{}", self.package, self.version);
        vec![format!("CGO_ENABLED=0 GOBIN={} go install {query}", folder.display())]
    }
}
