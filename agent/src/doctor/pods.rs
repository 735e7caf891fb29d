//! Asks where pods come from.

use super::report::Pods;
use crate::{
    cluster::{Cluster, ClusterArgs, pods},
    config::Config,
};

/// The source of `evictd run`; the API server is asked once.
pub fn pods(config: &Config, cluster: &ClusterArgs) -> Pods {
    if !cluster.is_any() {
        let place = config.pods.display().to_string();
        return Pods { source: "manifests", place, ..Pods::default() };
    }
    let found = Pods { source: "api", required: cluster.require_api, ..Pods::default() };
    let feed = pods::PodFeed::default();
    let started = match Cluster::start(cluster, vec![pods::part(feed.clone())]) {
        Ok(started) => started,
        Err(error) => return Pods { problem: Some(format!("{error:#}")), ..found },
    };
    let problem = feed.require().err().map(|error| error.to_string());
    let listed = feed.latest().filter(|told| told.known.is_known());
    Pods {
        place: started.connection().server(),
        node: Some(started.connection().node.to_string()),
        listed: listed.map(|told| told.records.len()),
        problem,
        ..found
    }
}
