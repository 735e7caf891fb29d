//! Where the runtime listens.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where containerd, CRI-O and cri-dockerd listen, in the order they are looked for.
pub const SOCKETS: [&str; 3] =
    ["/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock"];

/// A unix socket that should be a runtime's. Parses what the kubelet takes as
/// `containerRuntimeEndpoint`, `unix:///run/containerd/containerd.sock`, and a bare path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(PathBuf);

/// What an endpoint may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no unix socket; allowed: unix:///PATH or an absolute path, such as unix://{first}", first = SOCKETS[0])]
pub struct EndpointError(String);

impl Endpoint {
    /// The first of [`SOCKETS`] that is there.
    pub fn usual() -> Option<Self> {
        SOCKETS.into_iter().find(|path| Path::new(path).exists()).map(|path| Self(path.into()))
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let path = text.strip_prefix("unix://").unwrap_or(text);
        let is_path = path.starts_with('/') && path.len() > 1;
        is_path.then(|| Self(path.into())).ok_or_else(|| EndpointError(text.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_unix_socket() {
        let cases = [
            ("the kubelet's form", "unix:///run/a.sock", Some("/run/a.sock")),
            ("a bare path", "/run/a.sock", Some("/run/a.sock")),
            ("relative", "run/a.sock", None),
            ("relative with scheme", "unix://run/a.sock", None),
            ("another scheme", "tcp://10.0.0.1:1", None),
            ("no path", "unix:///", None),
            ("empty", "", None),
        ];
        for (name, text, path) in cases {
            let parsed: Result<Endpoint, _> = text.parse();
            assert_eq!(parsed.ok().map(|e| e.path().to_owned()), path.map(Into::into), "{name}");
        }
        let error = "tcp://x".parse::<Endpoint>().expect_err("no socket").to_string();
        assert!(error.starts_with("`tcp://x` is no unix socket; allowed: unix:///PATH"), "{error}");
    }
}
