//! A sandboxed node to let workloads go wrong on: its own filesystem, its own cgroup tree, eight
//! pods, a container runtime that writes their logs, and an independent observer of the truth.
//! The incident runner (`evictd-incidents`), the latency harness and the integration tests share it.

pub mod beside;
pub mod cgroup;
pub mod churn;
pub mod clock;
pub mod container;
pub mod containerd;
pub mod control_plane;
pub mod cri_log;
pub mod deploy;
pub mod evictd;
pub mod hierarchies;
pub mod histogram;
pub mod http;
pub mod inbox;
pub mod incident;
pub mod kernel_maps;
pub mod kind;
pub mod kubelet_port;
pub mod loop_device;
pub mod loopback;
pub mod manifest;
pub mod node;
pub mod nodefs;
pub mod pod;
pub mod record;
pub mod report;
pub mod roster;
pub mod runtime;
pub mod scratch;
pub mod session;
pub mod sweep;
pub mod truth;
pub mod write_paths;
