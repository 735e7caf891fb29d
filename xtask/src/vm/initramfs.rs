//! The guest's whole userland: init, the static programs, the kernel's modules, what makes
//! filesystems, and the plan of what to run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cpio::Archive;
use super::kernel::Kernel;
use super::libraries;
use crate::process;

const FOLDERS: [&str; 6] = ["bin", "dev", "etc", "proc", "sys", "root"];
/// The program of evictd-tests that runs as PID 1.
const INIT: &str = "init";
const CONSOLE: (u32, u32) = (5, 1);
/// Programs of this machine that tests make filesystems with.
const MAKERS: [&str; 3] = ["mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"];

/// One command of the plan that init carries out.
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) limit: Duration,
    /// Program and arguments; a bare name is looked up in /bin.
    pub(crate) command: Vec<String>,
}

/// What else goes into an archive.
#[derive(Default)]
pub(crate) struct More {
    /// Programs of this machine with their libraries, by their names in /bin.
    pub(crate) programs: BTreeMap<String, PathBuf>,
    /// Files by their paths in the guest, without the slash in front.
    pub(crate) files: BTreeMap<String, PathBuf>,
}

/// A packed archive on disk.
pub(crate) struct Initramfs {
    pub(crate) path: PathBuf,
}

impl Initramfs {
    /// Packs programs (name in /bin, file here), what the kernel needs and the plan into an archive at
    /// `path`.
    pub(crate) fn pack(
        path: &Path,
        kernel: &Kernel,
        programs: &BTreeMap<String, PathBuf>,
        steps: &[Step],
    ) -> Result<Self> {
        Self::pack_with(path, kernel, programs, steps, &More::default())
    }

    /// The same, and what else is wanted.
    pub(crate) fn pack_with(
        path: &Path,
        kernel: &Kernel,
        programs: &BTreeMap<String, PathBuf>,
        steps: &[Step],
        more: &More,
    ) -> Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut archive = Archive::new(BufWriter::new(file));
        for folder in FOLDERS {
            archive.directory(folder)?;
        }
        // The kernel opens it before init runs: init's own complaints go there.
        archive.character_device("dev/console", CONSOLE)?;
        archive.file("etc/evictd-vm.plan", plan(steps)?.as_bytes())?;
        for (name, program) in programs {
            let at = if name == INIT { INIT.to_owned() } else { format!("bin/{name}") };
            archive.file(&at, &without_debug_info(program, path)?)?;
        }
        pack_modules(&mut archive, kernel)?;
        pack_dynamic(&mut archive, &more.programs)?;
        pack_files(&mut archive, &more.files)?;
        archive.finish()?;
        Ok(Self { path: path.to_owned() })
    }
}

/// Init loads them in the order of their names.
fn pack_modules(archive: &mut Archive<impl Write>, kernel: &Kernel) -> Result<()> {
    archive.directory("modules")?;
    for module in kernel.modules()? {
        let name = module.file_name().context("a module without a name")?.to_string_lossy();
        let content = fs::read(&module).with_context(|| module.display().to_string())?;
        archive.file(&format!("modules/{name}"), &content)?;
    }
    Ok(())
}

/// Packs [`MAKERS`] and these programs into /bin and their libraries where they look for them.
fn pack_dynamic(
    archive: &mut Archive<impl Write>,
    programs: &BTreeMap<String, PathBuf>,
) -> Result<()> {
    let mut all = programs.clone();
    for name in MAKERS {
        let program = process::find_program(name).with_context(|| format!("{name} is missing"))?;
        all.insert(name.to_owned(), program);
    }
    let mut found = BTreeMap::new();
    let inside = |path: &Path| path.to_string_lossy().trim_start_matches('/').to_owned();
    for (name, program) in &all {
        archive.file(&format!("bin/{name}"), &fs::read(program)?)?;
        found.extend(libraries::of(program)?.into_iter().map(|path| (inside(&path), path)));
    }
    pack_files(archive, &found)
}

/// Packs files with the folders that they lie in.
fn pack_files(archive: &mut Archive<impl Write>, files: &BTreeMap<String, PathBuf>) -> Result<()> {
    let folders: BTreeSet<&Path> =
        files.keys().flat_map(|inside| Path::new(inside).ancestors().skip(1)).collect();
    for folder in folders.iter().filter(|folder| !folder.as_os_str().is_empty()) {
        archive.directory(&folder.to_string_lossy())?;
    }
    for (inside, file) in files {
        let content = fs::read(file).with_context(|| file.display().to_string())?;
        archive.file(inside, &content)?;
    }
    Ok(())
}

/// The plan as init reads it: tab-separated name, seconds, program, arguments.
fn plan(steps: &[Step]) -> Result<String> {
    let mut text = String::new();
    for Step { name, limit, command } in steps {
        let mut words = vec![name.clone(), limit.as_secs().to_string()];
        words.extend(command.iter().cloned());
        if let Some(word) = words.iter().find(|word| word.contains(['\t', '\n'])) {
            bail!("{word:?}: tabs and line ends cannot be passed to the guest");
        }
        text.push_str(&words.join("\t"));
        text.push('\n');
    }
    Ok(text)
}

/// The program with its symbols but without debug information, ten times its size, which the
/// guest would hold in memory.
fn without_debug_info(program: &Path, beside: &Path) -> Result<Vec<u8>> {
    let stripped = beside.with_extension("stripped");
    let mut strip = Command::new("strip");
    strip.arg("--strip-debug").arg("-o").arg(&stripped).arg(program);
    process::run_quietly(&mut strip)?;
    let content = fs::read(&stripped)?;
    fs::remove_file(stripped)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(command: &[&str]) -> Step {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Step { name: "one".to_owned(), limit: Duration::from_secs(30), command }
    }

    #[test]
    fn plan_has_a_line_a_step() {
        let text = plan(&[step(&["evictd", "--version"]), step(&["echo", "a b"])]).unwrap();
        assert_eq!(text, "one\t30\tevictd\t--version\none\t30\techo\ta b\n");
    }

    #[test]
    fn plan_refuses_what_its_form_cannot_hold() {
        let error = plan(&[step(&["echo", "a\tb"])]).unwrap_err();
        assert!(error.to_string().starts_with("\"a\\tb\""), "{error}");
    }
}
