//! Colours.

use std::{
    env,
    io::{IsTerminal as _, stdout},
};

/// How something is shown on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As everything else.
    Plain,
    /// As it should be, or new.
    Good,
    /// It comes near.
    Fair,
    /// It needs attention, or is gone.
    Bad,
    /// A heading.
    Bold,
    /// There for completeness.
    Faint,
}

impl Tone {
    /// Parameter of the terminal's "select graphic rendition".
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Fair => "33",
            Self::Bad => "1;31",
            Self::Bold => "1",
            Self::Faint => "2",
        }
    }
}

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

    /// Whether there are colours.
    pub const fn is_enabled(self) -> bool {
        self.enabled
    }

    /// The text in that tone.
    pub fn text(self, tone: Tone, text: &str) -> String {
        match tone.code() {
            code if self.enabled && !code.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_surround_the_text_or_are_absent() {
        let paint = Paint { enabled: true };
        assert_eq!(paint.text(Tone::Bad, "x"), "\x1b[1;31mx\x1b[0m");
        assert_eq!(paint.text(Tone::Plain, "x"), "x");
        assert_eq!(Paint::none().text(Tone::Bad, "x"), "x");
    }
}
