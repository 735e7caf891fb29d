//! Service accounts and their tokens.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use super::{ControlPlane, kubeconfig, kubeconfig::Credentials};

/// Tokens of tests outlive them.
const LIFETIME_S: i64 = 3600;

/// A service account, and the pod that a token of it is for.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// A pod that runs as it: its token names the pod and the pod's node, and ends with the pod.
    pub pod: Option<PodRef<'a>>,
}

/// A pod as a token names it.
#[derive(Clone, Copy, Debug)]
pub struct PodRef<'a> {
    /// Name.
    pub name: &'a str,
    /// `metadata.uid`.
    pub uid: &'a str,
}

impl<'a> Account<'a> {
    /// An account without a pod.
    pub const fn new(namespace: &'a str, name: &'a str) -> Self {
        Self { namespace, name, pod: None }
    }
}

impl ControlPlane {
    /// Lets the account do what these rules of RBAC (a YAML list on one line) say, and nothing else that
    /// was granted so before.
    pub fn grant(&self, to: Account<'_>, rules: &str) -> Result<()> {
        let Account { namespace, name, .. } = to;
        let role = format!(
            r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {name}}}
rules: {rules}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}
subjects: [{{kind: ServiceAccount, namespace: {namespace}, name: {name}}}]
"#
        );
        let file = self.dir().join(format!("role-{name}.yaml"));
        fs::write(&file, role)?;
        self.kubectl(&["apply", "-f", file.to_str().context("not UTF-8")?])?;
        Ok(())
    }

    /// Makes a namespace with its service account `default`, as controllers do; fine if it is there.
    pub fn namespace(&self, name: &str) -> Result<()> {
        let client = self.admin()?;
        self.wait(async {
            let api = Api::<Namespace>::all(client.clone());
            present(&api, Namespace { metadata: named(name), ..Namespace::default() }).await?;
            account(&client, name, "default").await
        })
    }

    /// Makes the account with its namespace, if they are not there, and a kubeconfig with a token of it.
    pub fn kubeconfig_for(&self, of: Account<'_>) -> Result<PathBuf> {
        self.namespace(of.namespace)?;
        let client = self.admin()?;
        self.wait(account(&client, of.namespace, of.name))?;
        let name = format!("{}-{}", of.namespace, of.name);
        let file = self.token_file(of);
        fs::write(&file, self.token(of)?).with_context(|| file.display().to_string())?;
        let credentials = Credentials::TokenFile(&file);
        kubeconfig::write(self.dir(), &name, self.url(), &self.authority(), &credentials)
    }

    /// The token file of [`Self::kubeconfig_for`].
    pub fn token_file(&self, of: Account<'_>) -> PathBuf {
        self.dir().join(format!("{}-{}.token", of.namespace, of.name))
    }

    /// A token of an account that is there.
    pub fn token(&self, of: Account<'_>) -> Result<String> {
        let bound = of.pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(pod.name.to_owned()),
            uid: Some(pod.uid.to_owned()),
        });
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(LIFETIME_S),
                bound_object_ref: bound,
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let api = Api::<ServiceAccount>::namespaced(self.admin()?, of.namespace);
        let params = PostParams::default();
        let answer = self.wait(api.create_token_request(of.name, &params, &request));
        let answer = answer.with_context(|| format!("a token of {}/{}", of.namespace, of.name))?;
        answer.status.and_then(|status| status.token).context("a token request without a token")
    }
}

async fn account(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let api = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    present(&api, ServiceAccount { metadata: named(name), ..ServiceAccount::default() }).await
}

/// Creates an object; one that is there already stays as it is.
pub(super) async fn present<K>(api: &Api<K>, object: K) -> Result<()>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize + Send + Sync,
{
    match api.create(&PostParams::default(), &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(e) => Err(e).with_context(|| format!("creating {object:?}")),
    }
}

pub(super) fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}
