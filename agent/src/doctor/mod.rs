//! `evictd doctor`: what this machine offers evictd, what is degraded and why.

mod examine;
mod pods;
mod report;
mod text;

use std::{io, path::PathBuf, process::ExitCode};

use crate::{answer::Paint, cluster::ClusterArgs, config::Sources, exit, log::start_log};
use report::Verdict;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names the filesystems to look at, if they are not where a kubelet has them by default.
    #[command(flatten)]
    pub sources: Sources,

    /// The cluster that the node belongs to.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,

    /// The kernel's BTF, for kernels that keep it elsewhere.
    #[arg(long, value_name = "FILE", default_value = crate::probe::KERNEL_BTF)]
    pub btf: PathBuf,

    /// Where the kernel describes its tracepoints, instead of the places where tracefs usually is.
    #[arg(long, value_name = "DIR", hide = true)]
    pub tracefs: Option<PathBuf>,
}

/// Examines the machine. 0: evictd can run here, degraded or not; 1: it cannot; 2: the configuration
/// is wrong.
pub fn main(args: &Args) -> ExitCode {
    let config = match args.sources.read() {
        Ok(config) => config,
        Err(error) => {
            start_log(false);
            return exit::code(Err(error.into()));
        }
    };
    let report = examine::examine(&config, &args.cluster, &args.btf, args.tracefs.as_deref());
    let mut out = io::stdout().lock();
    let written = if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)
    } else {
        text::write(&mut out, &report, Paint::detect())
    };
    match written {
        Ok(()) if report.verdict != Verdict::Unable => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
