//! Compiles the kernel probes with the toolchain pinned in agent-ebpf/Cargo.toml.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use aya_build::{Package, Toolchain};

/// Names a compiler to use instead of the pinned one, for machines where rustup cannot download.
const OTHER_RUSTC: &str = "EVICTD_BPF_RUSTC";

/// Set where nothing loads the probes, as in the fuzz targets: an empty object takes their place.
const WITHOUT_PROBES: &str = "EVICTD_WITHOUT_PROBES";

const TARGET: &str = "bpfel-unknown-none";
const PROGRAM: &str = "evictd-probes";

fn main() -> Result<()> {
    println!("cargo:rerun-if-env-changed={OTHER_RUSTC}");
    println!("cargo:rerun-if-env-changed={WITHOUT_PROBES}");
    if env::var_os(WITHOUT_PROBES).is_some() {
        let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
        return Ok(fs::write(out_dir.join(PROGRAM), [])?);
    }
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
    match env::var_os(OTHER_RUSTC) {
        Some(rustc) => build_with(&rustc, root_dir.as_std_path()),
        None => aya_build::build_ebpf(
            [Package { name: "evictd-ebpf", root_dir: root_dir.as_str(), ..Default::default() }],
            Toolchain::Custom(toolchain),
        ),
    }
    .context("compiling the kernel probes; `cargo xtask setup` installs what this needs")
}

/// What aya-build does, with a given compiler of a stable channel.
fn build_with(rustc: &OsStr, root_dir: &Path) -> Result<()> {
    println!("cargo:rerun-if-changed={}", root_dir.display());
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    let flags = [&format!("--cfg=bpf_target_arch=\"{arch}\""), "-Cdebuginfo=2", "-Clink-arg=--btf"];
    let target_dir = out_dir.join("bpf");
    let status = Command::new(env::var_os("CARGO").context("CARGO is not set")?)
        .args(["build", "--release", "--bins", "-Zbuild-std=core", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target_dir)
        .current_dir(root_dir)
        .env("RUSTC", rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "{}: {status}", rustc.display());
    let built = target_dir.join(TARGET).join("release").join(PROGRAM);
    fs::copy(&built, out_dir.join(PROGRAM))
        .with_context(|| format!("copying {}", built.display()))?;
    Ok(())
}
