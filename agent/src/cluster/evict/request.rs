//! What the API server is asked.

use std::{sync::Arc, time::Duration};

use evictd_core::EvictionId;
use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::Eviction},
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, Preconditions},
};
use kube::{
    api::PostParams,
    core::{ObjectMeta, Resource, request},
};

/// A grace of 0 would take the pod out of the API before it has ended; the kubelet waits 1 s at least
/// anyway (K-3).
const LEAST_GRACE_SECONDS: i64 = 1;

/// To evict one pod with grace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Number of the eviction.
    pub id: EvictionId,
    /// Namespace of the pod.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// A pod of that name with another UID is not meant.
    pub uid: Arc<str>,
    /// How long it has to end.
    pub grace: Duration,
}

impl Request {
    /// `POST /api/v1/namespaces/NAMESPACE/pods/NAME/eviction`.
    ///
    /// # Errors
    /// A name that cannot stand in a path.
    pub(super) fn to_http(&self) -> Result<http::Request<Vec<u8>>, request::Error> {
        let body = serde_json::to_vec(&self.eviction()).map_err(request::Error::SerializeBody)?;
        let path = Pod::url_path(&(), Some(&self.namespace));
        let pods = request::Request::new(path);
        pods.create_subresource("eviction", &self.name, &PostParams::default(), body)
    }

    fn eviction(&self) -> Eviction {
        let seconds = i64::try_from(self.grace.as_secs()).unwrap_or(i64::MAX);
        let uid = Some(self.uid.to_string());
        Eviction {
            metadata: ObjectMeta {
                name: Some(self.name.to_string()),
                namespace: Some(self.namespace.to_string()),
                ..ObjectMeta::default()
            },
            delete_options: Some(DeleteOptions {
                grace_period_seconds: Some(seconds.max(LEAST_GRACE_SECONDS)),
                preconditions: Some(Preconditions { uid, resource_version: None }),
                ..DeleteOptions::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn grace_and_uid_are_in_the_body() {
        let request = |grace| Request {
            id: EvictionId(1),
            namespace: "shop".into(),
            name: "web-0".into(),
            uid: "u-1".into(),
            grace: Duration::from_millis(grace),
        };
        for (grace, seconds) in [(0, 1), (999, 1), (1_000, 1), (30_500, 30)] {
            let http = request(grace).to_http().unwrap();
            assert_eq!(http.method(), "POST");
            assert_eq!(http.uri().path(), "/api/v1/namespaces/shop/pods/web-0/eviction");
            let body: Value = serde_json::from_slice(http.body()).unwrap();
            let expected = json!({
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": "web-0", "namespace": "shop"},
                "deleteOptions": {
                    "gracePeriodSeconds": seconds,
                    "preconditions": {"uid": "u-1"},
                },
            });
            assert_eq!(body, expected, "{grace} ms");
        }
    }
}
