//! Keeps a control plane for a VM: `evictd-plane FOLDER` starts etcd and kube-apiserver on loopback, leaves in FOLDER
//! what a guest needs to reach them, says `ready`, and ends them when its standard input ends.

use std::{
    fs,
    io::{self, Read as _},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use evictd_tests::{
    beside::{CLUSTER_FILES, HOST, KUBECONFIG},
    control_plane::ControlPlane,
};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("which folder?")?);
    let plane = ControlPlane::start()?;
    plane.namespace("default")?;
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for file in ["ca.crt", "admin.crt", "admin.key"] {
        fs::copy(plane.dir().join(file), folder.join(file)).context(file)?;
    }
    let config = fs::read_to_string(plane.admin_kubeconfig())?;
    let config = config.replace("127.0.0.1", HOST);
    let config = config.replace(&plane.dir().display().to_string(), CLUSTER_FILES);
    fs::write(folder.join(KUBECONFIG), config)?;
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
