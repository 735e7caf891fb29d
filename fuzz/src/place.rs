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
    assert!(line <= lines.len(), "the text has {} lines: {error}", lines.len());
    let width = lines[line - 1].chars().count();
    assert!(column <= width + 1, "the line has {width} columns: {error}");
}
