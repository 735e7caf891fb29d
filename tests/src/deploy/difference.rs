//! Where two sets of objects differ.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What the API server makes up for every object.
const MADE_UP: [&str; 4] = ["uid", "creationTimestamp", "generation", "managedFields"];
/// Labels that only Helm sets.
const HELMS: [&str; 3] =
    ["app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"];

/// Differences of two sets of objects, each by kind and name: one line a place. Labels of Helm's, what the API
/// server makes up, and the order of what has names are none.
pub fn differences(left: &[(String, Value)], right: &[(String, Value)]) -> Vec<String> {
    let mut found = Vec::new();
    let [left, right] = [left, right].map(|objects| {
        let named = objects.iter().map(|(name, object)| (name.clone(), plain(object)));
        Value::Object(named.collect::<Map<_, _>>())
    });
    compare(&left, &right, "", &mut found);
    found
}

fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| !MADE_UP.contains(&key.as_str()));
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.retain(|key, _| !HELMS.contains(&key.as_str()));
        }
    }
    if let (Some("ConfigMap"), Some(data)) = (object["kind"].as_str(), object.get("data").cloned())
    {
        object["data"] = parsed(&data);
    }
    object
}

/// Files of a ConfigMap that are YAML, by what they say.
fn parsed(data: &Value) -> Value {
    let file = |text: &Value| {
        let read = text.as_str().and_then(|text| serde_saphyr::from_str::<Value>(text).ok());
        read.unwrap_or_else(|| text.clone())
    };
    let files = data.as_object().into_iter().flatten();
    Value::Object(files.map(|(name, text)| (name.clone(), file(text))).collect())
}

fn compare(left: &Value, right: &Value, at: &str, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
            for key in keys {
                let of = |side: &Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                compare(&of(left), &of(right), &format!("{at}/{key}"), found);
            }
        }
        (Value::Array(left), Value::Array(right)) => match (by_name(left), by_name(right)) {
            (Some(left), Some(right)) => compare(&left, &right, at, found),
            _ if left != right => found.push(format!("{at}: {left:?} and {right:?}")),
            _ => {}
        },
        _ if left != right => found.push(format!("{at}: {left} and {right}")),
        _ => {}
    }
}

/// A list whose members all have a name, by name. Lists of other things mean their order.
fn by_name(list: &[Value]) -> Option<Value> {
    let mut named = BTreeMap::new();
    for member in list {
        named.insert(member.get("name")?.as_str()?.to_owned(), member.clone());
    }
    (named.len() == list.len()).then(|| Value::Object(named.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_told_with_its_place() {
        let object = json!({
            "kind": "Pod",
            "metadata": {"name": "a", "uid": "1", "labels": {"helm.sh/chart": "x", "a": "b"}},
            "spec": {"volumes": [{"name": "v"}, {"name": "w"}], "args": ["1", "2"]},
        });
        let changed = |pointer: &str, value: Value| {
            let mut object = object.clone();
            if let Some(place) = object.pointer_mut(pointer) {
                *place = value;
            }
            object
        };
        let cases = [
            ("the same", object.clone(), None),
            ("made up", changed("/metadata/uid", json!("2")), None),
            ("Helm's", changed("/metadata/labels/helm.sh~1chart", json!("y")), None),
            ("order", changed("/spec/volumes", json!([{"name": "w"}, {"name": "v"}])), None),
            (
                "a label",
                changed("/metadata/labels/a", json!("c")),
                Some("/Pod a/metadata/labels/a: \"b\" and \"c\""),
            ),
            ("arguments", changed("/spec/args", json!(["2", "1"])), Some("/Pod a/spec/args: ")),
            (
                "one less",
                changed("/spec/volumes", json!([{"name": "v"}])),
                Some("/Pod a/spec/volumes/w: {\"name\":\"w\"} and null"),
            ),
        ];
        for (name, other, expected) in cases {
            let side = |object| [("Pod a".to_owned(), object)];
            let found = differences(&side(object.clone()), &side(other));
            match expected {
                None => assert_eq!(found, Vec::<String>::new(), "{name}"),
                Some(line) => assert!(found[0].starts_with(line), "{name}: {found:?}"),
            }
        }
    }
}
