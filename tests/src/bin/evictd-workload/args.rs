//! `--name value` pairs.

use std::collections::BTreeMap;

/// The options of one command.
pub(crate) struct Args(BTreeMap<String, String>);

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("{word}: not an option"))?;
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            if !matches!(name, "dir" | "file") && value.parse::<u64>().is_err() {
                return Err(format!("{word} {value}: not a number"));
            }
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.0.get(name).and_then(|v| v.parse().ok()).unwrap_or(default)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
