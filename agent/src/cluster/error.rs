//! What can be wrong between evictd and the API server, told so that it can be put right.

use std::{error::Error as StdError, io, path::PathBuf};

use thiserror::Error;

/// A call to the API server: the verb and the resource, as RBAC rules name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Such as `watch` or `patch`.
    pub verb: &'static str,
    /// Such as `pods` or `pods/status`.
    pub resource: &'static str,
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

/// Why the API server cannot be asked, or does not do what it is asked for.
///
/// Each says what was tried and where, what came of it, and what to do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConnectError {
    /// The file cannot be read, or is no kubeconfig that can be used.
    #[error("--kubeconfig {}: {problem}; give a file that `kubectl --kubeconfig` can use", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// This is no pod, or one without a service account's token.
    #[error(
        "--in-cluster: {problem}; run evictd in a pod with a service account \
         (automountServiceAccountToken), or give --kubeconfig FILE"
    )]
    InCluster {
        /// What is missing.
        problem: String,
    },
    /// Neither given nor found.
    #[error(
        "the name of this node: {problem}; give --node-name NAME, or NODE_NAME from the pod's spec.nodeName"
    )]
    NodeName {
        /// What is wrong with it.
        problem: String,
    },
    /// There is no connection.
    #[error(
        "{tried}: cannot connect to the API server at {server}: {problem}; is it running, and is that \
         its address?"
    )]
    Unreachable {
        /// Address of the API server.
        server: String,
        /// What was asked for.
        tried: Attempt,
        /// What the system said.
        problem: String,
    },
    /// There is a connection, or the beginning of one, and nothing comes back.
    #[error("{tried}: the API server at {server} has not answered for {seconds} s")]
    TimedOut {
        /// Address of the API server.
        server: String,
        /// What was asked for.
        tried: Attempt,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Its certificate is signed by nobody that is trusted.
    #[error(
        "{tried}: the certificate of the API server at {server} is signed by an unknown authority \
         ({problem}); give that cluster's CA: `certificate-authority` of the kubeconfig, ca.crt of the \
         service account"
    )]
    UnknownAuthority {
        /// Address of the API server.
        server: String,
        /// What was asked for.
        tried: Attempt,
        /// What the check of the certificate said.
        problem: String,
    },
    /// TLS failed otherwise.
    #[error(
        "{tried}: no secure connection to the API server at {server}: {problem}; check its certificate, and the clocks of both"
    )]
    Tls {
        /// Address of the API server.
        server: String,
        /// What was asked for.
        tried: Attempt,
        /// What the check of the certificate, or the handshake, said.
        problem: String,
    },
    /// 401.
    #[error(
        "{tried}: the API server at {server} does not accept the credentials (401 {message}); is the \
         token or client certificate expired, or that of another cluster?"
    )]
    Unauthorized {
        /// Address of the API server.
        server: String,
        /// What was asked for.
        tried: Attempt,
        /// What it said.
        message: String,
    },
    /// 403.
    #[error(
        "{tried}: the API server at {server} does not allow it (403: {message}); the role of evictd's \
         service account needs the verb `{}` on `{}`",
        tried.verb, tried.resource
    )]
    Forbidden {
        /// Address of the API server.
        server: String,
        /// What was asked for.
        tried: Attempt,
        /// What it said.
        message: String,
    },
    /// 404 for the node itself.
    #[error(
        "the cluster at {server} has no node `{node}`; give --node-name NAME as `kubectl get nodes` lists it"
    )]
    NodeNotFound {
        /// Address of the API server.
        server: String,
        /// The name that was asked for.
        node: String,
    },
    /// Any other refusal.
    #[error("{tried}: the API server at {server} answers {code}: {message}")]
    Refused {
        /// Address of the API server.
        server: String,
        /// What was asked for.
        tried: Attempt,
        /// The HTTP status.
        code: u16,
        /// What it said.
        message: String,
    },
    /// The connection broke, or what came is no answer of an API server.
    #[error("{tried}: the answer of the API server at {server} cannot be used: {problem}")]
    Answer {
        /// Address of the API server.
        server: String,
        /// What was asked for.
        tried: Attempt,
        /// What was wrong with it.
        problem: String,
    },
}

impl ConnectError {
    /// What `error` means, of a call to the API server at `server`.
    pub fn of(server: &str, tried: Attempt, error: &kube::Error) -> Self {
        let server = server.to_owned();
        if let kube::Error::Api(status) = error {
            let message = status.message.clone();
            return match status.code {
                401 => Self::Unauthorized { server, tried, message },
                403 => Self::Forbidden { server, tried, message },
                code => Self::Refused { server, tried, code, message },
            };
        }
        let chain = chain(error);
        if let Some(known) = chain.iter().find_map(|error| error.downcast_ref::<Self>()) {
            // The service below knows how long it has waited, not for what.
            if let Self::TimedOut { seconds, .. } = *known {
                return Self::TimedOut { server, tried, seconds };
            }
            return known.clone();
        }
        let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
        let problem = texts.last().cloned().unwrap_or_default();
        let kind = chain.iter().find_map(|error| error.downcast_ref::<io::Error>());
        let connects = texts.iter().any(|text| text.contains("client error (Connect)"));
        if texts.iter().any(|text| text.contains("UnknownIssuer")) {
            Self::UnknownAuthority { server, tried, problem }
        } else if texts.iter().any(|text| text.contains("certificate")) {
            Self::Tls { server, tried, problem }
        } else if connects || kind.is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            Self::Unreachable { server, tried, problem }
        } else {
            Self::Answer { server, tried, problem }
        }
    }

    /// True if it was what was given on the command line that cannot be used, rather than what is there.
    pub const fn is_bad_input(&self) -> bool {
        matches!(self, Self::Kubeconfig { .. } | Self::NodeName { .. })
    }

    /// The HTTP status, if the API server gave one.
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::Unauthorized { .. } => Some(401),
            Self::Forbidden { .. } => Some(403),
            Self::NodeNotFound { .. } => Some(404),
            Self::Refused { code, .. } => Some(*code),
            Self::Kubeconfig { .. }
            | Self::InCluster { .. }
            | Self::NodeName { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::UnknownAuthority { .. }
            | Self::Tls { .. }
            | Self::Answer { .. } => None,
        }
    }
}

/// What lies below all that `error` is wrapped in.
pub(super) fn cause(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

/// The error and what caused it. What an `io::Error` wraps is not among its sources by itself.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut chain = vec![error];
    let mut last = error;
    loop {
        let wrapped = last.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let next = wrapped.map(|e| e as &(dyn StdError + 'static)).or_else(|| last.source());
        match next {
            Some(next) => {
                chain.push(next);
                last = next;
            }
            None => return chain,
        }
    }
}
