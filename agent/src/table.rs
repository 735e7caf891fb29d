//! Answers for people: aligned columns, and colours where a terminal shows them.

use std::{
    env,
    fmt::{self, Write as _},
    io::{self, IsTerminal as _},
};

/// How a row is shown on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As everything else.
    Plain,
    /// What the answer is about.
    Bold,
    /// What is there for completeness.
    Faint,
    /// Something that is new.
    Green,
    /// Something that is gone.
    Red,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Green => "\x1b[32m",
            Self::Red => "\x1b[31m",
        }
    }
}

/// Whether stdout is a terminal that wants colours.
pub fn stdout_has_colours() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Rows of the same number of cells.
#[derive(Debug, Default)]
pub struct Table {
    /// Columns whose cells are set to the right.
    right: Vec<usize>,
    rows: Vec<(Tone, Vec<String>)>,
}

impl Table {
    /// No rows; the columns of these indices hold numbers.
    pub fn with_numbers_in(columns: &[usize]) -> Self {
        Self { right: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, tone: Tone, cells: Vec<String>) {
        self.rows.push((tone, cells));
    }

    /// The rows, aligned, a line each.
    pub fn render(&self, colours: bool) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut text, colours);
        text
    }

    fn write(&self, text: &mut String, colours: bool) -> fmt::Result {
        let columns = self.rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (tone, cells) in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                if self.right.contains(&column) {
                    write!(line, "{gap}{cell:>width$}")?;
                } else {
                    write!(line, "{gap}{cell:<width$}")?;
                }
            }
            let line = line.trim_end();
            match tone.code() {
                code if colours && !code.is_empty() => writeln!(text, "{code}{line}\x1b[0m")?,
                _ => writeln!(text, "{line}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_colours_come_after() {
        let mut table = Table::with_numbers_in(&[1]);
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        table.row(Tone::Bold, row(["pod", "usage", "why"]));
        table.row(Tone::Plain, row(["shop/checkout", "7", ""]));
        assert_eq!(
            table.render(false),
            "pod            usage  why\n\
             shop/checkout      7\n"
        );
        assert!(table.render(true).starts_with("\x1b[1mpod            usage  why\x1b[0m\n"));
    }
}
