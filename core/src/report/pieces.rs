//! Pieces that the forms of a report share: escaped text, numbers, lines.

use std::fmt::Write as _;

/// Writes a token's text, a line break as a faint sign.
pub(super) fn token_text(token: &str) -> String {
    escape(token).replace('\n', "<i>⏎</i>")
}

/// Escapes text as HTML, control characters as their number.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() => {
                write!(safe, "⟨{:02X}⟩", u32::from(c)).expect("a string takes everything");
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Writes three significant digits.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let before = value.abs().log10().floor() as i32 + 1;
    if before > 15 {
        return format!("{value:.2e}");
    }
    if before >= 4 {
        return count(value.round() as u64);
    }
    let digits = usize::try_from(3 - before).unwrap_or(0);
    if digits > 8 {
        return format!("{value:.2e}");
    }
    format!("{value:.digits$}")
}

/// Writes a count with thin spaces between thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut apart = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            apart.push('\u{202f}');
        }
        apart.push(digit);
    }
    apart
}

/// Writes a piece.
pub(super) fn add(page: &mut String, piece: std::fmt::Arguments<'_>) {
    page.write_fmt(piece).expect("a string takes everything");
}

/// Writes a piece and ends its line.
pub(super) fn put(page: &mut String, piece: std::fmt::Arguments<'_>) {
    add(page, piece);
    page.push('\n');
}
