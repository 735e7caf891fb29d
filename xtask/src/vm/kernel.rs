//! The kernels evictd is tested on: Debian's cloud flavours, with ext4 and NVMe built in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::setup::{Requirement, apt_refreshing};
use crate::workspace;

/// One kernel of the matrix.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Debian package that depends on the newest image of this series.
    meta_package: &'static str,
}

/// One line a kernel.
pub(crate) const KERNELS: [Kernel; 2] = [
    Kernel { name: "6.1", meta_package: "linux-image-cloud-amd64" },
    Kernel { name: "6.12", meta_package: "linux-image-6.12-cloud-amd64" },
];

/// The kernel of this name; the error names those there are.
pub(crate) fn by_name(name: &str) -> Result<&'static Kernel, String> {
    KERNELS.iter().find(|kernel| kernel.name == name).ok_or_else(|| {
        let names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
        format!("no such kernel; there are {}", names.join(", "))
    })
}

impl Kernel {
    /// Where the bootable image is kept; no package is ever installed.
    pub(crate) fn image(&self) -> Result<PathBuf> {
        Ok(workspace::cache()?.join("kernels").join(self.name).join("vmlinuz"))
    }

    fn fetch(&self) -> Result<()> {
        let image = self.image()?;
        let folder = image.with_file_name("unpacking");
        fs::create_dir_all(&folder)?;
        let package = apt_refreshing(|| {
            let depends =
                process::capture(Command::new("apt-cache").args(["depends", self.meta_package]))?;
            let package = image_package(&depends)
                .with_context(|| format!("{} is unknown or has no image", self.meta_package))?;
            let mut download = Command::new("apt-get");
            process::run_quietly(download.args(["download", package]).current_dir(&folder))?;
            Ok(package.to_owned())
        })?;
        let archive = file_starting_with(&folder, &package)?;
        process::run_quietly(Command::new("dpkg").arg("-x").arg(archive).arg(&folder))?;
        // The rename is last, so that an image that is there is whole.
        fs::rename(file_starting_with(&folder.join("boot"), "vmlinuz-")?, &image)?;
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}

/// The image among the dependencies that `apt-cache depends` lists for a meta package.
fn image_package(depends: &str) -> Option<&str> {
    let dependencies = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    dependencies.map(str::trim).find(|package| package.starts_with("linux-image-"))
}

fn file_starting_with(folder: &Path, start: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(start) {
            return Ok(entry.path());
        }
    }
    bail!("{}: no file {start}…", folder.display())
}

/// The kernel's image in the cache.
pub(crate) struct Wanted(pub(crate) &'static Kernel);

impl Requirement for Wanted {
    fn name(&self) -> String {
        format!("Linux {} for the VM", self.0.name)
    }

    fn is_met(&self) -> bool {
        self.0.image().is_ok_and(|image| image.is_file())
    }

    fn meet(&self) -> Result<()> {
        self.0.fetch()
    }

    fn commands(&self) -> Vec<String> {
        let image = self.0.image().unwrap_or_default();
        vec![
            format!("apt-cache depends {}   # names the IMAGE package", self.0.meta_package),
            "apt-get download IMAGE && dpkg -x IMAGE_*.deb unpacked".to_owned(),
            format!("install -D unpacked/boot/vmlinuz-* {}", image.display()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_found_by_name_and_the_error_lists_them() {
        assert_eq!(by_name("6.12").unwrap().meta_package, "linux-image-6.12-cloud-amd64");
        assert_eq!(by_name("5.4").unwrap_err(), "no such kernel; there are 6.1, 6.12");
    }

    #[test]
    fn image_package_is_resolved_from_the_meta_package() {
        let cases = [
            (
                "plain",
                "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n",
                Some("linux-image-6.1.0-56-cloud-amd64"),
            ),
            (
                "other dependencies first",
                "m\n  PreDepends: dpkg\n  Depends: kmod\n  Depends: linux-image-6.12.1-cloud-amd64\n",
                Some("linux-image-6.12.1-cloud-amd64"),
            ),
            ("nothing", "m\n  Suggests: linux-image-x\n", None),
        ];
        for (name, text, expected) in cases {
            assert_eq!(image_package(text), expected, "{name}");
        }
    }
}
