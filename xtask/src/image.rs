//! `image`: the container image of deploy/Dockerfile, without a container engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::build::{self, EVICTD, Linkage, Profile};
use crate::demo::require_root;
use crate::process;
use crate::progress::step;
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;

const DOCKERFILE: &str = "deploy/Dockerfile";
/// Its stage that compiles, in whose place evictd comes from here.
const BUILD_STAGE: &str = "build";
/// The program in the image, bytes.
const LARGEST: u64 = 30_000_000;
/// What the image is called where nothing else is said.
const NAME: &str = concat!("evictd:", env!("CARGO_PKG_VERSION"));

/// Builds evictd without shared libraries and puts it into the image of deploy/Dockerfile, by buildah: no daemon,
/// nothing is pulled. Writes an archive for `docker load`, `podman load` or `ctr images import`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Name and tag of the image
    #[arg(long, default_value = NAME)]
    name: String,
    /// Where the archive goes [default: target/xtask/image/evictd.tar]
    #[arg(long)]
    output: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    require_root("image")?;
    let workspace = Workspace::load()?;
    setup::ensure(&workspace.pins, &[Purpose::Build, Purpose::StaticBuild, Purpose::Image])?;
    let programs = build::programs(&workspace, Profile::Release, Linkage::Static)?;
    let evictd = build::program(&programs, EVICTD)?;
    let archive = pack(&workspace, evictd, &options.name, options.output.as_deref())?;
    let bytes = fs::metadata(&archive).with_context(|| archive.display().to_string())?.len();
    eprintln!("{}: {} kB", options.name, bytes / 1000);
    println!("{}", archive.display());
    Ok(ExitCode::SUCCESS)
}

/// The image under its usual name in its usual place, of that static evictd.
pub(crate) fn usual(workspace: &Workspace, evictd: &Path) -> Result<PathBuf> {
    pack(workspace, evictd, NAME, None)
}

fn pack(
    workspace: &Workspace,
    evictd: &Path,
    name: &str,
    output: Option<&Path>,
) -> Result<PathBuf> {
    let folder = workspace.scratch().join("image");
    let archive = output.map_or_else(|| folder.join("evictd.tar"), Path::to_owned);
    let (stage, context) = (folder.join("stage"), folder.join("context"));
    for folder in [&stage, &context] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    step("building the image", || {
        let stripped = stage.join(EVICTD);
        process::run_quietly(Command::new("strip").arg("-o").arg(&stripped).arg(evictd))?;
        let bytes = fs::metadata(&stripped).with_context(|| stripped.display().to_string())?.len();
        if bytes > LARGEST {
            bail!("{}: {bytes} bytes, more than {LARGEST}", stripped.display());
        }
        if archive.exists() {
            // It would be added to.
            fs::remove_file(&archive).with_context(|| archive.display().to_string())?;
        }
        let build = format!("{BUILD_STAGE}={}", stage.display());
        process::run_quietly(
            buildah(&folder)
                .args(["build", "--isolation", "chroot", "--build-context", &build, "--tag", name])
                .arg("--file")
                .arg(workspace.root.join(DOCKERFILE))
                .arg(&context),
        )?;
        let to = format!("docker-archive:{}:{name}", archive.display());
        process::run_quietly(buildah(&folder).args(["push", name, &to]))?;
        process::run_quietly(buildah(&folder).args(["rmi", name]))
    })?;
    Ok(archive)
}

/// With a store of its own: what the machine's engines have is not touched.
fn buildah(folder: &Path) -> Command {
    let mut buildah = Command::new("buildah");
    buildah.arg("--root").arg(folder.join("store")).arg("--runroot").arg(folder.join("run"));
    buildah.args(["--storage-driver", "vfs"]);
    buildah
}
