//! The modules of a kernel that the guest needs, in the order in which they can be loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// What the tests use, where it is not built in. Kernels differ in what they have at all, so what is
/// missing is left out: the tests say what cannot run then. Checksums come first: others ask for
/// them by what they do, not by name. The network is for machines that have one.
pub(super) const WANTED: [&str; 9] = [
    "crc32c_generic",
    "nvme",
    "ext4",
    "xfs",
    "btrfs",
    "overlay",
    "loop",
    "virtio_pci",
    "virtio_net",
];

/// Writes the wanted modules of the kernel at `tree` (`lib/modules/RELEASE`), and what they depend
/// on, to `into` as `00-NAME.ko`, `01-NAME.ko` and so on, uncompressed, in loading order.
pub(super) fn unpack(tree: &Path, into: &Path) -> Result<()> {
    let mut loading = Loading {
        files: module_files(&tree.join("kernel"))?,
        built_in: built_in(&fs::read_to_string(tree.join("modules.builtin"))?),
        done: BTreeSet::new(),
        contents: Vec::new(),
    };
    for name in WANTED {
        if loading.files.contains_key(name) {
            loading.add(name)?;
        }
    }
    fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    for (number, (name, content)) in loading.contents.iter().enumerate() {
        fs::write(into.join(format!("{number:02}-{name}.ko")), content)?;
    }
    Ok(())
}

struct Loading {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
    done: BTreeSet<String>,
    contents: Vec<(String, Vec<u8>)>,
}

impl Loading {
    /// Adds a module behind those that it depends on.
    fn add(&mut self, name: &str) -> Result<()> {
        if self.built_in.contains(name) || !self.done.insert(name.to_owned()) {
            return Ok(());
        }
        let file = self.files.get(name).with_context(|| format!("there is no module {name}"))?;
        let content = read(file)?;
        for dependency in dependencies(&content) {
            self.add(&dependency).with_context(|| format!("module {name}"))?;
        }
        self.contents.push((name.to_owned(), content));
        Ok(())
    }
}

/// Every module below a folder by its name.
fn module_files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Some(name) = module_name(&entry.file_name()) {
                files.insert(name, entry.path());
            }
        }
    }
    Ok(files)
}

/// The kernel's own name of the module in a file such as `nvme-core.ko.xz`.
fn module_name(file: &OsStr) -> Option<String> {
    let file = file.to_str()?;
    let name = file.strip_suffix(".xz").unwrap_or(file).strip_suffix(".ko")?;
    Some(name.replace('-', "_"))
}

/// Names in a text such as `kernel/fs/ext4/ext4.ko`, one a line.
fn built_in(list: &str) -> BTreeSet<String> {
    list.lines().filter_map(|line| module_name(Path::new(line).file_name()?)).collect()
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file.extension() != Some(OsStr::new("xz")) {
        return fs::read(file).with_context(|| file.display().to_string());
    }
    let mut xz = Command::new("xz");
    xz.args(["--decompress", "--stdout"]).arg(file).stdin(Stdio::null());
    let output = xz.output().with_context(|| format!("cannot start {}", process::line(&xz)))?;
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", process::line(&xz), output.status, printed.trim_end());
    }
    Ok(output.stdout)
}

/// The modules whose symbols this one uses: `depends=a,b` among the texts of its section `.modinfo`.
fn dependencies(module: &[u8]) -> Vec<String> {
    const FIELD: &[u8] = b"\0depends=";
    let start = module.windows(FIELD.len()).position(|window| window == FIELD);
    let value = start.map(|start| &module[start + FIELD.len()..]).unwrap_or_default();
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value);
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_what_they_depend_on_and_without_what_is_built_in() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path();
        let kernel = tree.join("kernel/fs");
        fs::create_dir_all(&kernel).unwrap();
        fs::write(tree.join("modules.builtin"), "kernel/lib/crc16.ko\n").unwrap();
        for (file, depends) in [
            ("ext4.ko", "jbd2,crc16,mbcache"),
            ("jbd2.ko", "libcrc32c"),
            ("libcrc32c.ko", ""),
            ("mbcache.ko", ""),
            ("xfs.ko", "libcrc32c"),
            ("other.ko", ""),
        ] {
            fs::write(kernel.join(file), format!("ELF\0depends={depends}\0name=x\0")).unwrap();
        }
        let into = tree.join("out");
        unpack(tree, &into).unwrap();
        let mut names: Vec<String> = fs::read_dir(&into)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected =
            ["00-libcrc32c.ko", "01-jbd2.ko", "02-mbcache.ko", "03-ext4.ko", "04-xfs.ko"];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_missing_dependency_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path();
        fs::create_dir_all(tree.join("kernel")).unwrap();
        fs::write(tree.join("modules.builtin"), "").unwrap();
        fs::write(tree.join("kernel/xfs.ko"), "\0depends=libcrc32c\0").unwrap();
        let error = unpack(tree, &tree.join("out")).unwrap_err();
        assert_eq!(format!("{error:#}"), "module xfs: there is no module libcrc32c");
    }

    #[test]
    fn names_are_the_kernel_s_own() {
        let cases = [
            ("nvme-core.ko.xz", Some("nvme_core")),
            ("crc32c_generic.ko", Some("crc32c_generic")),
            ("modules.order", None),
        ];
        for (file, name) in cases {
            assert_eq!(module_name(OsStr::new(file)).as_deref(), name, "{file}");
        }
    }
}
