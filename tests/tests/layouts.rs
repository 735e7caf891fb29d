//! `evictd top` where cgroups are mounted otherwise than here. Virtual machines have v2 alone: there the
//! other tests show that.

mod common;

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use evictd_tests::{
    container::{enter, tool},
    hierarchies::Hierarchies,
    node::Node,
};
use serde_json::Value;

#[test]
fn without_cgroup_v2_tasks_and_memory_are_shown_and_why_the_rest_is_not() {
    let _alone = common::alone();
    let hierarchies = Hierarchies::of_this_machine().unwrap();
    let (Some(v2), false) = (&hierarchies.v2, hierarchies.v1.is_empty()) else {
        println!("cannot run here: not both versions of cgroups are mounted");
        return;
    };
    let node = Node::create().unwrap();
    let cgroup = node.system().child("idle").unwrap();
    let mut idle = Command::new(tool("evictd-workload").unwrap());
    idle.args(["idle", "--mib", "4"]).stdout(Stdio::piped());
    enter(&mut idle, &cgroup).unwrap();
    let mut idle = idle.spawn().unwrap();
    let mut said = BufReader::new(idle.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "ready");
    // In a mount namespace of its own, so that nobody else's mounts change.
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg("umount \"$1\" && shift && exec \"$@\"").arg("sh").arg(v2);
    command.arg(common::evictd_binary());
    command.args(["top", "--once", "--json", "--interval", "100ms", "--socket"]);
    let output = command.arg(node.dir().join("nobody.sock")).output();
    cgroup.kill_all().unwrap();
    idle.wait().unwrap();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("cannot run here: unshare is not installed");
            return;
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let snapshot: Value = serde_json::from_slice(&output.stdout).unwrap();
    for missing in snapshot["missing"].as_array().unwrap() {
        let reason = missing["reason"].as_str().unwrap();
        assert!(reason.contains("there is no cgroup v2 hierarchy"), "{reason}");
    }
    assert!(!snapshot["missing"].as_array().unwrap().is_empty());
    let rows = snapshot["rows"].as_array().unwrap();
    let path = format!("/{}", cgroup.relative().display());
    let row = rows.iter().find(|row| row["path"] == *path).unwrap();
    // The process outside of its namespace, and the one inside.
    assert_eq!((&row["tasks"], &row["processes"]), (&Value::from(2), &Value::from(2)), "{row}");
    assert!(row["memory_working_set"].as_u64() > Some(0), "{row}");
    assert!(rows.iter().all(|row| row["forks_per_second"].is_null()), "{rows:#?}");
}
