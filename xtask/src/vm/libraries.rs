//! Programs of this machine with the shared libraries they need in the guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;

/// The shared libraries of a program and its loader, by the paths at which it finds them.
pub(super) fn of(program: &Path) -> Result<Vec<PathBuf>> {
    Ok(paths(&process::capture(Command::new("ldd").arg(program))?))
}

/// Absolute paths in lines such as `libc.so.6 => /lib/libc.so.6 (0x7f…)` or `/lib64/ld.so (0x7f…)`.
fn paths(text: &str) -> Vec<PathBuf> {
    let found = text.lines().filter_map(|line| {
        let at = line.split_once("=>").map_or(line, |(_, at)| at);
        at.split_whitespace().next()
    });
    found.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_taken_and_the_kernel_s_page_is_not() {
        let text = "\tlinux-vdso.so.1 (0x00007fb9)\n\
             \tlibuuid.so.1 => /lib/x86_64-linux-gnu/libuuid.so.1 (0x00007fb9)\n\
             \t/lib64/ld-linux-x86-64.so.2 (0x00007fb9)\n";
        let expected = ["/lib/x86_64-linux-gnu/libuuid.so.1", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(paths(text), expected.map(PathBuf::from));
    }
}
