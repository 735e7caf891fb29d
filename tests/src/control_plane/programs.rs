//! Where kube-apiserver, kubectl and etcd are, and how they are started.

use std::{
    env,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::authority::Authority;

/// Names the folder of kube-apiserver and kubectl, or is [`LEFT_OUT`]; `cargo xtask` sets it.
pub const VARIABLE: &str = "EVICTD_KUBERNETES";
/// The value of [`VARIABLE`] where the tests that need an API server are left out.
pub const LEFT_OUT: &str = "none";

/// To clients that call it so (`tls-server-name`) the API server shows a certificate that is not valid yet: they
/// see it as one does whose clock is far behind.
pub const NOT_YET_VALID: &str = "not-yet-valid.test";
/// The same with one that is not valid any more, as of a clock far ahead.
pub const EXPIRED: &str = "expired.test";
const OTHER_TIMES: [(&str, (i32, i32)); 2] =
    [(NOT_YET_VALID, (2200, 2300)), (EXPIRED, (1990, 2000))];

/// The folder of kube-apiserver and kubectl; `None` where they are left out.
pub(super) fn folder() -> Result<Option<PathBuf>> {
    let Some(folder) = env::var_os(VARIABLE) else {
        bail!("{VARIABLE} is not set (the folder of kube-apiserver; `cargo xtask e2e` makes it)");
    };
    if folder == LEFT_OUT {
        return Ok(None);
    }
    let folder = PathBuf::from(folder);
    if !folder.join("kube-apiserver").is_file() {
        bail!("{VARIABLE}: there is no kube-apiserver in {}", folder.display());
    }
    Ok(Some(folder))
}

/// A port of the loopback device that nobody listens on.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

pub(super) fn etcd(dir: &Path, clients: u16) -> Result<Command> {
    let (clients, peers) =
        (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{}", free_port()?));
    let mut command = Command::new("etcd");
    command.args(["--name", "default", "--log-level", "warn", "--data-dir"]).arg(dir.join("etcd"));
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    command.args(["--initial-cluster", &format!("default={peers}")]);
    Ok(command)
}

/// Every start of one control plane's API server is the same: same port, same keys, same etcd.
pub(super) fn apiserver(
    program: &Path,
    authority: &Authority,
    port: u16,
    etcd: u16,
) -> Result<Command> {
    let serving = authority.server()?;
    let (public, private) = authority.token_keys()?;
    let mut command = Command::new(program);
    let mut file = |option: &str, path: &Path| {
        command.arg(format!("--{option}={}", path.display()));
    };
    file("client-ca-file", &authority.certificate());
    file("tls-cert-file", &serving.certificate);
    file("tls-private-key-file", &serving.key);
    file("service-account-key-file", &public);
    file("service-account-signing-key-file", &private);
    for (name, years) in OTHER_TIMES {
        let pair = authority.server_valid(name, years)?;
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        command.arg(format!("--tls-sni-cert-key={certificate},{key}:{name}"));
    }
    command.arg(format!("--secure-port={port}"));
    command.arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"));
    command.args([
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        // Without a controller there is nobody who would use it.
        "--endpoint-reconciler-type=none",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/24",
        // Off by default, on in every cluster.
        "--allow-privileged=true",
        "--authorization-mode=RBAC",
        "--enable-admission-plugins=ServiceAccount",
        "--profiling=false",
        // etcd 3.4 tells too little for it, of which the API server complains every second.
        "--feature-gates=SizeBasedListCostEstimate=false",
        "--shutdown-delay-duration=0",
    ]);
    Ok(command)
}
