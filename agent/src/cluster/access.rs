//! How the API server is reached: a kubeconfig, or the service account of a pod.

use std::path::{Path, PathBuf};

use kube::{
    Client, Config,
    config::{Kubeconfig, KubeconfigError},
};

use super::{ClusterArgs, ConnectError, timeouts};
use crate::fingerprint::fingerprint;

/// Where address and credentials are written.
#[derive(Clone, Debug)]
pub(super) enum Access {
    Kubeconfig(PathBuf),
    InCluster,
}

/// A client made from them, and the state of the files it was made from.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) server: String,
    /// Files that were read once; kube reads token files and the service account's CA again by itself.
    files: Vec<PathBuf>,
    seen: u64,
}

impl Opened {
    /// False if what it was made from has been written anew, such as a rotated client certificate.
    pub(super) fn is_current(&self) -> bool {
        fingerprint(&self.files) == self.seen
    }
}

impl Access {
    pub(super) fn of(args: &ClusterArgs) -> Self {
        args.kubeconfig.clone().map_or(Self::InCluster, Self::Kubeconfig)
    }

    /// Reads address and credentials. To be called within a runtime.
    pub(super) fn open(&self) -> Result<Opened, ConnectError> {
        match self {
            Self::Kubeconfig(path) => open_kubeconfig(path),
            Self::InCluster => {
                let error = |problem| ConnectError::InCluster { problem };
                opened(in_cluster()?, Vec::new()).map_err(|e| error(e.to_string()))
            }
        }
    }

    /// Address and credentials, read anew.
    pub(super) fn config(&self) -> Result<Config, ConnectError> {
        let mut config = match self {
            Self::Kubeconfig(path) => read_kubeconfig(path)?.0,
            Self::InCluster => in_cluster()?,
        };
        prepare(&mut config);
        Ok(config)
    }

    /// For people, where the server's address is not known.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Kubeconfig(path) => format!("of {}", path.display()),
            Self::InCluster => "of this cluster".to_owned(),
        }
    }
}

fn in_cluster() -> Result<Config, ConnectError> {
    Config::incluster().map_err(|e| ConnectError::InCluster { problem: e.to_string() })
}

fn open_kubeconfig(path: &Path) -> Result<Opened, ConnectError> {
    let (config, files) = read_kubeconfig(path)?;
    opened(config, files)
        .map_err(|e| ConnectError::Kubeconfig { path: path.to_owned(), problem: e.to_string() })
}

/// What it says, and the files that it consists of.
fn read_kubeconfig(path: &Path) -> Result<(Config, Vec<PathBuf>), ConnectError> {
    let error = |problem| ConnectError::Kubeconfig { path: path.to_owned(), problem };
    let read = Kubeconfig::read_from(path).map_err(|e| error(unreadable(&e)))?;
    let mut files = vec![path.to_owned()];
    files.extend(named_files(&read));
    let config = Config::try_from(read).map_err(|e| error(unreadable(&e)))?;
    if config.cluster_url.host().is_none() {
        return Err(error(format!("`{}` is no address of a server", config.cluster_url)));
    }
    Ok((config, files))
}

/// What kube says, without the file's name, which stands in front already.
fn unreadable(error: &KubeconfigError) -> String {
    if let KubeconfigError::ReadConfig(error, _) = error {
        return error.to_string();
    }
    let text = error.to_string();
    // The rest of what the parser says shows the file itself, where there may be secrets.
    text.lines().next().unwrap_or_default().to_owned()
}

/// The certificates and keys that the kubeconfig names; token files are read anew by kube.
fn named_files(kubeconfig: &Kubeconfig) -> Vec<PathBuf> {
    let clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let users = kubeconfig.auth_infos.iter().filter_map(|named| named.auth_info.as_ref());
    let users = users.flat_map(|user| [&user.client_certificate, &user.client_key]);
    let named = clusters.map(|cluster| &cluster.certificate_authority).chain(users);
    named.flatten().map(PathBuf::from).collect()
}

fn prepare(config: &mut Config) {
    timeouts::set(config);
    // A refusal is an answer, too: who asked decides when to ask again.
    config.default_retry = false;
}

fn opened(mut config: Config, files: Vec<PathBuf>) -> Result<Opened, kube::Error> {
    prepare(&mut config);
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let seen = fingerprint(&files);
    Ok(Opened { client: Client::try_from(config)?, server, files, seen })
}
