//! Bad input, told so that it can be put right.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{Place, document::Position};

/// A mistake in a configuration or manifest file.
///
/// Shown as `FILE:LINE:COL: field X: what is wrong; allowed: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 if the whole file is meant.
    pub line: u64,
    /// Column, from 1; 0 if the whole file is meant.
    pub column: u64,
    /// Path of the field, dotted; empty for the document itself.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What is allowed, where that can be listed.
    pub allowed: Option<String>,
}

impl InputError {
    pub(crate) fn in_file(file: &Path, problem: String) -> Self {
        Self::in_field(file, Position::default(), String::new(), problem)
    }

    pub(crate) fn in_field(
        file: &Path,
        at: Position,
        field: String,
        problem: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line: at.line,
            column: at.column,
            field,
            problem: problem.into(),
            allowed: None,
        }
    }

    pub(super) fn at(place: &Place, field: impl Into<String>, problem: impl Into<String>) -> Self {
        let at = Position { line: place.line, column: place.column };
        Self::in_field(&place.file, at, field.into(), problem)
    }

    pub(crate) fn syntax(file: &Path, error: &serde_saphyr::Error) -> Self {
        let at = error.location().map(Position::from).unwrap_or_default();
        if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
            let field = key.clone().unwrap_or_default();
            return Self::in_field(file, at, field, "written twice in one mapping");
        }
        let text = error.to_string();
        // The position is told in front already.
        let problem = text.split(" at line ").next().unwrap_or_default();
        Self::in_field(file, at, String::new(), format!("not valid YAML: {problem}"))
    }

    /// Adds what is allowed.
    #[must_use]
    pub(crate) fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if !self.field.is_empty() {
            write!(f, "field {}: ", self.field)?;
        }
        f.write_str(&self.problem)?;
        if let Some(allowed) = &self.allowed {
            write!(f, "; allowed: {allowed}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}

/// Problem and allowed list for a name that is not in `expected`.
pub(super) fn unknown(what: &str, found: &str, expected: &[&str]) -> (String, String) {
    let nearest = expected
        .iter()
        .map(|name| (edit_distance(found, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    let mut problem = format!("unknown {what} `{found}`");
    if let Some((_, name)) = nearest {
        problem.push_str(&format!(" (did you mean `{name}`?)"));
    }
    (problem, expected.join(", "))
}

/// Levenshtein distance, ignoring case.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_only_when_near() {
        let cases = [
            ("requets", Some("requests")),
            ("memoryAvailable", None),
            ("Limits", Some("limits")),
            ("zzz", None),
        ];
        for (found, nearest) in cases {
            let (problem, allowed) = unknown("field", found, &["claims", "limits", "requests"]);
            assert_eq!(allowed, "claims, limits, requests", "{found}");
            match nearest {
                Some(name) => {
                    assert!(problem.contains(&format!("`{name}`?")), "{found}: {problem}");
                }
                None => assert!(!problem.contains('?'), "{found}: {problem}"),
            }
        }
    }
}
