//! Named cases, and what holds for every node.

use k8s_openapi::api::core::v1::{NodeSpec, NodeStatus};
use kube::core::ObjectMeta;
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;

const MEMORY: NodeCondition = NodeCondition::MemoryPressure;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn desired(memory: bool, since: i64) -> Desired {
    let state = |status| State { status, since: at(since) };
    Desired {
        conditions: Some([state(memory), state(false), state(false)]),
        taints: [memory, false, false],
    }
}

fn node(conditions: Vec<Written>, taints: Vec<Taint>) -> Node {
    Node {
        metadata: ObjectMeta { resource_version: Some("7".into()), ..ObjectMeta::default() },
        spec: Some(NodeSpec { taints: Some(taints), ..NodeSpec::default() }),
        status: Some(NodeStatus { conditions: Some(conditions), ..NodeStatus::default() }),
    }
}

/// As evictd writes it.
fn written(condition: NodeCondition, status: bool, heartbeat: i64, transition: i64) -> Written {
    Written {
        type_: own::condition_type(condition).to_owned(),
        status: if status { "True" } else { "False" }.to_owned(),
        reason: Some(own::reason(condition, status).to_owned()),
        message: Some(own::message(condition, status)),
        last_heartbeat_time: Some(Time(at(heartbeat))),
        last_transition_time: Some(Time(at(transition))),
    }
}

/// All three, memory as given.
fn all(memory: bool, heartbeat: i64) -> Vec<Written> {
    let [first, rest @ ..] = NodeCondition::ALL;
    let rest = rest.map(|condition| written(condition, false, heartbeat, -900));
    [written(first, memory, heartbeat, -900)].into_iter().chain(rest).collect()
}

fn foreign() -> Taint {
    Taint { key: "a/b".into(), effect: "NoExecute".into(), ..Taint::default() }
}

/// What a plan does, in short: each condition with its times, and the taints.
fn short(plan: &Plan) -> Vec<String> {
    let entries = plan.status.iter().flat_map(|patch| patch["status"]["conditions"].as_array());
    let entries = entries.flatten().map(|entry| {
        let text = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
        let second = |field: &str| {
            let time: Option<Timestamp> = entry[field].as_str().and_then(|text| text.parse().ok());
            time.map_or_else(
                || "-".to_owned(),
                |time| (time.as_second() - at(0).as_second()).to_string(),
            )
        };
        let (beat, since) = (second("lastHeartbeatTime"), second("lastTransitionTime"));
        let name = text("type").replace("evictd.dev/", "");
        format!("{name} {} {beat} {since} {}", text("status"), text("$patch"))
    });
    let taints = plan.taints.iter().map(|patch| {
        let keys = patch["spec"]["taints"].as_array().into_iter().flatten();
        let keys: Vec<_> = keys.filter_map(|taint| taint["key"].as_str()).collect();
        let version = patch["metadata"]["resourceVersion"].as_str().unwrap_or("-");
        format!("taints at {version}: {}", keys.join(" "))
    });
    entries.chain(taints).collect()
}

#[test]
fn a_node_is_taken_to_what_is_desired() {
    let own = || own::taint(MEMORY);
    let others_text = |mut conditions: Vec<Written>| {
        conditions[0].message = Some("x".into());
        conditions
    };
    let first =
        ["MemoryPressure True 0 -5 -", "DiskPressure False 0 -5 -", "PIDPressure False 0 -5 -"];
    let beat = [
        "MemoryPressure False 0 -900 -",
        "DiskPressure False 0 -900 -",
        "PIDPressure False 0 -900 -",
    ];
    let gone =
        ["MemoryPressure - - - delete", "DiskPressure - - - delete", "PIDPressure - - - delete"];
    let with = |lines: &[&str], more: &str| {
        lines.iter().copied().chain([more]).map(str::to_owned).collect::<Vec<_>>()
    };
    let only = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let cases = [
        (
            "a node that knows nothing of evictd",
            desired(true, -5),
            node(vec![], vec![foreign()]),
            with(&first, "taints at 7: a/b evictd.dev/memory-pressure"),
        ),
        (
            "as it should be",
            desired(true, -5),
            node(all(true, -60), vec![own(), foreign()]),
            vec![],
        ),
        (
            "pressure begins",
            desired(true, -5),
            node(all(false, -60), vec![]),
            only(&["MemoryPressure True 0 -5 -", "taints at 7: evictd.dev/memory-pressure"]),
        ),
        (
            "pressure ends",
            desired(false, -5),
            node(all(true, -60), vec![foreign(), own()]),
            only(&["MemoryPressure False 0 -5 -", "taints at 7: a/b"]),
        ),
        ("heartbeat due", desired(false, -5), node(all(false, -290), vec![]), only(&beat)),
        (
            "heartbeat of a clock that was ahead",
            desired(false, -5),
            node(all(false, 1), vec![]),
            only(&beat),
        ),
        (
            "others changed the text",
            desired(false, -5),
            node(others_text(all(false, -1)), vec![]),
            only(&beat[..1]),
        ),
        (
            "a dead agent's, still true",
            desired(true, -5),
            node(all(true, -3000), vec![own()]),
            with(&["MemoryPressure True 0 -900 -"], beat[1])
                .into_iter()
                .chain([beat[2].to_owned()])
                .collect(),
        ),
        (
            "a dead agent's, no longer true",
            desired(false, -5),
            node(all(true, -1), vec![own()]),
            only(&["MemoryPressure False 0 -5 -", "taints at 7: "]),
        ),
        (
            "withdrawn",
            Desired::NOTHING,
            node(all(true, -1), vec![own(), foreign()]),
            with(&gone, "taints at 7: a/b"),
        ),
        ("withdrawn already", Desired::NOTHING, node(vec![], vec![foreign()]), vec![]),
    ];
    for (name, desired, node, expected) in cases {
        assert_eq!(short(&plan(&desired, &node, at(0))), expected, "{name}");
    }
}

#[test]
fn a_node_without_status_is_no_obstacle() {
    let plan = plan(&desired(true, 0), &Node::default(), at(0));
    assert_eq!(short(&plan).len(), 4);
}

/// As the API server does it.
fn apply(plan: &Plan, node: &Node) -> Node {
    let mut node = node.clone();
    let status = node.status.get_or_insert_default();
    let conditions = status.conditions.get_or_insert_default();
    let entries = plan.status.iter().flat_map(|patch| patch["status"]["conditions"].as_array());
    for entry in entries.flatten() {
        let type_ = entry["type"].as_str().unwrap();
        if entry["$patch"] == "delete" {
            conditions.retain(|condition| condition.type_ != type_);
            continue;
        }
        let new: Written = serde_json::from_value(entry.clone()).unwrap();
        match conditions.iter_mut().find(|condition| condition.type_ == type_) {
            Some(condition) => *condition = new,
            None => conditions.push(new),
        }
    }
    if let Some(patch) = &plan.taints {
        let taints = serde_json::from_value(patch["spec"]["taints"].clone()).unwrap();
        node.spec.get_or_insert_default().taints = taints;
    }
    node
}

fn others(node: &Node) -> (Vec<Written>, Vec<Taint>) {
    let conditions = node.status.clone().and_then(|status| status.conditions).unwrap_or_default();
    let taints = node.spec.clone().and_then(|spec| spec.taints).unwrap_or_default();
    (
        conditions.into_iter().filter(|c| !c.type_.starts_with("evictd.dev/")).collect(),
        taints.into_iter().filter(|taint| own::condition_of(taint).is_none()).collect(),
    )
}

prop_compose! {
    fn any_condition()(
        type_ in select(vec!["Ready", "MemoryPressure", "evictd.dev/MemoryPressure",
            "evictd.dev/PIDPressure", "example.com/Odd"]),
        status in select(vec!["True", "False", "Unknown", ""]),
        reason in option::of(select(vec!["NodeHasSufficientMemory", "x"])),
        heartbeat in option::of(-1000_i64..1000),
        transition in option::of(-1000_i64..1000),
    ) -> Written {
        Written {
            type_: type_.into(),
            status: status.into(),
            reason: reason.map(Into::into),
            message: None,
            last_heartbeat_time: heartbeat.map(|n| Time(at(n))),
            last_transition_time: transition.map(|n| Time(at(n))),
        }
    }
}

prop_compose! {
    fn any_taint()(
        key in select(vec!["a/b", "node.kubernetes.io/memory-pressure",
            "evictd.dev/memory-pressure", "evictd.dev/disk-pressure"]),
        effect in select(vec!["NoSchedule", "NoExecute"]),
        value in option::of("[a-z]{0,2}"),
    ) -> Taint {
        Taint { key: key.into(), effect: effect.into(), value, ..Taint::default() }
    }
}

prop_compose! {
    fn any_desired()(
        states in option::of(prop::array::uniform3((any::<bool>(), -1000_i64..1))),
        taints in any::<[bool; 3]>(),
    ) -> Desired {
        let state = |(status, since)| State { status, since: at(since) };
        Desired { conditions: states.map(|states| states.map(state)), taints }
    }
}

proptest! {
    #[test]
    fn one_step_converges_and_others_words_stay(
        desired in any_desired(), mut conditions in vec(any_condition(), 0..6),
        mut taints in vec(any_taint(), 0..6),
    ) {
        // The API server keeps one of each.
        conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        conditions.dedup_by(|a, b| a.type_ == b.type_);
        taints.sort_by(|a, b| (&a.key, &a.effect).cmp(&(&b.key, &b.effect)));
        taints.dedup_by(|a, b| (&a.key, &a.effect) == (&b.key, &b.effect));
        let before = node(conditions, taints);
        let after = apply(&plan(&desired, &before, at(0)), &before);
        prop_assert_eq!(plan(&desired, &after, at(0)), Plan::default());
        prop_assert_eq!(others(&after), others(&before));
        let carried = after.spec.unwrap_or_default().taints.unwrap_or_default();
        for condition in NodeCondition::ALL {
            let is_there = carried.iter().any(|t| own::condition_of(t) == Some(condition));
            prop_assert_eq!(is_there, desired.taints[condition.index()]);
        }
    }
}
