//! containerd, runc and a shell for its images, unpacked into the cache: installing them would start a
//! container runtime on whatever machine runs the tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Requirement, apt};
use crate::process;
use crate::workspace;

const PACKAGES: [&str; 3] = ["containerd", "runc", "busybox-static"];
/// Below the folder, and what proves that all were unpacked.
const PROGRAMS: [&str; 3] = ["usr/bin/containerd", "usr/sbin/runc", "bin/busybox"];

/// The folder that the packages are unpacked in; tests find it by `EVICTD_CONTAINERD`.
pub(crate) fn folder() -> Result<PathBuf> {
    Ok(workspace::cache()?.join("tools/containerd"))
}

/// The programs in the cache.
pub(super) struct ContainerRuntime;

impl Requirement for ContainerRuntime {
    fn name(&self) -> String {
        "containerd and runc, not installed".to_owned()
    }

    fn is_met(&self) -> bool {
        folder().is_ok_and(|folder| PROGRAMS.iter().all(|name| folder.join(name).is_file()))
    }

    fn meet(&self) -> Result<()> {
        let folder = folder()?;
        let fetching = folder.with_extension("fetching");
        if fetching.exists() {
            fs::remove_dir_all(&fetching)?;
        }
        fs::create_dir_all(&fetching).with_context(|| fetching.display().to_string())?;
        apt::refreshing(|| {
            let mut download = Command::new("apt-get");
            process::run_quietly(download.arg("download").args(PACKAGES).current_dir(&fetching))
        })?;
        for entry in fs::read_dir(&fetching)? {
            let archive = entry?.path();
            if archive.extension().is_some_and(|extension| extension == "deb") {
                process::run_quietly(Command::new("dpkg").arg("-x").arg(&archive).arg(&fetching))?;
                fs::remove_file(archive)?;
            }
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::rename(fetching, folder)?;
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![
            format!("apt-get download {}", PACKAGES.join(" ")),
            "dpkg -x EACH.deb ~/.cache/evictd/tools/containerd".to_owned(),
        ]
    }
}
