//! Aligned columns.

use super::Paint;

/// Which side the cells of a column stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

#[derive(Clone, Copy, Debug)]
enum Tone {
    Plain,
    Good,
    Fair,
    Bad,
}

/// A text and how it is coloured.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Without colour.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    /// As it should be.
    pub fn good(text: impl Into<String>) -> Self {
        Self { tone: Tone::Good, ..Self::plain(text) }
    }

    /// It comes near.
    pub fn fair(text: impl Into<String>) -> Self {
        Self { tone: Tone::Fair, ..Self::plain(text) }
    }

    /// It needs attention.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { tone: Tone::Bad, ..Self::plain(text) }
    }

    /// The text.
    #[cfg(test)]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    fn painted(&self, paint: Paint) -> String {
        match self.tone {
            Tone::Plain => self.text.clone(),
            Tone::Good => paint.good(&self.text),
            Tone::Fair => paint.fair(&self.text),
            Tone::Bad => paint.bad(&self.text),
        }
    }
}

/// Rows under a heading.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with that heading.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it has a cell for each column.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Leaves out the columns that have nothing but `nothing` in every row.
    pub fn without_columns_of(self, nothing: &str) -> Self {
        let bare = |i: usize| self.rows.iter().all(|row| row[i].text == nothing);
        let kept: Vec<usize> = (0..self.columns.len()).filter(|i| !bare(*i)).collect();
        let pick = |row: &Vec<Cell>| kept.iter().map(|i| row[*i].clone()).collect();
        Self {
            columns: kept.iter().map(|i| self.columns[*i]).collect(),
            rows: self.rows.iter().map(pick).collect(),
        }
    }

    /// Two spaces between columns, none at the end of a line.
    pub fn render(&self, paint: Paint) -> String {
        let heading: Vec<Cell> = self.columns.iter().map(|(name, _)| Cell::plain(*name)).collect();
        let lines = || std::iter::once(&heading).chain(&self.rows);
        let width = |i: usize| lines().filter_map(|r| r.get(i)).map(Cell::width).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut out = String::new();
        for row in lines() {
            let mut line = String::new();
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                let text = cell.painted(paint);
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
        table.push(vec![Cell::plain("long"), Cell::plain("1"), Cell::bad("█░")]);
        table.push(vec![Cell::plain("x"), Cell::plain("12345678"), Cell::plain("")]);
        let expected = "A       NUMBER  B\nlong         1  █░\nx     12345678\n";
        assert_eq!(table.render(Paint::none()), expected);
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
