//! What the live table shows, and what keys do to it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::top::{
    Args,
    column::{self, Column},
    snapshot::{Row, Snapshot},
};

/// Rows that a page key moves by.
const PAGE: usize = 10;

/// Everything on the screen.
pub struct Live {
    /// What was seen last.
    pub snapshot: Option<Snapshot>,
    /// Why there is nothing newer.
    pub problem: Option<String>,
    /// What rows are sorted by.
    pub sort: Column,
    /// The smallest first.
    pub reversed: bool,
    /// What names must contain.
    pub filter: String,
    /// Keys go to the filter.
    pub editing: bool,
    /// The first row on the screen.
    pub first: usize,
    /// Whether to use colours.
    pub colours: bool,
    /// How many rows at most.
    pub most: usize,
}

/// What a key asks of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Stay,
    /// End.
    Quit,
}

impl Live {
    /// As the command line says, nothing seen yet.
    pub fn new(args: &Args, colours: bool) -> Self {
        Self {
            snapshot: None,
            problem: None,
            sort: args.sort,
            reversed: args.reverse,
            filter: args.filter.clone(),
            editing: false,
            first: 0,
            colours,
            most: args.top.unwrap_or(usize::MAX),
        }
    }

    /// Takes in a snapshot, or why there is none: the last one stays then.
    pub fn update(&mut self, seen: Result<Snapshot, String>) {
        match seen {
            Ok(snapshot) => (self.snapshot, self.problem) = (Some(snapshot), None),
            Err(problem) => self.problem = Some(problem),
        }
    }

    /// The rows that are wanted, in order.
    pub fn rows(&self) -> Vec<Row> {
        let all = self.snapshot.iter().flat_map(|snapshot| &snapshot.rows);
        let mut rows: Vec<Row> =
            all.filter(|row| column::matches(row, &self.filter)).cloned().collect();
        column::sort(&mut rows, self.sort, self.reversed);
        rows.truncate(self.most);
        rows
    }

    /// Does what a key says.
    pub fn key(&mut self, key: KeyEvent) -> Wish {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Wish::Quit;
        }
        if self.editing {
            self.edit(key.code);
            return Wish::Stay;
        }
        if let Some(first) = self.scrolled(key.code) {
            self.first = first;
        } else if let KeyCode::Char(typed) = key.code {
            match typed {
                'q' => return Wish::Quit,
                '/' => self.editing = true,
                typed => self.sort_by(typed),
            }
        } else if key.code == KeyCode::Esc {
            self.filter.clear();
        }
        Wish::Stay
    }

    fn scrolled(&self, code: KeyCode) -> Option<usize> {
        let to = if code == KeyCode::Down {
            self.first.saturating_add(1)
        } else if code == KeyCode::Up {
            self.first.saturating_sub(1)
        } else if code == KeyCode::PageDown {
            self.first.saturating_add(PAGE)
        } else if code == KeyCode::PageUp {
            self.first.saturating_sub(PAGE)
        } else if code == KeyCode::Home {
            0
        } else {
            return None;
        };
        Some(to)
    }

    fn edit(&mut self, code: KeyCode) {
        self.first = 0;
        if let KeyCode::Char(typed) = code {
            self.filter.push(typed);
        } else if code == KeyCode::Backspace {
            self.filter.pop();
        } else if code == KeyCode::Enter {
            self.editing = false;
        } else if code == KeyCode::Esc {
            self.filter.clear();
            self.editing = false;
        }
    }

    fn sort_by(&mut self, key: char) {
        let Some((_, column)) = Column::KEYS.into_iter().find(|(of, _)| *of == key) else {
            return;
        };
        self.reversed = column == self.sort && !self.reversed;
        self.sort = column;
    }
}

#[cfg(test)]
pub mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::top::sample;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    pub fn live(words: &[&str]) -> Live {
        let line = Line::parse_from([&["top"], words].concat());
        let mut live = Live::new(&line.args, false);
        live.update(Ok(sample::snapshot()));
        live
    }

    fn press(live: &mut Live, keys: &str) -> Wish {
        let code = |key| match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            'v' => KeyCode::Down,
            '^' => KeyCode::Up,
            key => KeyCode::Char(key),
        };
        let pressed = keys.chars().map(|key| live.key(KeyEvent::from(code(key))));
        pressed.last().unwrap()
    }

    #[test]
    fn keys_sort_and_reverse() {
        let mut live = live(&["--sort", "name"]);
        for (keys, sort, reversed) in [
            ("n", Column::Name, true),
            ("n", Column::Name, false),
            ("f", Column::Forks, false),
            ("ff", Column::Forks, false),
            ("fl", Column::Log, false),
            ("x", Column::Log, false),
        ] {
            assert_eq!(press(&mut live, keys), Wish::Stay);
            assert_eq!((live.sort, live.reversed), (sort, reversed), "{keys}");
        }
    }

    #[test]
    fn a_filter_is_typed_corrected_and_dropped() {
        let mut live = live(&[]);
        for (keys, filter, editing, rows) in [
            ("/qq", "qq", true, 0),
            ("\u{8}\u{8}cart", "cart", true, 2),
            ("\n", "cart", false, 2),
            ("v", "cart", false, 2),
            ("\u{1b}", "", false, 3),
            ("/app\u{1b}", "", false, 3),
        ] {
            press(&mut live, keys);
            assert_eq!((live.filter.as_str(), live.editing), (filter, editing), "{keys:?}");
            assert_eq!(live.rows().len(), rows, "{keys:?}");
        }
    }

    #[test]
    fn quitting_and_scrolling() {
        let mut live = live(&["--top", "2"]);
        assert_eq!(live.rows().len(), 2);
        press(&mut live, "vv^");
        assert_eq!(live.first, 1);
        assert_eq!(press(&mut live, "q"), Wish::Quit);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        live.editing = true;
        assert_eq!(live.key(control_c), Wish::Quit);
    }

    #[test]
    fn a_failed_reading_leaves_the_last_picture() {
        let mut live = live(&[]);
        live.update(Err("gone".to_owned()));
        assert_eq!((live.rows().len(), live.problem.as_deref()), (3, Some("gone")));
        live.update(Ok(sample::snapshot()));
        assert_eq!(live.problem, None);
    }
}
