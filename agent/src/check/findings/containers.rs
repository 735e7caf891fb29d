//! Thresholds on containerfs, which the kubelet does not keep as they are written.

use evictd_core::{MapField, Signal};

use super::{Found, Rule, Subject, warning};
use crate::check::{
    in_force::{containerfs_copies, is_off, rewrites_containerfs},
    places::At,
};

pub(super) const RULES: &[Rule] = &[Rule {
    code: "containerfs-overwritten",
    because: &["E-13", "T-14", "T-16"],
    find: overwritten,
}];

fn overwritten(s: &Subject<'_>) -> Vec<Found> {
    if !rewrites_containerfs(s.config) {
        return Vec::new();
    }
    let maps = &s.config.eviction.maps;
    let mut found = Vec::new();
    for (map, values) in [(MapField::Hard, &maps.hard), (MapField::Soft, &maps.soft)] {
        for signal in [Signal::ContainerfsAvailable, Signal::ContainerfsInodesFree] {
            let Some(value) = values.get(signal.name()).filter(|value| !is_off(value)) else {
                continue;
            };
            let source = source(s, signal);
            found.push(warning(
                At::Entry(map, signal),
                format!(
                    "{value} for {signal} does not stay in force: it is overwritten with the \
                     threshold on {source}, with one warning in the log"
                ),
                format!("the amount in {source}, and nothing for {signal}"),
            ));
        }
    }
    found
}

fn source(s: &Subject<'_>, signal: Signal) -> String {
    let copies = s.node.layout().map(containerfs_copies);
    let copy = copies.into_iter().flatten().find(|(copy, _)| *copy == signal);
    copy.map_or_else(
        || "nodefs (or imagefs, if images have a disk of their own)".to_owned(),
        |(_, source)| source.name().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Severity::Warning, tests::assert_found};
    use crate::check::sample::Case;

    #[test]
    fn the_kubelet_overwrites_what_was_written() {
        const TEXT: &str = "evictionHard: {containerfs.available: 5Gi}\n";
        let code = "containerfs-overwritten";
        for (name, case, expected) in [
            (
                "one disk",
                Case::kubelet(TEXT).images(Some(false)),
                Some(
                    "5Gi for containerfs.available does not stay in force: it is overwritten with \
                      the threshold on nodefs.available",
                ),
            ),
            ("two disks", Case::kubelet(TEXT).images(Some(true)), Some("on imagefs.available")),
            ("unknown", Case::kubelet(TEXT), Some("on nodefs (or imagefs")),
            ("strict semantics keep it", Case::evictd(TEXT), None),
            ("not written", Case::kubelet(""), None),
            ("off", Case::kubelet("evictionHard: {containerfs.available: 0%}\n"), None),
        ] {
            let text = expected.unwrap_or_default();
            let expected: Vec<_> = expected.map(|_| (Warning, text)).into_iter().collect();
            assert_found(name, &case, code, &expected);
        }
    }
}
