//! `node`: what evictd writes of its own onto the node.

use super::written::WrittenNode;

/// What is written onto the Node object in enforce mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeMarks {
    /// Conditions `evictd.dev/MemoryPressure` and its like.
    pub conditions: bool,
    /// NoSchedule taints `evictd.dev/memory-pressure` and its like.
    pub taints: bool,
}

impl Default for NodeMarks {
    fn default() -> Self {
        Self { conditions: true, taints: true }
    }
}

impl From<WrittenNode> for NodeMarks {
    fn from(written: WrittenNode) -> Self {
        let default = Self::default();
        Self {
            conditions: written.conditions.unwrap_or(default.conditions),
            taints: written.taints.unwrap_or(default.taints),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<NodeMarks, String> {
        let config = Config::parse(Path::new("c.yaml"), text);
        config.map(|config| config.node).map_err(|e| e.to_string())
    }

    #[test]
    fn fields_are_used_and_have_defaults() {
        let marks = |conditions, taints| NodeMarks { conditions, taints };
        let cases = [
            ("{}", marks(true, true)),
            ("node: {}", marks(true, true)),
            ("node: {taints: false}", marks(true, false)),
            ("node: {conditions: false, taints: true}", marks(false, true)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases = [
            (
                "node:\n  taint: false\n",
                "c.yaml:2:3: field node.taint: unknown field `taint` (did you mean `taints`?); \
                 allowed: conditions, taints",
            ),
            ("node:\n  conditions: yes\n", "c.yaml:2:15: field node.conditions: "),
            ("node: off\n", "c.yaml:1:7: field node: "),
        ];
        for (text, expected) in cases {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
