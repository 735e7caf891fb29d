//! What `cargo xtask kubelet` runs in its VM: a node with containerd and the real kubelet, on which a pod takes
//! memory and another one's log fills the disk, each with the kubelet alone and with evictd beside it. Prints one
//! JSON object a run; ends with 1 if something is not as it must be.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use evictd_tests::beside::{Cluster, Kubelet, Machine, Run, Trouble, run, wait_until};

fn main() -> Result<ExitCode> {
    let machine = Machine::set_up().context("setting up the machine")?;
    println!("containerd runs");
    let cluster = Cluster::connect()?;
    let kubelet = Kubelet::start(machine.containerd.socket())?;
    let runs = all(&machine, &cluster, &kubelet);
    if runs.is_err() {
        println!("the kubelet's log ends:\n{}", kubelet.log_tail());
        println!("containerd's log ends:\n{}", machine.containerd.log_tail());
    }
    let right = runs?.iter().all(|run| run.wrong.is_empty());
    drop(kubelet);
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn all(machine: &Machine, cluster: &Cluster, kubelet: &Kubelet) -> Result<Vec<Run>> {
    wait_until("the node", || cluster.has_node())?;
    println!("the kubelet has registered its node");
    let mut cri = machine.containerd.cri()?;
    let mut runs: Vec<Run> = Vec::new();
    for trouble in Trouble::ALL {
        for with_evictd in [false, true] {
            let who = if with_evictd { "evictd beside the kubelet" } else { "the kubelet alone" };
            println!("{}: {who}", trouble.name());
            let mut done = run(trouble, with_evictd, cluster, kubelet, &mut cri)
                .with_context(|| format!("{}: {who}", trouble.name()))?;
            let other = runs.iter().find(|run| run.trouble == done.trouble);
            if let Some(shape) = other.map(Run::message_shape)
                && !shape.starts_with(&done.message_shape())
            {
                done.wrong.push(format!("the kubelet's message is {shape:?}"));
            }
            println!("{}", serde_json::to_string(&done)?);
            runs.push(done);
        }
    }
    Ok(runs)
}
