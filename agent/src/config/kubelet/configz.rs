//! What a running kubelet says it is configured by, as a file that can be read like its own.

use serde_json::{Map, Value};

use super::file::{API_VERSION, KIND};
use crate::config::shared::WrittenShared;

/// A KubeletConfiguration with those fields of the kubelet's answer to `/configz` that matter here.
/// The others are left out, for a newer kubelet may have some that are not known yet.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn as_file(answer: &str) -> Result<String, String> {
    let answer: Value = serde_json::from_str(answer).map_err(|e| format!("no JSON: {e}"))?;
    let told = answer.get("kubeletconfig").and_then(Value::as_object);
    let told = told.ok_or("no `kubeletconfig` in it")?;
    let mut fields = Map::from_iter([
        ("kind".to_owned(), KIND.into()),
        ("apiVersion".to_owned(), API_VERSION.into()),
    ]);
    let shared = told.iter().filter(|(name, _)| WrittenShared::NAMES.contains(&name.as_str()));
    fields.extend(shared.map(|(name, value)| (name.clone(), value.clone())));
    // JSON is YAML; over several lines for people.
    serde_json::to_string_pretty(&fields).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn what_a_kubelet_says_is_read_as_its_file() {
        let answer = r#"{"kubeletconfig": {"syncFrequency": "1m0s", "ofANewerKubelet": [1],
            "evictionHard": {"memory.available": "300Mi"}, "evictionPressureTransitionPeriod": "5m0s",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock"}}"#;
        let file = as_file(answer).unwrap();
        assert!(!file.contains("syncFrequency") && !file.contains("ofANewerKubelet"), "{file}");
        let config = Config::parse(Path::new("configz.yaml"), &file).unwrap();
        let by_file = "{kind: KubeletConfiguration, apiVersion: kubelet.config.k8s.io/v1beta1, \
            evictionHard: {memory.available: 300Mi}, evictionPressureTransitionPeriod: 5m0s, \
            containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock'}";
        assert_eq!(config.policy, Config::parse(Path::new("k.yaml"), by_file).unwrap().policy);
    }

    #[test]
    fn what_is_no_answer_of_a_kubelet_is_named() {
        let cases = [
            ("", "no JSON: "),
            ("[]", "no `kubeletconfig`"),
            ("{\"kubeletconfig\":1}", "no `kube"),
        ];
        for (answer, problem) in cases {
            let error = as_file(answer).unwrap_err();
            assert!(error.starts_with(problem), "{answer}: {error}");
        }
    }
}
