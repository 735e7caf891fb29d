//! `kubeletMargin`: how much earlier than the kubelet evictd acts where the threshold is the kubelet's.

use super::{InputError, document::Document};

/// The margin where none is written, in percent of the kubelet's threshold. What an eviction gives back
/// has to show before the kubelet finds its own threshold met. Of the kubelet's defaults a tenth is 10 MiB
/// of memory, far more than evictd lets go past a threshold, and a hundredth of a disk.
pub const KUBELET_MARGIN_PERCENT: u8 = 10;

/// The share that `text` stands for.
pub(super) fn kubelet_margin(text: &str, document: Document<'_>) -> Result<f32, InputError> {
    let percent = text.strip_suffix('%').and_then(|number| number.parse::<f32>().ok());
    let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
    percent.map(|percent| percent / 100.0).ok_or_else(|| {
        let error = document.error(&["kubeletMargin"], format!("`{text}` is no such share"));
        error.allowed("a percentage of the kubelet's thresholds from 0% to 100%, such as 10%")
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use evictd_core::Signal;

    use crate::config::{Config, Sources, WrittenSemantics};

    #[test]
    fn a_margin_is_a_percentage() {
        for (text, valid) in [
            ("10%", true),
            ("0%", true),
            ("2.5%", true),
            ("101%", false),
            ("-1%", false),
            ("1", false),
            ("NaN%", false),
        ] {
            let read = Config::parse(Path::new("c.yaml"), &format!("kubeletMargin: \"{text}\"\n"));
            assert_eq!(read.is_ok(), valid, "{text}: {read:?}");
        }
    }

    #[test]
    fn only_the_kubelets_thresholds_are_raised() {
        const KUBELET: &str = "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n\
            evictionHard: {pid.available: \"1000\"}\n\
            evictionSoft: {pid.available: \"2000\"}\n\
            evictionSoftGracePeriod: {pid.available: 1m}\n";
        let (strict, kubelet) = (WrittenSemantics::Strict, WrittenSemantics::Kubelet);
        let hard = "evictionHard: {pid.available: \"1000\"}\n";
        let cases = [
            ("taken over", "", strict, [1100, 2200]),
            ("another margin", "kubeletMargin: 50%\n", strict, [1500, 3000]),
            ("none", "kubeletMargin: 0%\n", strict, [1000, 2000]),
            ("one of its own", hard, strict, [1000, 2200]),
            ("as the kubelet", "", kubelet, [1000, 2000]),
            ("as the kubelet, but earlier", "kubeletMargin: 10%\n", kubelet, [1100, 2200]),
        ];
        let dir = tempfile::tempdir().expect("temporary directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).expect("written");
            Some(path)
        };
        for (name, own, semantics, expected) in cases {
            let sources = Sources {
                config: write("evictd.yaml", own),
                kubelet_config: write("kubelet.yaml", KUBELET),
                semantics: Some(semantics),
                ..Sources::default()
            };
            let thresholds = sources.read().expect(name).policy.thresholds;
            let pids = thresholds.iter().filter(|t| t.signal == Signal::PidAvailable);
            assert_eq!(pids.map(|t| t.quantity(0)).collect::<Vec<_>>(), expected, "{name}");
        }
    }
}
