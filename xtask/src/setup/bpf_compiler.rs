//! The compiler for the BPF object: its LLVM must be the one bpf-linker is built with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Requirement, apt, rustup};
use crate::process;
use crate::workspace::Pins;

/// Debian's own nightly-capable compiler, kept in step with the browsers' needs.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
/// Sources of `core`, from which it is built for BPF; below the sysroot.
const CORE_SOURCES: &str = "lib/rustlib/src/rust/library/core/src/lib.rs";

/// A compiler that can build `core` for BPF.
pub(crate) enum BpfCompiler {
    /// The pinned rustup toolchain, which aya-build finds by its name.
    Rustup,
    /// Debian's rustc-web, by the path of its rustc.
    Debian(PathBuf),
}

impl BpfCompiler {
    pub(crate) fn find(pins: &Pins) -> Option<Self> {
        if rustup::sysroot(Some(&pins.rust)).is_some_and(|root| root.join(CORE_SOURCES).exists()) {
            return Some(Self::Rustup);
        }
        debian_fits(Path::new(DEBIAN_RUSTC), &pins.llvm).then(|| Self::Debian(DEBIAN_RUSTC.into()))
    }
}

fn debian_fits(rustc: &Path, llvm: &str) -> bool {
    let ask = |arguments: &[&str]| process::capture(Command::new(rustc).args(arguments));
    let (Ok(version), Ok(sysroot)) = (ask(&["-vV"]), ask(&["--print", "sysroot"])) else {
        return false;
    };
    llvm_major(&version) == Some(llvm) && Path::new(sysroot.trim_end()).join(CORE_SOURCES).exists()
}

/// Major LLVM version in the text of `rustc -vV`.
fn llvm_major(version: &str) -> Option<&str> {
    let full = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    full.split('.').next()
}

/// A BPF compiler, whichever can be had.
pub(super) struct Wanted(pub(super) Pins);

impl Requirement for Wanted {
    fn name(&self) -> String {
        format!("Rust {} with rust-src", self.0.rust)
    }

    fn is_met(&self) -> bool {
        BpfCompiler::find(&self.0).is_some()
    }

    fn meet(&self) -> Result<()> {
        let pinned =
            ["toolchain", "install", &self.0.rust, "--profile", "minimal", "-c", "rust-src"];
        rustup::call(&pinned).or_else(|error| {
            eprintln!("    {error:#}\n    trying Debian's {}", DEBIAN_PACKAGES.join(" "));
            apt::install(&DEBIAN_PACKAGES).with_context(|| format!("{error:#}; and then"))
        })
    }

    fn commands(&self) -> Vec<String> {
        let debian = DEBIAN_PACKAGES.join(" ");
        vec![
            format!("rustup toolchain install {} --profile minimal -c rust-src", self.0.rust),
            format!("or: apt-get install --no-install-recommends {debian}"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::llvm_major;

    #[test]
    fn llvm_major_is_read_from_the_verbose_version() {
        let cases = [
            ("release", "rustc 1.96.0\nhost: x\nLLVM version: 22.1.8\n", Some("22")),
            ("no LLVM", "rustc 1.96.0\nhost: x\n", None),
        ];
        for (name, text, expected) in cases {
            assert_eq!(llvm_major(text), expected, "{name}");
        }
    }
}
