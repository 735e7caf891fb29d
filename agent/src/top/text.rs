//! A snapshot as plain text.

use crate::answer::{Align, Cell, Paint, Table};

use super::{
    column::{HEADINGS, cells},
    header::{self, BAR, SignalLine},
    snapshot::Snapshot,
};

/// The widest name; longer ones lose their middle.
const WIDEST: usize = 60;

/// The whole picture: node, table, what is missing.
pub fn render(snapshot: &Snapshot, paint: Paint) -> String {
    let mut lines = vec![header::title(snapshot)];
    lines.extend(header::conditions(snapshot));
    lines.extend(header::signals(snapshot).iter().map(|line| signal(line, paint)));
    lines.push(String::new());
    let columns: Vec<_> =
        HEADINGS.iter().enumerate().map(|(column, (name, _))| (*name, side(column))).collect();
    let mut table = Table::new(&columns);
    for row in &snapshot.rows {
        let mut cells = cells(row);
        cells[0] = shortened(&cells[0], WIDEST);
        table.push(cells.map(Cell::plain).into());
    }
    lines.extend(table.render(paint).lines().map(str::to_owned));
    if !snapshot.missing.is_empty() {
        lines.push(String::new());
        lines.extend(header::missing(snapshot));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Texts on the left, numbers on the right.
pub const fn side(column: usize) -> Align {
    if column == 0 || column + 1 == HEADINGS.len() { Align::Left } else { Align::Right }
}

fn signal(line: &SignalLine, paint: Paint) -> String {
    let text = |text: &str| paint.text(line.tone, text);
    format!("{}  {}  {}", line.amount, text(&bar(line.filled)), text(&line.thresholds))
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
        assert_eq!(render(&sample::snapshot(), Paint::none()), expected);
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("abcdefghij", 10), "abcdefghij");
        assert_eq!(shortened("abcdefghijk", 10), "abcd…ghijk");
        assert_eq!(shortened("äöü€", 3), "ä…€");
        assert_eq!(shortened("abc", 0), "…");
    }
}
