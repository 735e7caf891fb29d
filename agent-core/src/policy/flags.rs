//! Eviction maps on a command line (T-22).

use std::collections::BTreeMap;

/// How a flag writes its pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagPairs {
    /// `signal<value`: `--eviction-hard`, `--eviction-soft`.
    LessThan,
    /// `signal=value`: `--eviction-soft-grace-period`, `--eviction-minimum-reclaim`.
    Equals,
}

/// A pair lacks its sign; the text is the kubelet's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed pair, expect string{0}string")]
pub struct FlagError(pub char);

impl FlagPairs {
    const fn sign(self) -> char {
        match self {
            Self::LessThan => '<',
            Self::Equals => '=',
        }
    }

    /// Reads the pairs, parted by commas, into the whole map: nothing else stays in force, defaults
    /// neither. Empty pairs are passed over; of several for one signal the last counts.
    pub fn parse(self, text: &str) -> Result<BTreeMap<String, String>, FlagError> {
        let pair = |pair: &str| {
            let (signal, value) = pair.split_once(self.sign()).ok_or(FlagError(self.sign()))?;
            Ok((signal.trim().to_owned(), value.trim().to_owned()))
        };
        text.split(',').filter(|part| !part.is_empty()).map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_the_kubelet_does() {
        use FlagPairs::{Equals, LessThan};
        type Case =
            (FlagPairs, &'static str, Result<&'static [(&'static str, &'static str)], char>);
        let cases: [Case; 6] = [
            (LessThan, "", Ok(&[])),
            (
                LessThan,
                "memory.available<1Gi, nodefs.available < 10%,",
                Ok(&[("memory.available", "1Gi"), ("nodefs.available", "10%")]),
            ),
            (
                LessThan,
                "memory.available<1Gi,memory.available<2Gi",
                Ok(&[("memory.available", "2Gi")]),
            ),
            (LessThan, "memory.available=1Gi", Err('<')),
            (Equals, "memory.available=1m=", Ok(&[("memory.available", "1m=")])),
            (Equals, "memory.available", Err('=')),
        ];
        for (pairs, text, expected) in cases {
            let expected = expected.map_err(FlagError).map(|pairs| {
                pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
            });
            assert_eq!(pairs.parse(text), expected, "{text}");
        }
        assert_eq!(FlagError('<').to_string(), "malformed pair, expect string<string");
    }
}
