//! Compiles the kernel probes with the toolchain pinned in agent-ebpf/Cargo.toml.

use anyhow::{Context as _, Result, anyhow};
use aya_build::{Package, Toolchain};

fn main() -> Result<()> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name == "evictd-ebpf")
        .context("the workspace has no package evictd-ebpf")?;
    let root_dir = package.manifest_path.parent().context("a manifest has a directory")?;
    let toolchain = package
        .metadata
        .pointer("/bpf-toolchain/rust")
        .and_then(|value| value.as_str())
        .ok_or_else(|| anyhow!("{}: no metadata.bpf-toolchain.rust", package.manifest_path))?;
    aya_build::build_ebpf(
        [Package { name: "evictd-ebpf", root_dir: root_dir.as_str(), ..Default::default() }],
        Toolchain::Custom(toolchain),
    )
    .context("compiling the kernel probes; `cargo xtask setup` installs what this needs")
}
