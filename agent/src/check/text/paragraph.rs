//! Running text.

/// Longest line, in characters.
const WIDTH: usize = 100;

/// `text` broken between words, every line after `indent`.
pub fn indented(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut column = WIDTH;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column + 1 + length > WIDTH {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(indent);
            column = indent.len();
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        let word = "x".repeat(40);
        let text = [word.as_str(); 3].join(" ");
        assert_eq!(indented(&text, "  "), format!("  {word} {word}\n  {word}\n"));
        let long = "y".repeat(120);
        assert_eq!(indented(&long, "  "), format!("  {long}\n"), "a word is never broken");
        assert_eq!(indented("a b", ""), "a b\n");
    }
}
