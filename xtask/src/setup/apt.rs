//! Debian's package manager.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::progress::step;

/// Installs packages; the package lists are refreshed once if that does not work.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    if process::find_program("apt-get").is_none() {
        bail!("there is no apt-get here");
    }
    if !process::is_root() {
        bail!("only root may install packages");
    }
    refreshing(|| process::run_quietly(apt_get("install").args(packages))).or_else(|error| {
        // Images that carry newer QEMU tools from backports need the rest from there as well.
        let Some(release) = backports() else {
            return Err(error);
        };
        let mut install = apt_get("install");
        install.args(["--target-release", &release]).args(packages);
        process::run_quietly(&mut install).map_err(|_| error)
    })
}

/// Name of this release's backports, such as `bookworm-backports`.
fn backports() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let codename = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(format!("{codename}-backports"))
}

/// Does `work`, and if it fails does it again with fresh package lists.
pub(crate) fn refreshing<T>(work: impl Fn() -> Result<T>) -> Result<T> {
    work().or_else(|error| {
        refresh().with_context(|| format!("{error:#}; and apt-get update"))?;
        work()
    })
}

fn refresh() -> Result<()> {
    static REFRESHED: OnceLock<()> = OnceLock::new();
    if REFRESHED.get().is_none() {
        if !process::is_root() {
            bail!("only root may refresh the package lists");
        }
        step("apt-get update", || process::run_quietly(&mut apt_get("update")))?;
        REFRESHED.get_or_init(|| ());
    }
    Ok(())
}

fn apt_get(action: &str) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg(action);
    if action == "install" {
        command.args(["--yes", "--no-install-recommends"]);
    }
    command
}
