//! Kernel lockdown: it forbids root what would let it change or read the running kernel.

use std::fs;

/// Where the kernel tells, if securityfs is mounted.
pub const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// The level in force: `none`, `integrity` or `confidentiality`; `None` if the kernel does not tell.
pub fn lockdown() -> Option<String> {
    fs::read_to_string(LOCKDOWN).ok().as_deref().and_then(chosen).map(str::to_owned)
}

/// The kernel marks the level in force: `none [integrity] confidentiality`.
fn chosen(levels: &str) -> Option<&str> {
    levels.split_once('[')?.1.split_once(']').map(|(level, _)| level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lockdown_level_in_force_is_in_brackets() {
        let cases = [
            ("[none] integrity confidentiality\n", Some("none")),
            ("none [integrity] confidentiality\n", Some("integrity")),
            ("none integrity\n", None),
            ("", None),
        ];
        for (text, level) in cases {
            assert_eq!(chosen(text), level, "{text}");
        }
    }
}
