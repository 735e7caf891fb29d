//! The words of a command line.

use std::{path::Path, sync::Arc};

use crate::config::InputError;

/// The words of a text; those of an assigned value (`NAME="--a --b"`) one by one.
pub(super) fn words(text: &str, source: &Arc<Path>) -> Result<Vec<String>, InputError> {
    let split = |text: &str| {
        shlex::split(text).ok_or_else(|| {
            let problem = "a quotation mark is not closed, or a backslash ends the text";
            InputError::in_file(source, problem.to_owned())
        })
    };
    let mut words = Vec::new();
    for word in split(text)? {
        match word.split_once('=') {
            Some((name, value)) if is_variable(name) => words.extend(split(value)?),
            Some(_) | None => words.push(word),
        }
    }
    Ok(words)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
