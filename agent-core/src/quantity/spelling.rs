//! A quantity's text as it was written.

use std::fmt;

/// The text of a quantity that is printed as it was written; empty for one that is printed in
/// canonical form.
///
/// Such a text has at most 18 digits that count, but any number of zeros before them and before those of
/// an exponent. These are only counted, so that every text fits.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    length: u8,
    bytes: [u8; Self::LONGEST],
    /// So many zeros stand before the digits of the number and of its exponent, …
    zeros: [u32; 2],
    /// … there in `bytes`.
    zeros_at: [u8; 2],
}

impl Spelling {
    /// Sign, 18 digits, point; `e`, sign, the digits of a 32-bit number.
    const LONGEST: usize = 20 + 12;

    /// To be printed in canonical form.
    pub(super) const CANONICAL: Self =
        Self { length: 0, bytes: [0; Self::LONGEST], zeros: [0; 2], zeros_at: [0; 2] };

    /// Of a text that the kubelet takes for canonical; of another too long to be one, canonical form.
    pub(super) fn of(text: &str) -> Self {
        let mut spelling = Self::CANONICAL;
        let exponent = text.find(['e', 'E']).map_or(text.len(), |e| e + 1);
        let (number, exponent) = text.split_at(exponent);
        let kept = [number, exponent].into_iter().zip(0..).all(|(part, i)| spelling.keep(part, i));
        if kept { spelling } else { Self::CANONICAL }
    }

    /// Appends a part: sign, zeros, the rest. False if there is no room.
    fn keep(&mut self, part: &str, number: usize) -> bool {
        let unsigned = part.trim_start_matches(['+', '-']);
        let (sign, rest) = (&part[..part.len() - unsigned.len()], unsigned.trim_start_matches('0'));
        let Ok(count) = u32::try_from(unsigned.len() - rest.len()) else {
            return false;
        };
        if !self.append(sign) {
            return false;
        }
        self.zeros[number] = count;
        self.zeros_at[number] = self.length;
        self.append(rest)
    }

    fn append(&mut self, text: &str) -> bool {
        let begin = usize::from(self.length);
        let end = begin + text.len();
        let room = self.bytes.get_mut(begin..end);
        if let (Some(room), Ok(length)) = (room, u8::try_from(end)) {
            room.copy_from_slice(text.as_bytes());
            self.length = length;
            return true;
        }
        false
    }

    /// Whether the quantity is to be printed in canonical form.
    pub(super) const fn is_canonical(&self) -> bool {
        self.length == 0
    }

    /// A part of the kept text.
    fn text(&self, from: usize, to: usize) -> &str {
        let bytes = self.bytes.get(from..to).unwrap_or_default();
        // Cut from a text at ASCII characters.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Display for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut from = 0;
        for (zeros, at) in self.zeros.into_iter().zip(self.zeros_at) {
            let to = usize::from(at);
            f.write_str(self.text(from, to))?;
            for _ in 0..zeros {
                f.write_str("0")?;
            }
            from = to;
        }
        f.write_str(self.text(from, usize::from(self.length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_are_kept() {
        let long = format!("-{}5", "0".repeat(1000));
        let exponent = format!("+0012.5e+{}3", "0".repeat(70));
        for text in ["007", "1E3", "-12e-3", "5.Gi", "+0.5e09", "9E", &long, &exponent] {
            assert_eq!(Spelling::of(text).to_string(), *text);
        }
        assert!(Spelling::of(&"1".repeat(50)).is_canonical(), "no canonical text");
    }
}
