//! Toolchains, targets and components that rustup provides.

use std::env::consts::ARCH;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::Requirement;
use crate::process;
use crate::workspace::Pins;

/// Rust target of the static binaries.
pub(crate) fn static_target() -> String {
    format!("{ARCH}-unknown-linux-musl")
}

/// Root folder of a rustup toolchain, or of the default one.
pub(super) fn sysroot(toolchain: Option<&str>) -> Option<PathBuf> {
    let mut rustc = Command::new("rustc");
    if let Some(toolchain) = toolchain {
        rustc = rustup(&["run", toolchain, "rustc"]);
    }
    let path = process::capture(rustc.args(["--print", "sysroot"])).ok()?;
    Some(PathBuf::from(path.trim_end()))
}

/// Runs rustup, if there is one.
pub(super) fn call(arguments: &[&str]) -> Result<()> {
    if process::find_program("rustup").is_none() {
        bail!("there is no rustup here");
    }
    process::run_quietly(&mut rustup(arguments))
}

fn rustup(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(arguments);
    command
}

/// The standard library for static binaries.
pub(super) struct StaticTarget;

impl Requirement for StaticTarget {
    fn name(&self) -> String {
        format!("Rust target {}", static_target())
    }

    fn is_met(&self) -> bool {
        let library = format!("lib/rustlib/{}/lib", static_target());
        sysroot(None).is_some_and(|root| root.join(library).is_dir())
    }

    fn meet(&self) -> Result<()> {
        call(&["target", "add", &static_target()])
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("rustup target add {}", static_target())]
    }
}

/// rustfmt and clippy for the host crates.
pub(super) struct HostLints;

impl Requirement for HostLints {
    fn name(&self) -> String {
        "rustfmt and clippy".to_owned()
    }

    fn is_met(&self) -> bool {
        has_programs(None, &["cargo-fmt", "cargo-clippy"])
    }

    fn meet(&self) -> Result<()> {
        call(&["component", "add", "rustfmt", "clippy"])
    }

    fn commands(&self) -> Vec<String> {
        vec!["rustup component add rustfmt clippy".to_owned()]
    }
}

/// Clippy of the pinned BPF toolchain: lints need the compiler that knows the BPF target.
pub(super) struct BpfLints(pub(super) Pins);

impl Requirement for BpfLints {
    fn name(&self) -> String {
        format!("clippy of {}", self.0.rust)
    }

    fn is_met(&self) -> bool {
        has_programs(Some(&self.0.rust), &["cargo-clippy"])
    }

    fn meet(&self) -> Result<()> {
        call(&["component", "add", "clippy", "--toolchain", &self.0.rust])
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("rustup component add clippy --toolchain {}", self.0.rust)]
    }
}

fn has_programs(toolchain: Option<&str>, programs: &[&str]) -> bool {
    sysroot(toolchain)
        .is_some_and(|root| programs.iter().all(|name| root.join("bin").join(name).is_file()))
}
