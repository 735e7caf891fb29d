//! The whole answer, before it is put into text or JSON.

use std::path::Path;

use super::{
    beside::Beside,
    facts::NodeFacts,
    findings::{Finding, Severity, Subject, find},
    in_force::{InForce, in_force},
    places::Places,
};
use crate::config::Config;

/// What `evictd check` has to say of a file.
pub struct Report<'a> {
    /// The file.
    pub file: &'a Path,
    /// What it says.
    pub config: &'a Config,
    /// The node.
    pub node: &'a NodeFacts,
    /// The kubelet on the same node.
    pub beside: &'a Beside,
    /// The thresholds in force.
    pub rows: Vec<InForce>,
    /// What is not what it seems; warnings first.
    pub findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    /// Puts together what is in force and what is found about it.
    pub fn new(
        file: &'a Path,
        config: &'a Config,
        node: &'a NodeFacts,
        beside: &'a Beside,
        places: &Places<'_>,
    ) -> Self {
        let rows = in_force(config, node);
        let findings = find(&Subject { config, node, rows: &rows, beside, places });
        Self { file, config, node, beside, rows, findings }
    }

    /// Number of findings of that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
