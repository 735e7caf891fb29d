//! Aligned columns.

use super::{Paint, Tone};

/// Which side the cells of a column stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A text and how it is shown.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// In that tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }

    /// As everything else.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(Tone::Plain, text)
    }

    /// The text.
    #[cfg(test)]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Rows, with or without a heading.
#[derive(Debug)]
pub struct Table {
    heading: Vec<Cell>,
    columns: Vec<Align>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with that heading.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        let heading = columns.iter().map(|(name, _)| Cell::new(Tone::Bold, *name)).collect();
        Self { heading, ..Self::without_heading(&columns.iter().map(|c| c.1).collect::<Vec<_>>()) }
    }

    /// A table of rows alone.
    pub fn without_heading(columns: &[Align]) -> Self {
        Self { heading: Vec::new(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it has a cell for each column.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Adds a row in one tone.
    pub fn push_all(&mut self, tone: Tone, row: Vec<String>) {
        self.push(row.into_iter().map(|text| Cell::new(tone, text)).collect());
    }

    /// Leaves out the columns that have nothing but `nothing` in every row.
    pub fn without_columns_of(mut self, nothing: &str) -> Self {
        for i in (0..self.columns.len()).rev() {
            if self.rows.iter().all(|row| row[i].text == nothing) {
                self.columns.remove(i);
                for row in self.rows.iter_mut().chain([&mut self.heading]) {
                    row.remove(i);
                }
            }
        }
        self
    }

    /// Two spaces between columns, none at the end of a line.
    pub fn render(&self, paint: Paint) -> String {
        let heading = Some(&self.heading).filter(|heading| !heading.is_empty());
        let lines = || heading.into_iter().chain(&self.rows);
        let width = |i: usize| lines().filter_map(|r| r.get(i)).map(Cell::width).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut out = String::new();
        for row in lines() {
            let mut line = String::new();
            for ((cell, width), align) in row.iter().zip(&widths).zip(&self.columns) {
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                let text = paint.text(cell.tone, &cell.text);
                match align {
                    Align::Left => line.extend([text.as_str(), &pad, "  "]),
                    Align::Right => line.extend([pad.as_str(), &text, "  "]),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table =
            Table::new(&[("A", Align::Left), ("NUMBER", Align::Right), ("B", Align::Left)]);
        table.push(vec![Cell::plain("long"), Cell::plain("1"), Cell::new(Tone::Bad, "█░")]);
        table.push_all(Tone::Plain, ["x", "12345678", ""].map(str::to_owned).to_vec());
        let expected = "A       NUMBER  B\nlong         1  █░\nx     12345678\n";
        assert_eq!(table.render(Paint::none()), expected);
    }

    #[test]
    fn a_table_without_heading_begins_with_its_rows() {
        let mut table = Table::without_heading(&[Align::Left, Align::Right]);
        table.push_all(Tone::Plain, ["a", "10"].map(str::to_owned).to_vec());
        table.push_all(Tone::Plain, ["bc", "1"].map(str::to_owned).to_vec());
        assert_eq!(table.render(Paint::none()), "a   10\nbc   1\n");
    }

    #[test]
    fn columns_without_content_are_left_out() {
        let mut table = Table::new(&[("A", Align::Left), ("B", Align::Left), ("C", Align::Left)]);
        table.push(["1", "-", "-"].map(Cell::plain).into());
        table.push(["2", "-", "3"].map(Cell::plain).into());
        let table = table.without_columns_of("-");
        assert_eq!(table.render(Paint::none()), "A  C\n1  -\n2  3\n");
    }
}
