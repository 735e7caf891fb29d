//! Notices when a source of the configuration changes.

use super::{Config, ConfigArgs, InputError};
use crate::fingerprint::fingerprint;

/// The sources, and the state of them that was read last.
#[derive(Debug)]
pub struct Watch {
    args: ConfigArgs,
    seen: Option<u64>,
}

impl Watch {
    /// Watches the sources that `args` name.
    pub const fn new(args: ConfigArgs) -> Self {
        Self { args, seen: None }
    }

    /// Whether a source came, went or changed since the last [`Self::read`].
    pub fn changed(&self) -> bool {
        self.seen != Some(fingerprint(&self.args.sources.files()))
    }

    /// Reads and checks all of them.
    pub fn read(&mut self) -> Result<Config, InputError> {
        // Before the content: what changes while it is read is then read again. Sources that cannot
        // be used are not read again until they change.
        self.seen = Some(fingerprint(&self.args.sources.files()));
        self.args.read()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::*;
    use crate::config::Sources;

    const KUBELET: &str = "{kind: KubeletConfiguration, apiVersion: kubelet.config.k8s.io/v1beta1}";

    /// As Kubernetes swaps the directory of a ConfigMap.
    fn swap(dir: &Path, to: &str, text: &str) {
        fs::create_dir(dir.join(to)).expect("a directory");
        fs::write(dir.join(to).join("evictd.yaml"), text).expect("written");
        symlink(to, dir.join("..tmp")).expect("a link");
        fs::rename(dir.join("..tmp"), dir.join("..data")).expect("renamed");
    }

    #[test]
    fn every_source_is_watched() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).expect("written");
        swap(dir.path(), "..1", "mode: observe\n");
        symlink("..data/evictd.yaml", path("evictd.yaml")).expect("a link");
        write("kubelet.yaml", KUBELET);
        write("flags.env", "ARGS=--v=2\n");
        fs::create_dir(path("conf.d")).expect("a directory");
        let sources = Sources {
            config: Some(path("evictd.yaml")),
            kubelet_config: Some(path("kubelet.yaml")),
            kubelet_config_dir: Some(path("conf.d")),
            kubelet_flags: Some(format!("@{}", path("flags.env").display())),
            ..Sources::default()
        };
        let mut watch = Watch::new(ConfigArgs { sources, pods: None });
        assert!(watch.changed(), "never read");
        watch.read().expect("valid");
        let changes: [(&str, &dyn Fn()); 6] = [
            ("swapped", &|| swap(dir.path(), "..2", "mode: enforce\n")),
            ("kubelet's file", &|| write("kubelet.yaml", &format!("{KUBELET}\n"))),
            ("flags", &|| write("flags.env", "ARGS=--v=3\n")),
            ("a drop-in", &|| write("conf.d/a.conf", KUBELET)),
            ("the drop-in", &|| write("conf.d/a.conf", &format!("{KUBELET}\n"))),
            ("no drop-in", &|| fs::remove_file(path("conf.d/a.conf")).expect("removed")),
        ];
        for (name, change) in changes {
            assert!(!watch.changed(), "before: {name}");
            change();
            assert!(watch.changed(), "{name}");
            watch.read().expect(name);
        }
        write("..2/evictd.yaml", "mode: [\n");
        watch.read().expect_err("bad");
        assert!(!watch.changed(), "told already");
    }
}
