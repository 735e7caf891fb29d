//! Where the configuration comes from: the part of the command line that most commands have.

use std::path::PathBuf;

use tracing::warn;

use super::{
    Config, InputError, WrittenSemantics,
    file::{File, Own},
    kubelet::{drop_ins, file, flags},
    layer::Layer,
    layers::Layers,
};

/// The files and flags that a [`Config`] is made from.
///
/// A field that evictd's own file has wins over the kubelet's; of the kubelet's, flags win over drop-ins
/// and these over its file.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Sources {
    /// Configuration, YAML: evictd's own, with the kubelet's field names for everything the kubelet
    /// has, or a KubeletConfiguration. A field written in evictd's own wins over the kubelet's.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The kubelet's configuration (its `--config`): a KubeletConfiguration.
    #[arg(long, value_name = "FILE")]
    pub kubelet_config: Option<PathBuf>,

    /// The kubelet's drop-ins (its `--config-dir`): `*.conf`, applied by name on top of its
    /// configuration.
    #[arg(long, value_name = "DIR")]
    pub kubelet_config_dir: Option<PathBuf>,

    /// The kubelet's command line, or `@FILE` with it, such as @/var/lib/kubelet/kubeadm-flags.env.
    /// Its flags win over its configuration and drop-ins, which are read too if it names them and
    /// they are not given here. A kubelet with flags only has no default thresholds.
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    pub kubelet_flags: Option<String>,

    /// What the kubelet itself said, in the place of its file where none is given; it may not be there yet.
    #[arg(skip)]
    pub kubelet_told: Option<PathBuf>,

    /// Whose rules: strict fixes the kubelet's known accidents, kubelet repeats them. Wins over
    /// `semantics` of the configuration; strict if neither says.
    #[arg(long)]
    pub semantics: Option<WrittenSemantics>,
}

/// A node: its configuration and its pods.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub sources: Sources,

    /// Standalone: a directory of ordinary Pod manifests. Wins over `pods` of the configuration.
    #[arg(long, value_name = "DIR")]
    pub pods: Option<PathBuf>,
}

impl ConfigArgs {
    /// Reads and checks all of them.
    ///
    /// # Errors
    /// What is wrong with them; also when none is named: what a node evicts by is not guessed.
    pub fn read(&self) -> Result<Config, InputError> {
        if !self.sources.is_any() {
            let problem = "is needed, or --kubelet-config FILE, --kubelet-flags FLAGS";
            return Err(InputError::in_file("--config FILE".as_ref(), problem.to_owned()));
        }
        let mut config = self.sources.read()?;
        config.pods = self.pods.clone().unwrap_or(config.pods);
        Ok(config)
    }
}

impl Sources {
    /// True when any file or flags are named.
    pub const fn is_any(&self) -> bool {
        self.config.is_some()
            || self.kubelet_config.is_some()
            || self.kubelet_config_dir.is_some()
            || self.kubelet_flags.is_some()
    }

    /// Reads and checks all of them; the defaults where none is named.
    pub fn read(&self) -> Result<Config, InputError> {
        let flags = self.kubelet_flags.as_deref().map(flags::read).transpose()?;
        let paths = self.kubelet_paths(flags.as_ref());
        let mut own = Own::default();
        let mut layers = Layers::default();
        match self.config.as_deref().map(File::read).transpose()? {
            None => {}
            Some(File::Own(read, layer)) => {
                own = *read;
                layers.own = Some(layer);
            }
            Some(File::Kubelet(layer)) => layers.file = Some(layer),
        }
        match (&layers.file, &self.config, &self.kubelet_config) {
            (None, ..) => layers.file = paths.config.as_deref().map(file::read).transpose()?,
            (Some(_), Some(path), Some(_)) => {
                let problem = "is a KubeletConfiguration, and so is that of --kubelet-config";
                let error = InputError::in_file(path, problem.to_owned());
                return Err(error.allowed("evictd's own configuration, or only one of the two"));
            }
            (Some(_), ..) => {}
        }
        if layers.file.is_none() {
            layers.file = self.told();
        }
        layers.drop_ins = paths.config_dir.as_deref().map(drop_ins::read).transpose()?;
        layers.flags = flags.map(|flags| flags.layer);
        Config::of(own, &layers, self.semantics.map(Into::into))
    }

    /// The files that [`Self::read`] reads, as far as they can be named now.
    pub fn files(&self) -> Vec<PathBuf> {
        let argument = self.kubelet_flags.as_deref();
        let flags = argument.and_then(|argument| flags::read(argument).ok());
        let paths = self.kubelet_paths(flags.as_ref());
        let named = argument.and_then(flags::file).map(PathBuf::from);
        let told = self.kubelet_told.clone();
        let mut files: Vec<_> =
            [self.config.clone(), named, paths.config, told].into_iter().flatten().collect();
        if let Some(dir) = paths.config_dir {
            files.extend(drop_ins::files(&dir).unwrap_or_default());
            files.push(dir);
        }
        files
    }

    /// What the kubelet said last. evictd writes that file anew, so that one that cannot be used stops
    /// nothing.
    fn told(&self) -> Option<Layer> {
        let path = self.kubelet_told.as_deref().filter(|path| path.exists())?;
        file::read(path).inspect_err(|error| warn!("not used: {error}")).ok()
    }

    /// Those given win over those that the kubelet's flags name.
    fn kubelet_paths(&self, flags: Option<&flags::KubeletFlags>) -> KubeletPaths {
        let config = flags.and_then(|flags| flags.config.clone());
        let config_dir = flags.and_then(|flags| flags.config_dir.clone());
        KubeletPaths {
            config: self.kubelet_config.clone().or(config),
            config_dir: self.kubelet_config_dir.clone().or(config_dir),
        }
    }
}

/// The kubelet's file and its directory of drop-ins.
struct KubeletPaths {
    config: Option<PathBuf>,
    config_dir: Option<PathBuf>,
}
