//! A snapshot as plain text.

use super::{
    column::{HEADINGS, cells},
    header::{self, BAR, SignalLine},
    snapshot::Snapshot,
};

/// The widest name; longer ones lose their middle.
const WIDEST: usize = 60;

/// The whole picture: node, table, what is missing. No colours, no trailing spaces.
pub fn render(snapshot: &Snapshot) -> String {
    let mut lines = vec![header::title(snapshot)];
    lines.extend(header::conditions(snapshot));
    lines.extend(header::signals(snapshot).iter().map(signal));
    lines.push(String::new());
    let mut table = vec![HEADINGS.map(|(heading, _)| heading.to_owned())];
    table.extend(snapshot.rows.iter().map(cells));
    for row in &mut table {
        row[0] = shortened(&row[0], WIDEST);
    }
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..HEADINGS.len()).filter_map(width).collect();
    for row in &table {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            // Texts on the left, numbers on the right.
            if column == 0 || column + 1 == HEADINGS.len() {
                format!("{cell}{pad}")
            } else {
                format!("{pad}{cell}")
            }
        });
        lines.push(padded.collect::<Vec<_>>().join("  "));
    }
    if !snapshot.missing.is_empty() {
        lines.push(String::new());
        lines.extend(header::missing(snapshot));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn signal(line: &SignalLine) -> String {
    format!("{}  {}  {}", line.amount, bar(line.filled), line.thresholds)
}

/// A bar of characters; a question mark where nothing is known.
pub fn bar(filled: Option<usize>) -> String {
    match filled {
        Some(filled) => (0..BAR).map(|cell| if cell < filled { '█' } else { '░' }).collect(),
        None => format!("{:<BAR$}", "?"),
    }
}

/// At most `width` characters: container ids and cgroup paths tell apart by both ends.
pub fn shortened(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let kept = width.saturating_sub(1);
    let front: String = name.chars().take(kept / 2).collect();
    let back: String = name.chars().skip(length - (kept - kept / 2)).collect();
    format!("{front}…{back}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::sample;

    #[test]
    fn the_text_is_a_whole_picture() {
        let expected = include_str!("once.txt");
        assert_eq!(render(&sample::snapshot()), expected);
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("abcdefghij", 10), "abcdefghij");
        assert_eq!(shortened("abcdefghijk", 10), "abcd…ghijk");
        assert_eq!(shortened("äöü€", 3), "ä…€");
        assert_eq!(shortened("abc", 0), "…");
    }
}
