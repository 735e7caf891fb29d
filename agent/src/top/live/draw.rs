//! Draws the live table.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Paragraph, Row, Table},
};

use super::table::Live;
use crate::{
    answer::{Align, Tone},
    top::{
        column::{HEADINGS, cells},
        escape::escape,
        header::{self, SignalLine},
        text::{bar, shortened, side},
    },
};

/// Columns of numbers, their gaps, and the memory events.
const WIDTHS: [u16; HEADINGS.len() - 1] = [8, 8, 9, 6, 6, 8, 7, 8, 26];

/// Fewer rows of the table than this, and the header gives way.
const LEAST_ROWS: u16 = 4;

const KEYS: &str =
    "sort: n d w l g t p f m r e (again: reverse)  / filter  Esc all  arrows scroll  q quit";

/// Draws everything, whatever the size.
pub fn draw(frame: &mut Frame<'_>, live: &mut Live) {
    let (head, foot) = (head(live), foot(live));
    let height = frame.area().height;
    let room = height.saturating_sub(LEAST_ROWS);
    let foot_lines = lines(&foot).min(room);
    let head_lines = lines(&head).min(room - foot_lines);
    let areas = Layout::vertical([
        Constraint::Length(head_lines),
        Constraint::Fill(1),
        Constraint::Length(foot_lines),
    ]);
    let [top, middle, bottom] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(head), top);
    table(frame, middle, live);
    frame.render_widget(Paragraph::new(foot), bottom);
}

fn lines(text: &[Line<'_>]) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

fn head(live: &Live) -> Vec<Line<'static>> {
    let Some(snapshot) = &live.snapshot else {
        return vec![Line::raw("the first interval is not over yet")];
    };
    let mut lines = vec![Line::raw(header::title(snapshot))];
    lines.extend(header::conditions(snapshot).map(Line::raw));
    lines.extend(header::signals(snapshot).iter().map(|line| signal(line, live.colours)));
    lines
}

fn signal(line: &SignalLine, colours: bool) -> Line<'static> {
    let colour = match line.tone {
        Tone::Plain | Tone::Bold | Tone::Faint => None,
        Tone::Good => Some(Color::Green),
        Tone::Fair => Some(Color::Yellow),
        Tone::Bad => Some(Color::Red),
    };
    let style = colour.filter(|_| colours).map_or(Style::new(), |colour| Style::new().fg(colour));
    Line::from(vec![
        Span::raw(format!("{}  ", line.amount)),
        Span::styled(bar(line.filled), style),
        Span::styled(format!("  {}", line.thresholds), style),
    ])
}

fn foot(live: &Live) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        live.snapshot.iter().flat_map(header::missing).map(Line::raw).collect();
    if let Some(problem) = &live.problem {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        lines.push(Line::styled(format!("{}; trying again", escape(problem)), bold));
    }
    let filter = escape(&live.filter);
    lines.push(match (live.editing, filter.is_empty()) {
        (true, _) => Line::raw(format!("filter: {filter}▏ (Enter keeps it, Esc drops it)")),
        (false, false) => Line::raw(format!("filter: {filter}  {KEYS}")),
        (false, true) => Line::raw(KEYS),
    });
    lines
}

fn table(frame: &mut Frame<'_>, area: Rect, live: &mut Live) {
    let rows = live.rows();
    // The last row stays on the screen.
    live.first = live.first.min(rows.len().saturating_sub(1));
    let numbers: u16 = WIDTHS.iter().map(|width| width + 1).sum();
    let name_width = usize::from(area.width.saturating_sub(numbers).max(20));
    let heading = HEADINGS.iter().enumerate().map(|(column, (name, sorts))| {
        let is_sorted = sorts.contains(&live.sort);
        let style = if is_sorted { Modifier::BOLD | Modifier::REVERSED } else { Modifier::BOLD };
        aligned(column, (*name).to_owned()).style(Style::new().add_modifier(style))
    });
    let body = rows.iter().skip(live.first).take(usize::from(area.height)).map(|row| {
        let cells = cells(row).into_iter().enumerate();
        Row::new(cells.map(|(column, cell)| match column {
            0 => Line::raw(shortened(&cell, name_width)),
            column => aligned(column, cell),
        }))
    });
    let widths = [Constraint::Min(20)].into_iter().chain(WIDTHS.map(Constraint::Length));
    frame.render_widget(Table::new(body, widths).header(Row::new(heading)), area);
}

fn aligned(column: usize, text: String) -> Line<'static> {
    let line = Line::raw(text);
    match side(column) {
        Align::Left => line,
        Align::Right => line.right_aligned(),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend, buffer::Cell};

    use super::*;
    use crate::top::{live::table::tests::live, sample};

    fn screen(live: &mut Live, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, live)).unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content().chunks(usize::from(width).max(1)).map(|line| {
            let text: String = line.iter().map(Cell::symbol).collect();
            format!("{}\n", text.trim_end())
        });
        lines.collect()
    }

    #[test]
    fn the_screen_is_a_whole_picture() {
        let mut live = live(&["--filter", "s"]);
        live.problem = Some("no evictd answers there\u{1b}[0m".to_owned());
        assert_eq!(screen(&mut live, 130, 14), include_str!("screen.txt"));
    }

    #[test]
    fn any_size_is_drawn() {
        let mut live = live(&[]);
        for width in [0, 1, 2, 20, 79, 300] {
            for height in [0, 1, 2, 3, 5, 9, 50] {
                screen(&mut live, width, height);
            }
        }
        let small = screen(&mut live, 100, 5);
        assert!(small.contains("CONTAINER OR CGROUP"), "the table stays: {small}");
        assert!(screen(&mut Live { snapshot: None, ..live }, 80, 6).contains("not over yet"));
    }

    #[test]
    fn bars_are_coloured_by_distance_unless_colours_are_refused() {
        for (colours, expected) in [(true, Some(Color::Red)), (false, None)] {
            let line = header::signals(&sample::snapshot()).remove(0);
            assert_eq!(signal(&line, colours).spans[1].style.fg, expected);
        }
    }
}
