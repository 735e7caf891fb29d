//! Where things are, and which versions are pinned.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;
use serde::Deserialize;

/// The package whose manifest pins the BPF toolchain.
const BPF_PACKAGE: &str = "evictd-ebpf";

/// The repository as cargo sees it.
pub(crate) struct Workspace {
    /// Folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    pub(crate) pins: Pins,
}

/// `[package.metadata.bpf-toolchain]` of agent-ebpf.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Pins {
    /// Name of the rustup toolchain.
    pub(crate) rust: String,
    /// Version of the crate bpf-linker.
    pub(crate) bpf_linker: String,
    /// Major version of the LLVM inside `rust`, which bpf-linker must be built with.
    pub(crate) llvm: String,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let mut command = MetadataCommand::new();
        command.no_deps();
        // Cargo sets it for `cargo xtask`; run by hand, the program looks from the current folder.
        if let Some(package) = env::var_os("CARGO_MANIFEST_DIR") {
            command.current_dir(package);
        }
        let metadata = command.exec().context("reading the workspace")?;
        let package = metadata
            .packages
            .iter()
            .find(|package| package.name.as_str() == BPF_PACKAGE)
            .with_context(|| format!("the workspace has no package {BPF_PACKAGE}"))?;
        let pins = Pins::deserialize(&package.metadata["bpf-toolchain"]).with_context(|| {
            format!("{}: [package.metadata.bpf-toolchain]", package.manifest_path)
        })?;
        Ok(Self {
            root: metadata.workspace_root.into_std_path_buf(),
            target: metadata.target_directory.into_std_path_buf(),
            pins,
        })
    }

    /// Folder for logs and images of the runs started here.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.target.join("xtask")
    }
}

/// Folder for tools and kernels that outlive the target folder: `$XDG_CACHE_HOME/evictd`, or
/// `~/.cache/evictd`.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) if !cache.is_empty() => PathBuf::from(cache),
        _ => env::home_dir().context("neither XDG_CACHE_HOME nor a home folder")?.join(".cache"),
    };
    Ok(base.join("evictd"))
}
