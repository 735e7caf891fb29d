//! Texts in quotation marks, as they stand in Go's error messages.

use std::fmt::Write;

/// As `strconv.Quote` does it.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{b}' => "\\v",
            _ => "",
        };
        let code = u32::from(c);
        let is_plain = c == '\'' || c.escape_debug().len() == 1;
        // Writing to a String cannot fail.
        let _ = match (short, code) {
            ("", _) if is_plain => write!(quoted, "{c}"),
            ("", 0..0x80) => write!(quoted, "\\x{code:02x}"),
            ("", 0x80..0x1_0000) => write!(quoted, "\\u{code:04x}"),
            ("", _) => write!(quoted, "\\U{code:08x}"),
            (short, _) => write!(quoted, "{short}"),
        };
    }
    quoted + "\""
}

/// As Go's `time` does it: what is not plain ASCII byte by byte.
pub(crate) fn quote_for_time(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        let _ = match byte {
            b'"' | b'\\' => write!(quoted, "\\{}", char::from(byte)),
            b' '..0x80 => write!(quoted, "{}", char::from(byte)),
            _ => write!(quoted, "\\x{byte:02x}"),
        };
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        let cases = [
            ("plain 'text'", "\"plain 'text'\"", "\"plain 'text'\""),
            ("a\"b\\c", r#""a\"b\\c""#, r#""a\"b\\c""#),
            ("\t\u{1}\u{7f}", r#""\t\x01\x7f""#, "\"\\x09\\x01\u{7f}\""),
            ("µ", "\"µ\"", r#""\xc2\xb5""#),
            ("\u{feff}", r#""\ufeff""#, r#""\xef\xbb\xbf""#),
        ];
        for (text, plainly, for_time) in cases {
            assert_eq!(quote(text), plainly);
            assert_eq!(quote_for_time(text), for_time);
        }
    }
}
