//! evictd: keeps Kubernetes nodes alive under pressure.

pub mod probe;
