//! The kernels evictd is tested on: Debian's cloud flavours, with ext4 and NVMe built in, and its
//! plain ones, where every filesystem is a module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::modules;
use crate::process;
use crate::setup::{Requirement, apt_refreshing};
use crate::workspace;

/// Files in a kernel's folder.
const IMAGE: &str = "vmlinuz";
const MODULES: &str = "modules";
/// Names the modules that were wanted when the folder was made.
const STAMP: &str = "modules-wanted";

/// One kernel of the matrix.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Debian package that depends on the newest image of this series.
    meta_package: &'static str,
    /// What `test --vm` runs on it.
    pub(crate) tests: Tests,
}

/// Which tests are worth their time on a kernel. Each set holds the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tests {
    /// Every program: on one kernel, since this machine's own cgroups may be of another version.
    All,
    /// All but those whose outcome no kernel can change.
    KernelFacing,
    /// Those about filesystems, which are modules here: the rest is the same code as in the sibling
    /// that has them built in.
    FilesystemFacing,
}

/// One line a kernel.
pub(crate) const KERNELS: [Kernel; 4] = [
    Kernel { name: "6.1", meta_package: "linux-image-cloud-amd64", tests: Tests::KernelFacing },
    Kernel { name: "6.12", meta_package: "linux-image-6.12-cloud-amd64", tests: Tests::All },
    Kernel { name: "6.1-amd64", meta_package: "linux-image-amd64", tests: Tests::FilesystemFacing },
    Kernel {
        name: "6.12-amd64",
        meta_package: "linux-image-6.12-amd64",
        tests: Tests::FilesystemFacing,
    },
];

/// The kernel of this name; the error names those there are.
pub(crate) fn by_name(name: &str) -> Result<&'static Kernel, String> {
    KERNELS.iter().find(|kernel| kernel.name == name).ok_or_else(|| {
        let names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
        format!("no such kernel; there are {}", names.join(", "))
    })
}

impl Kernel {
    /// Where its files are kept; no package is ever installed.
    fn folder(&self) -> Result<PathBuf> {
        Ok(workspace::cache()?.join("kernels").join(self.name))
    }

    /// The bootable image.
    pub(crate) fn image(&self) -> Result<PathBuf> {
        Ok(self.folder()?.join(IMAGE))
    }

    /// The modules to load, in this order.
    pub(crate) fn modules(&self) -> Result<Vec<PathBuf>> {
        let folder = self.folder()?.join(MODULES);
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files.sort();
        Ok(files)
    }

    fn is_fetched(&self) -> Result<bool> {
        Ok(fs::read_to_string(self.folder()?.join(STAMP))? == modules::WANTED.join(" "))
    }

    /// Makes the folder anew beside the old one, which others may be booting from.
    fn fetch(&self) -> Result<()> {
        let folder = self.folder()?;
        let fetching = folder.with_file_name(format!("{}-fetching", self.name));
        remove(&fetching)?;
        let unpacking = fetching.join("unpacking");
        fs::create_dir_all(&unpacking).with_context(|| unpacking.display().to_string())?;
        let archive = self.download(&unpacking)?;
        process::run_quietly(Command::new("dpkg").arg("-x").arg(archive).arg(&unpacking))?;
        let tree = ["lib/modules", "usr/lib/modules"].map(|at| unpacking.join(at));
        let tree = tree.iter().find(|tree| tree.is_dir()).context("the package has no modules")?;
        modules::unpack(&file_starting_with(tree, "")?, &fetching.join(MODULES))?;
        let image = file_starting_with(&unpacking.join("boot"), "vmlinuz-")?;
        fs::rename(image, fetching.join(IMAGE))?;
        fs::write(fetching.join(STAMP), modules::WANTED.join(" "))?;
        remove(&unpacking)?;
        remove(&folder)?;
        fs::rename(fetching, folder)?;
        Ok(())
    }

    /// Downloads the newest package of the series into `folder`.
    fn download(&self, folder: &Path) -> Result<PathBuf> {
        let package = apt_refreshing(|| {
            let depends =
                process::capture(Command::new("apt-cache").args(["depends", self.meta_package]))?;
            let package = image_package(&depends)
                .with_context(|| format!("{} is unknown or has no image", self.meta_package))?;
            let mut download = Command::new("apt-get");
            process::run_quietly(download.args(["download", package]).current_dir(folder))?;
            Ok(package.to_owned())
        })?;
        file_starting_with(folder, &package)
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
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

/// The kernel's image and modules in the cache.
pub(crate) struct Wanted(pub(crate) &'static Kernel);

impl Requirement for Wanted {
    fn name(&self) -> String {
        format!("Linux {} for the VM", self.0.name)
    }

    fn is_met(&self) -> bool {
        self.0.is_fetched().unwrap_or(false)
    }

    fn meet(&self) -> Result<()> {
        self.0.fetch()
    }

    fn commands(&self) -> Vec<String> {
        let lists = format!("apt-cache depends {}   # must name an image", self.0.meta_package);
        vec!["apt-get update".to_owned(), lists, "cargo xtask setup --vm".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_found_by_name_and_the_error_lists_them() {
        assert_eq!(by_name("6.12").unwrap().meta_package, "linux-image-6.12-cloud-amd64");
        assert_eq!(
            by_name("5.4").unwrap_err(),
            "no such kernel; there are 6.1, 6.12, 6.1-amd64, 6.12-amd64"
        );
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
