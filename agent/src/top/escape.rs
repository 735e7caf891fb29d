//! Names of containers and cgroups are somebody else's text: they must not steer the terminal.

/// `text` with control characters, and characters that change the direction of text or are not seen,
/// written as `\x1b` or `\u{202e}`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() && u32::from(c) < 0x100 => {
                out.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c if is_unseen(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        let cases = [
            ("web-7f", "web-7f"),
            ("grüß", "grüß"),
            ("a\x1b[2Jb", "a\\x1b[2Jb"),
            ("a\nb\tc\rd\x7f", "a\\nb\\tc\\x0dd\\x7f"),
            ("\u{9b}31m", "\\x9b31m"),
            ("x\u{202e}gpj", "x\\u{202e}gpj"),
            ("\u{feff}\u{200b}", "\\u{feff}\\u{200b}"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape(text), expected);
            assert!(!escape(text).chars().any(char::is_control));
        }
    }
}
