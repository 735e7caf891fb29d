//! Pods that are never evicted because the configuration says so.

/// The entries of `protect`. Empty protects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protect(Vec<ProtectRule>);

/// One entry: a whole namespace, or one pod in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectRule {
    /// The namespace.
    pub namespace: String,
    /// The pod; `None` means every pod of the namespace.
    pub name: Option<String>,
}

impl Protect {
    /// Protects what any of `rules` names.
    pub const fn new(rules: Vec<ProtectRule>) -> Self {
        Self(rules)
    }

    /// Whether the pod is protected.
    pub fn covers(&self, namespace: &str, name: &str) -> bool {
        self.0
            .iter()
            .any(|r| r.namespace == namespace && r.name.as_deref().is_none_or(|n| n == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_a_name_covers_its_namespace() {
        let rule = |namespace: &str, name: Option<&str>| ProtectRule {
            namespace: namespace.to_owned(),
            name: name.map(str::to_owned),
        };
        let protect = Protect::new(vec![rule("kube-system", None), rule("x", Some("y"))]);
        for (namespace, name, covered) in [
            ("kube-system", "dns", true),
            ("x", "y", true),
            ("x", "z", false),
            ("default", "y", false),
        ] {
            assert_eq!(protect.covers(namespace, name), covered, "{namespace}/{name}");
        }
    }
}
