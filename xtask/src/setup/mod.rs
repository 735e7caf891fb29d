//! `setup`: installs what building and testing need, or says exactly what is missing.

mod apt;
mod bpf_compiler;
mod cargo_tool;
mod container_runtime;
mod go_tool;
mod kubernetes;
mod rustup;
mod system;

pub(crate) use apt::refreshing as apt_refreshing;
pub(crate) use bpf_compiler::BpfCompiler;
pub(crate) use cargo_tool::{bpf_linker, cargo_deny, cargo_fuzz};
pub(crate) use container_runtime::folder as container_runtime_folder;
pub(crate) use go_tool::helm;
use kubernetes::Kubelet;
pub(crate) use kubernetes::Kubernetes;
pub(crate) use rustup::static_target;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::progress::step;
use crate::vm::kernel::{self, KERNELS};
use crate::workspace::{Pins, Workspace};

/// Installs the pinned BPF toolchain and the system packages; does nothing where all is there.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// Also what the VM tests need: QEMU, kernels, the static Rust target
    #[arg(long)]
    vm: bool,
    /// Also what `ci` needs: clippy for the BPF toolchain, cargo-deny, cargo-fuzz
    #[arg(long)]
    lint: bool,
    /// Also what the tests against a real API server need: etcd, kube-apiserver, kubectl
    #[arg(long)]
    control_plane: bool,
}

/// What a subcommand is about to do, hence what must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Build,
    StaticBuild,
    /// Integration tests on this kernel.
    Host,
    Vm,
    Lint,
    Fuzz,
    /// Tests against a real API server.
    ControlPlane,
    /// A real kubelet.
    Kubelet,
    /// The container image.
    Image,
    /// Tools that the probes are measured beside.
    Peers,
}

/// One thing that must be there.
pub(crate) trait Requirement {
    fn name(&self) -> String;
    fn is_met(&self) -> bool;
    /// Installs it; the error says why that was not possible.
    fn meet(&self) -> Result<()>;
    /// What a person types to meet it.
    fn commands(&self) -> Vec<String>;
}

pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let mut purposes = vec![Purpose::Build];
    purposes
        .extend(options.vm.then_some([Purpose::StaticBuild, Purpose::Vm]).into_iter().flatten());
    purposes.extend(options.lint.then_some([Purpose::Lint, Purpose::Fuzz]).into_iter().flatten());
    purposes.extend(options.control_plane.then_some(Purpose::ControlPlane));
    ensure(&Workspace::load()?.pins, &purposes)?;
    eprintln!("setup: everything is there");
    Ok(ExitCode::SUCCESS)
}

/// Meets every requirement of the purposes; an error lists all that could not be met.
pub(crate) fn ensure(pins: &Pins, purposes: &[Purpose]) -> Result<()> {
    let mut missing = Vec::new();
    for requirement in purposes.iter().flat_map(|purpose| requirements(pins, *purpose)) {
        if requirement.is_met() {
            continue;
        }
        let name = requirement.name();
        let met = step(&format!("setting up {name}"), || {
            requirement.meet()?;
            if !requirement.is_met() {
                bail!("installed, but still not usable");
            }
            Ok(())
        });
        if let Err(error) = met {
            missing.push(describe(requirement.as_ref(), &error));
        }
    }
    if !missing.is_empty() {
        bail!("setup is not complete; missing:\n{}", missing.join("\n"));
    }
    Ok(())
}

fn requirements(pins: &Pins, purpose: Purpose) -> Vec<Box<dyn Requirement>> {
    match purpose {
        Purpose::Build => vec![
            Box::new(system::filesystem_tools()),
            Box::new(bpf_compiler::Wanted(pins.clone())),
            Box::new(bpf_linker(pins)),
        ],
        Purpose::StaticBuild => {
            vec![Box::new(rustup::StaticTarget), Box::new(system::musl_compiler())]
        }
        Purpose::Host => vec![
            Box::new(system::more_filesystem_tools()),
            Box::new(container_runtime::ContainerRuntime),
        ],
        Purpose::Vm => {
            let mut all: Vec<Box<dyn Requirement>> = vec![
                Box::new(system::filesystem_tools()),
                Box::new(system::more_filesystem_tools()),
                Box::new(system::qemu()),
            ];
            for kernel in &KERNELS {
                all.push(Box::new(kernel::Wanted(kernel)));
            }
            all
        }
        Purpose::Lint => vec![
            Box::new(rustup::HostLints),
            Box::new(rustup::BpfLints(pins.clone())),
            Box::new(cargo_deny()),
        ],
        Purpose::ControlPlane => {
            vec![Box::new(system::etcd()), Box::new(Kubernetes), Box::new(helm())]
        }
        Purpose::Kubelet => {
            vec![Box::new(system::etcd()), Box::new(Kubernetes), Box::new(Kubelet)]
        }
        Purpose::Image => vec![Box::new(system::image_builder())],
        Purpose::Peers => vec![Box::new(system::peers())],
        Purpose::Fuzz => vec![Box::new(system::cpp_compiler()), Box::new(cargo_fuzz())],
    }
}

fn describe(requirement: &dyn Requirement, error: &anyhow::Error) -> String {
    let mut text = format!("  - {}: {error:#}", requirement.name());
    for command in requirement.commands() {
        text.push_str("\n      ");
        text.push_str(&command);
    }
    text
}
