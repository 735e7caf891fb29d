//! `kubelet`: evictd beside the real kubelet, with containerd, on a node in a VM.

mod plane;
mod told;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::build::{self, Programs};
use crate::demo::require_root;
use crate::progress::step;
use crate::setup::{self, Kubernetes, Purpose};
use crate::vm::BOOT_LIMIT;
use crate::vm::boot::Machine;
use crate::vm::guest::{GuestLine, Verdict};
use crate::vm::initramfs::{Initramfs, More, Step};
use crate::vm::kernel::{self, Kernel};
use crate::workspace::Workspace;
use plane::Plane;
use told::Told;

/// Shows how evictd and a real kubelet (v1.36) with containerd get along on one node, in a VM: who evicts first, and
/// what the kubelet makes of a pod that evictd evicted. A pod takes memory, another one's log fills the disk, each
/// with the kubelet alone and with evictd. Takes some 10 minutes, the first time 10 to 20 more to build the kubelet
/// and the API server. Emulation is slow: times show the order, not the speed.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kernel to boot
    #[arg(value_parser = kernel::by_name, default_value = "6.12")]
    kernel: &'static Kernel,
    /// One JSON object a run
    #[arg(long)]
    json: bool,
}

/// The program of evictd-tests that runs in the guest.
const GUEST: &str = "evictd-beside";
/// Of the whole: four runs under emulation.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// Programs in the guest that have libraries, where they lie below the unpacked packages.
const RUNTIME: [&str; 4] =
    ["usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/bin/ctr", "usr/sbin/runc"];

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    require_root("kubelet")?;
    let workspace = Workspace::load()?;
    let purposes =
        [Purpose::Build, Purpose::StaticBuild, Purpose::Vm, Purpose::Host, Purpose::Kubelet];
    setup::ensure(&workspace.pins, &purposes)?;
    let programs = build::tested(&workspace)?.programs;
    let folder = workspace.scratch().join("kubelet");
    let plane = step("starting the API server", || Plane::start(&programs, &folder))?;
    let machine = Machine::prepare(&workspace, options.kernel, |folder| {
        let path = folder.join("kubelet.cpio");
        Initramfs::pack_with(&path, options.kernel, &guest(&programs)?, &plan(), &more(&plane)?)
    })?;
    let machine = machine.with_network();

    let mut told = Told::default();
    let mut verdict = None;
    let what = format!("evictd beside the kubelet on Linux {}", options.kernel.name);
    let off = step(&what, || {
        machine.boot(LIMIT + BOOT_LIMIT, |line| match GuestLine::parse(line) {
            GuestLine::Output(text) => told.line(text, options.json),
            GuestLine::Ended { verdict: end, .. } => verdict = Some(end),
            GuestLine::Kernel(_) | GuestLine::Started(_) | GuestLine::Done => {}
        })
    });
    if !options.json {
        print!("{told}");
    }
    off.with_context(|| format!("its console ends:\n{}\n", machine.console_end().join("\n")))?;
    Ok(match verdict {
        Some(Verdict::Ok) => ExitCode::SUCCESS,
        Some(Verdict::Exited(_) | Verdict::Failed(_)) | None => ExitCode::FAILURE,
    })
}

fn plan() -> Vec<Step> {
    vec![Step { name: GUEST.to_owned(), limit: LIMIT, command: vec![GUEST.to_owned()] }]
}

/// Programs without libraries.
fn guest(programs: &Programs) -> Result<Programs> {
    let mut guest = Programs::new();
    for name in ["init", "evictd", "evictd-workload", GUEST] {
        guest.insert(name.to_owned(), build::program(programs, name)?.to_owned());
    }
    guest.insert("busybox".to_owned(), setup::container_runtime_folder()?.join("bin/busybox"));
    guest.insert("kubelet".to_owned(), Kubernetes::folder()?.join("kubelet"));
    Ok(guest)
}

fn more(plane: &Plane) -> Result<More> {
    let packages = setup::container_runtime_folder()?;
    let named = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        (name.to_owned(), packages.join(path))
    };
    let programs: BTreeMap<String, PathBuf> = RUNTIME.into_iter().map(named).collect();
    Ok(More { programs, files: plane.files()? })
}
