//! The command line of `evictd check`.

use std::path::PathBuf;

use crate::config::{Config, ConfigKind, InputError, Sources, WrittenSemantics};

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// evictd's configuration or a KubeletConfiguration.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Do not look at this machine: thresholds stay as written, only what the file alone tells is
    /// found. For a file that is meant for another node.
    #[arg(long, conflicts_with = "images")]
    pub no_node: bool,

    /// The kubelet's configuration on this node, to find thresholds that both would act on.
    /// Without it /var/lib/kubelet/config.yaml is taken, if there is one.
    #[arg(long, value_name = "FILE")]
    pub kubelet: Option<PathBuf>,

    /// The kubelet's drop-ins (its `--config-dir`): applied to whichever file is the kubelet's.
    #[arg(long, value_name = "DIR")]
    pub kubelet_config_dir: Option<PathBuf>,

    /// The kubelet's command line, or `@FILE` with it: applied to whichever file is the kubelet's.
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    pub kubelet_flags: Option<String>,

    /// Whose rules hold. Without it evictd's configuration says, and a KubeletConfiguration is read
    /// as the kubelet reads it.
    #[arg(long)]
    pub semantics: Option<WrittenSemantics>,

    /// Where the runtime keeps images, which a KubeletConfiguration does not say. Without it the usual
    /// places of containerd and CRI-O are looked at.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,

    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,

    /// Exit with 1 if there is any warning.
    #[arg(long)]
    pub strict: bool,
}

impl Args {
    /// Reads and checks the file.
    pub fn read(&self) -> Result<Config, InputError> {
        // The kubelet's rules take whatever evictd's take, so this tells whose file it is.
        let lenient = Some(self.semantics.unwrap_or(WrittenSemantics::Kubelet));
        let alone =
            Sources { config: Some(self.file.clone()), semantics: lenient, ..Sources::default() };
        match alone.read()?.eviction.kind {
            ConfigKind::Evictd => Sources { semantics: self.semantics, ..alone }.read(),
            ConfigKind::Kubelet => self.with_kubelet_sources(alone).read(),
        }
    }

    /// Adds the kubelet's drop-ins and flags.
    pub fn with_kubelet_sources(&self, args: Sources) -> Sources {
        Sources {
            kubelet_config_dir: self.kubelet_config_dir.clone(),
            kubelet_flags: self.kubelet_flags.clone(),
            ..args
        }
    }
}
