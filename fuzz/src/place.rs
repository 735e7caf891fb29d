//! Errors that point into the text they are about.

use evictd::config::InputError;

/// Checks that the error says something and points at a line and column of `text`, or right behind its
/// end.
pub(crate) fn points_into(text: &str, error: &InputError) {
    assert!(!error.problem.is_empty(), "an error says nothing: {error:?}");
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (line, column) = (error.line as usize, error.column as usize);
    assert!(line >= 1 && column >= 1, "no position: {error}");
    let lines: Vec<&str> = text.split('\n').collect();
    // YAML ends the last line even if the text does not.
    assert!(line <= lines.len() + 1, "the text has {} lines: {error}", lines.len());
    let width = lines.get(line - 1).map_or(0, |line| line.chars().count());
    assert!(column <= width + 1, "the line has {width} columns: {error}");
}
