//! Colours.

use std::{
    env,
    io::{IsTerminal as _, stdout},
};

/// Colours of the terminal, or none.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    enabled: bool,
}

impl Paint {
    /// Colours if stdout is a terminal and `NO_COLOR` is not set.
    pub fn detect() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { enabled: stdout().is_terminal() && !refused }
    }

    /// None.
    #[cfg(test)]
    pub const fn none() -> Self {
        Self { enabled: false }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.enabled { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For what is as it should be.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// For what comes near.
    pub fn fair(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// For what needs attention.
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// For headings.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For what matters less.
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_surround_the_text_or_are_absent() {
        assert_eq!(Paint { enabled: true }.bad("x"), "\x1b[1;31mx\x1b[0m");
        assert_eq!(Paint::none().bad("x"), "x");
    }
}
