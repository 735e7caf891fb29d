//! `kubeletMargin`: how much earlier than the kubelet evictd acts where the threshold is the kubelet's.

use super::{InputError, document::Document};

/// The margin where none is written, in percent of the kubelet's threshold. What an eviction gives back
/// has to show before the kubelet, which looks every ten seconds, finds its own threshold met; a tenth is
/// what two looks a second apart differ by on a disk that fills in minutes, and costs little of the node.
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
    use std::path::Path;

    use crate::config::Config;

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
}
