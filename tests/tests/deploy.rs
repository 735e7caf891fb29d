//! `deploy/` against a real API server: it takes all of it, kustomize and the chart say the same, and an agent
//! with its own token may do what it needs and nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "deploy/asking.rs"]
mod asking;
#[path = "deploy/cases.rs"]
mod cases;
#[path = "deploy/values.rs"]
mod values;

use asking::{Case, NODE, OTHER, Served};
use cases::cases;
use evictd_tests::{
    control_plane::ControlPlane,
    deploy::{Agent, NAMESPACE, chart, differences, overlay, taken},
};

/// A way to install: overlay, components, and the chart's values for the same.
type Way = (&'static str, &'static [&'static str], &'static [&'static str]);

const WAYS: [Way; 7] = [
    ("observe", &[], &[]),
    ("enforce", &[], &["mode=enforce"]),
    ("enforce", &["privileged"], &["mode=enforce", "privileged=true"]),
    ("observe", &["kubelet-thresholds"], &["kubelet.configFile=/var/lib/kubelet/config.yaml"]),
    ("observe", &["kubelet-api"], &["kubelet.ask=true"]),
    ("observe", &["pod-monitor"], &["podMonitor.enabled=true"]),
    ("observe", &["service-monitor"], &["serviceMonitor.enabled=true"]),
];

/// The kinds of the Prometheus operator, without its schemas.
const MONITORS: &str = include_str!("deploy/monitors.yaml");

#[test]
fn the_api_server_takes_every_way_to_install_and_the_chart_says_what_kustomize_says() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    plane.namespace(NAMESPACE).unwrap();
    let file = plane.dir().join("monitors.yaml");
    std::fs::write(&file, MONITORS).unwrap();
    plane.kubectl(&["apply", "--filename", file.to_str().unwrap()]).unwrap();
    let established = ["wait", "--for=condition=established", "--timeout=60s", "crd", "--all"];
    plane.kubectl(&established).unwrap();
    for (name, components, values) in WAYS {
        let way = format!("{name} {components:?}");
        let yaml = overlay(&plane, name, components).unwrap();
        let (namespace, rest) = yaml.split_once("---\n").unwrap();
        assert!(namespace.contains("kind: Namespace"), "{way}: the namespace comes first");
        let kustomize = taken(&plane, rest).unwrap_or_else(|error| panic!("{way}: {error:#}"));
        let yaml = chart(values).unwrap();
        let helm = taken(&plane, &yaml).unwrap_or_else(|error| panic!("{values:?}: {error:#}"));
        assert_eq!(differences(&kustomize, &helm), Vec::<String>::new(), "{way}");
        assert!(kustomize.len() > 10, "{way}: {} objects", kustomize.len());
    }
}

#[test]
fn an_agent_may_do_what_it_needs_on_its_own_node_and_nothing_else() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let served = Served::start(&plane).unwrap();
    Agent::install(&plane, &overlay(&plane, "enforce", &[]).unwrap()).unwrap();
    let agent = plane.client(&Agent::on(&plane, NODE).unwrap().kubeconfig).unwrap();
    served.policies_in_force(&agent).unwrap();
    let wrong: Vec<String> = cases(&served)
        .iter()
        .filter_map(|case| case.wrong_for(&plane, &agent, Case::enforcing))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_agent_of_another_node_and_one_without_a_node_are_refused() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let served = Served::start(&plane).unwrap();
    Agent::install(&plane, &overlay(&plane, "enforce", &[]).unwrap()).unwrap();
    let other = plane.client(&Agent::on(&plane, OTHER).unwrap().kubeconfig).unwrap();
    served.policies_in_force(&other).unwrap();
    let account = evictd_tests::control_plane::Account::new(NAMESPACE, "evictd");
    let nowhere = plane.client(&plane.kubeconfig_for(account).unwrap()).unwrap();
    let own = cases(&served).into_iter().filter(|case| case.is_own_write);
    for case in own {
        let refused = format!("evictd on {OTHER} may not ");
        let wrong = case.wrong_for(&plane, &other, |_| Some(&refused));
        assert_eq!(wrong, None, "agent of {OTHER}");
        let wrong = case.wrong_for(&plane, &nowhere, |_| Some("the token names no node"));
        assert_eq!(wrong, None, "token without a pod");
    }
}

#[test]
fn an_agent_that_observes_reads_and_writes_nothing() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let served = Served::start(&plane).unwrap();
    Agent::install(&plane, &overlay(&plane, "observe", &[]).unwrap()).unwrap();
    let agent = plane.client(&Agent::on(&plane, NODE).unwrap().kubeconfig).unwrap();
    let wrong: Vec<String> = cases(&served)
        .iter()
        .filter_map(|case| case.wrong_for(&plane, &agent, Case::observing))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}
