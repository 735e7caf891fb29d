//! The part of the command line that says where the kubelet is.

use std::path::PathBuf;

use http::Uri;

/// Where this node's kubelet answers.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KubeletArgs {
    /// Also ask this node's kubelet there, such as https://127.0.0.1:10250, with the credentials for the API
    /// server: its configuration takes the place of --kubelet-config, and its pods are taken while the API
    /// server does not tell them. Needs the verb `get` on `nodes/configz` and `nodes/pods`.
    #[arg(long, value_name = "URL", value_parser = https, requires = "api", conflicts_with = "kubelet_config")]
    pub kubelet_url: Option<Uri>,

    /// Who signed the kubelet's certificate, PEM; else the API server's CA. A kubelet that signs its own
    /// keeps it in pki/kubelet.crt below its root directory.
    #[arg(long, value_name = "FILE", requires = "kubelet_url")]
    pub kubelet_ca: Option<PathBuf>,
}

/// Without TLS the token would go to whoever listens there.
fn https(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|e| format!("{e}; give https://HOST:PORT"))?;
    let bare = url.path_and_query().is_none_or(|path| path.as_str() == "/");
    if url.scheme_str() != Some("https") || url.host().is_none() || !bare {
        return Err("give https://HOST:PORT".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::https;

    #[test]
    fn only_https_and_no_path() {
        for (text, good) in [
            ("https://127.0.0.1:10250", true),
            ("https://node-1", true),
            ("https://[::1]:10250/", true),
            ("http://127.0.0.1:10255", false),
            ("https://127.0.0.1:10250/pods", false),
            ("127.0.0.1:10250", false),
            ("", false),
        ] {
            assert_eq!(https(text).is_ok(), good, "{text}");
        }
    }
}
