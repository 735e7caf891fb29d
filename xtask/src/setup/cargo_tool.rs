//! Tools that cargo builds from source, each in a cache folder of its own version.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Requirement;
use super::system::{self, SystemPackages};
use crate::process;
use crate::workspace::{self, Pins};

const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";

/// A crate with one program of the same name.
pub(crate) struct CargoTool {
    name: &'static str,
    version: String,
    /// Distinguishes builds of one version, such as by LLVM.
    variant: String,
    /// What it is linked with.
    libraries: Option<SystemPackages>,
    arguments: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
}

pub(crate) fn bpf_linker(pins: &Pins) -> CargoTool {
    CargoTool {
        name: "bpf-linker",
        version: pins.bpf_linker.clone(),
        variant: format!("-llvm-{}", pins.llvm),
        libraries: Some(system::llvm(pins)),
        arguments: ["--no-default-features", "--features", &format!("llvm-{}", pins.llvm)]
            .map(str::to_owned)
            .to_vec(),
        environment: vec![("LLVM_PREFIX", system::llvm_prefix(pins).into())],
    }
}

pub(crate) fn cargo_deny() -> CargoTool {
    CargoTool::built_quickly("cargo-deny", CARGO_DENY, &["--no-default-features"])
}

pub(crate) fn cargo_fuzz() -> CargoTool {
    CargoTool::built_quickly("cargo-fuzz", CARGO_FUZZ, &[])
}

impl CargoTool {
    /// A program that runs for seconds, so that a quick build beats a quick program.
    fn built_quickly(name: &'static str, version: &str, arguments: &[&str]) -> Self {
        Self {
            name,
            version: version.to_owned(),
            variant: String::new(),
            libraries: None,
            arguments: arguments.iter().chain(&["--debug"]).map(|&a| a.to_owned()).collect(),
            environment: vec![("CARGO_PROFILE_DEV_DEBUG", "none".into())],
        }
    }

    /// Folder of the program.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        Ok(self.root()?.join("bin"))
    }

    /// Path of the program.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        Ok(self.folder()?.join(self.name))
    }

    fn root(&self) -> Result<PathBuf> {
        let folder = format!("{}-{}{}", self.name, self.version, self.variant);
        Ok(workspace::cache()?.join("tools").join(folder))
    }

    fn missing_libraries(&self) -> Option<&SystemPackages> {
        self.libraries.as_ref().filter(|libraries| !libraries.is_met())
    }

    fn cargo_arguments(&self) -> Vec<String> {
        let fixed = ["install", self.name, "--version", &self.version, "--locked"];
        fixed.into_iter().map(str::to_owned).chain(self.arguments.iter().cloned()).collect()
    }
}

impl Requirement for CargoTool {
    fn name(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// Running it also proves that the libraries it was linked with are there.
    fn is_met(&self) -> bool {
        self.program()
            .is_ok_and(|program| process::capture(Command::new(program).arg("--version")).is_ok())
    }

    fn meet(&self) -> Result<()> {
        if let Some(libraries) = self.missing_libraries() {
            libraries.meet().with_context(|| libraries.name())?;
        }
        let mut cargo = Command::new("cargo");
        cargo.args(self.cargo_arguments()).arg("--force").arg("--root").arg(self.root()?);
        cargo.envs(self.environment.iter().map(|(name, value)| (name, value)));
        cargo.env_remove("CARGO_TARGET_DIR");
        process::run_quietly(&mut cargo).context("building from source")
    }

    fn commands(&self) -> Vec<String> {
        let environment: Vec<String> = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={} ", value.to_string_lossy()))
            .collect();
        let root = self.root().unwrap_or_default();
        let arguments = self.cargo_arguments().join(" ");
        let build = format!("{}cargo {arguments} --root {}", environment.concat(), root.display());
        let libraries = self.missing_libraries().map(Requirement::commands);
        libraries.into_iter().flatten().chain([build]).collect()
    }
}
