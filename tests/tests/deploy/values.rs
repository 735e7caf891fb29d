//! The chart's values are documented where people look, and the manifests are what evictd reads.

use std::fs;

use evictd_tests::deploy::{chart, directory};
use serde_json::Value;

/// A value: its path, the words above it.
struct Documented {
    path: String,
    words: String,
}

/// The values with a `# --` above them, as helm-docs reads it.
fn documented(values: &str) -> Vec<Documented> {
    let (mut found, mut words, mut parent) = (Vec::new(), String::new(), String::new());
    for line in values.lines() {
        let text = line.trim_start();
        if let Some(first) = text.strip_prefix("# -- ") {
            first.clone_into(&mut words);
        } else if let Some(more) = text.strip_prefix("# ") {
            words = format!("{words} {more}");
        } else if let Some((key, _)) = text.split_once(':') {
            let is_top = text.len() == line.len();
            if is_top {
                key.clone_into(&mut parent);
            }
            if !words.is_empty() {
                let path = if is_top { key.to_owned() } else { format!("{parent}.{key}") };
                found.push(Documented { path, words: std::mem::take(&mut words) });
            }
        }
    }
    found
}

fn read(name: &str) -> String {
    fs::read_to_string(directory().join("helm/evictd").join(name)).unwrap()
}

#[test]
fn every_value_is_in_the_charts_table_and_in_its_schema() {
    let (values, table) = (read("values.yaml"), read("README.md"));
    let parsed: Value = serde_saphyr::from_str(&values).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let documented = documented(&values);
    for Documented { path, words } in &documented {
        let row = format!("| `{path}` | {words} | ");
        assert!(table.contains(&row), "README.md has no row that begins `{row}`");
    }
    for (key, value) in parsed.as_object().unwrap() {
        let leaves = documented.iter().filter(|leaf| leaf.path.split('.').next() == Some(key));
        assert!(leaves.count() > 0, "{key} is not documented with `# --`");
        assert!(
            schema["properties"].get(key).is_some(),
            "{key} is not in values.schema.json: {value}"
        );
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    if std::env::var_os(evictd_tests::deploy::HELM).is_none() {
        println!("cannot run here: {} is not set", evictd_tests::deploy::HELM);
        return;
    }
    let cases = [
        ("mode=enforced", "/mode"),
        ("config.mode=enforce", "/config/mode"),
        ("http.port=0", "/http/port"),
        ("extraCapabilities={CAP_KILL}", "/extraCapabilities/0"),
        ("kubelet.rootDirectory=kubelet", "/kubelet/rootDirectory"),
        ("image.digest=sha256:1", "/image/digest"),
        ("replicas=2", "additional properties 'replicas'"),
        ("podMonitor.enabled=true,serviceMonitor.enabled=true", "enable one"),
    ];
    for (value, expected) in cases {
        let told = chart(&[value]).unwrap_err().to_string();
        assert!(told.contains(expected), "{value}: {told}");
    }
}
