//! Turns old books into running text: removes line breaks inside paragraphs and keeps those between them. Does not change words or punctuation.

/// Removes carriage returns, makes white space inside a paragraph one space, joins paragraphs (separated by blank lines) by one newline and ends with one.
pub(super) fn unwrap(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut breaks = 0; // line feeds in the white space since the last word
    let mut gap = false;
    for c in text.chars().filter(|c| *c != '\r') {
        if is_space(c) {
            gap = true;
            breaks += usize::from(c == '\n');
            continue;
        }
        if gap && !out.is_empty() {
            out.push(if breaks >= 2 { '\n' } else { ' ' });
        }
        (gap, breaks) = (false, 0);
        out.push(c);
    }
    out.push('\n');
    out
}

/// Returns whether `c` is white space by Python's `\s`: Unicode's white space and the four ASCII separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(unwrap(text), want, "{text:?}");
    }

    #[test]
    fn paragraphs_become_lines() {
        check(
            "One\ntwo\r\n  three.\n\nFour\u{a0}five\n",
            "One two three.\nFour five\n",
        );
        check("a\n \t\n\n b", "a\nb\n");
        check("\n\n  a\n\n\n", "a\n");
        check("a\u{1f}b\u{85}c", "a b c\n");
        check("a\r\rb\r\n", "ab\n");
        check("", "\n");
    }

    #[test]
    fn a_book_becomes_what_the_demo_model_read() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let book = format!("{root}/../shared/data/oz/text/1920_glinda-of-oz.txt");
        let Ok(book) = std::fs::read_to_string(&book) else {
            println!("skipped: no {book}");
            return;
        };
        let prepared = format!("{root}/assets/demo/text/held-out/1920_glinda-of-oz.txt");
        let prepared = std::fs::read_to_string(prepared).unwrap();
        assert!(unwrap(&book.replace('_', "")) == prepared);
    }
}
