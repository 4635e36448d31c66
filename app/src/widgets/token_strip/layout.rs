//! Layout of a token strip: a pure function of the tokens, the width and the glyph widths. Draws nothing.

use std::ops::Range;

use egui::{Rect, Vec2, pos2, vec2};

/// Height of one line of text with the air around its tint.
pub(super) const LINE: f32 = 24.0;

/// Height of a tint.
const TINT: f32 = 20.0;

/// Padding left and right of the hexadecimal digits in their box.
pub(super) const HEX_PADDING: f32 = 3.0;

/// Appearance of a part of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Glyphs {
    /// Ordinary text.
    Text(String),
    /// The sign of a newline.
    Newline,
    /// A byte or an invisible character, as hexadecimal digits.
    Hex(String),
}

/// A part of a token in its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// Index of the token.
    pub(super) token: usize,
    /// Its appearance.
    pub(super) glyphs: Glyphs,
    /// Its tint's place, from the strip's corner.
    pub(super) rect: Rect,
}

/// All pieces in reading order, line by line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Layout {
    /// The pieces.
    pub(super) pieces: Vec<Piece>,
    /// Pieces of each line.
    pub(super) lines: Vec<Range<usize>>,
    /// Extent.
    pub(super) size: Vec2,
}

impl Layout {
    /// Pieces of the lines that meet `top..bottom`.
    pub(super) fn visible(&self, top: f32, bottom: f32) -> &[Piece] {
        let line = |y: f32| ((y / LINE).floor().max(0.0) as usize).min(self.lines.len());
        let (first, end) = (line(top), (line(bottom) + 1).min(self.lines.len()));
        if first >= end {
            return &[];
        }
        &self.pieces[self.lines[first].start..self.lines[end - 1].end]
    }

    /// First piece of a token.
    pub(super) fn piece_of(&self, token: usize) -> Option<&Piece> {
        let at = self.pieces.partition_point(|piece| piece.token < token);
        self.pieces.get(at).filter(|piece| piece.token == token)
    }

    /// The token one line above or below, nearest in the horizontal.
    pub(super) fn beside(&self, token: usize, lines_down: isize) -> Option<usize> {
        let from = self.piece_of(token)?.rect.center();
        let line = (from.y / LINE) as usize;
        let target = line.checked_add_signed(lines_down)?;
        let pieces = &self.pieces[self.lines.get(target)?.clone()];
        let distance = |piece: &&Piece| (piece.rect.center().x - from.x).abs();
        let nearest = pieces
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        Some(nearest.token)
    }
}

/// Widths of what a piece can show.
pub(super) trait Measure {
    /// Width of one character of text.
    fn glyph(&mut self, c: char) -> f32;
    /// Width of one hexadecimal digit.
    fn hex_digit(&mut self) -> f32;
    /// Width of the newline's sign.
    fn newline(&mut self) -> f32;
}

/// Sets `tokens` as prose of at most `width`: lines break before a token that begins with a space, after a newline, and inside only what is wider
/// than a line. `None` sets everything on one line.
pub(super) fn lay_out(tokens: &[String], width: Option<f32>, measure: &mut dyn Measure) -> Layout {
    let mut setter = Setter {
        width: width.unwrap_or(f32::INFINITY),
        one_line: width.is_none(),
        measure,
        out: Layout::default(),
        line_start: 0,
        x: 0.0,
        soft: false,
    };
    let parts: Vec<Vec<Glyphs>> = tokens.iter().map(|token| split(token)).collect();
    let mut i = 0;
    while i < tokens.len() {
        let end = word_end(tokens, i);
        setter.word(&parts[i..end], i);
        i = end;
    }
    setter.finish()
}

/// Returns the end of the word that begins at token `start`: the next token that may start a line.
fn word_end(tokens: &[String], start: usize) -> usize {
    let mut end = start + 1;
    while end < tokens.len() {
        let opens = tokens[end].starts_with(char::is_whitespace);
        let closed = tokens[end - 1].ends_with(|c: char| c.is_whitespace() || is_wide(c));
        if opens || closed || tokens[end].starts_with(is_wide) {
            break;
        }
        end += 1;
    }
    end
}

/// Scripts that break between any two characters.
fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x2E80..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// A token as text, newlines and boxes. The display form of a byte that is no character is `⟨E2⟩`.
fn split(token: &str) -> Vec<Glyphs> {
    let mut parts = vec![];
    let mut text = String::new();
    let mut rest = token;
    let flush = |text: &mut String, parts: &mut Vec<Glyphs>| {
        if !text.is_empty() {
            parts.push(Glyphs::Text(std::mem::take(text)));
        }
    };
    while let Some(c) = rest.chars().next() {
        if let Some((digits, after)) = byte_form(rest) {
            flush(&mut text, &mut parts);
            parts.push(Glyphs::Hex(digits.to_owned()));
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' => {
                flush(&mut text, &mut parts);
                parts.push(Glyphs::Newline);
            }
            '\t' => text.push_str("    "),
            _ if is_invisible(c) => {
                flush(&mut text, &mut parts);
                parts.push(Glyphs::Hex(format!("{:02X}", u32::from(c))));
            }
            _ => text.push(c),
        }
    }
    flush(&mut text, &mut parts);
    if parts.is_empty() {
        parts.push(Glyphs::Hex("·".to_owned()));
    }
    parts
}

/// `⟨E2⟩` at the start of `text`: its digits and what follows.
fn byte_form(text: &str) -> Option<(&str, &str)> {
    let (digits, after) = text.strip_prefix('⟨')?.split_once('⟩')?;
    let is_byte = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
    is_byte.then_some((digits, after))
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{FFFD}'
        )
}

struct Setter<'a> {
    width: f32,
    one_line: bool,
    measure: &'a mut dyn Measure,
    out: Layout,
    line_start: usize,
    x: f32,
    /// Whether the present line began because the one before was full.
    soft: bool,
}

impl Setter<'_> {
    fn word(&mut self, parts: &[Vec<Glyphs>], first: usize) {
        if self.x > 0.0 && self.x + self.width_to_break(parts) > self.width {
            self.new_line(true);
        }
        for (offset, part) in parts
            .iter()
            .enumerate()
            .flat_map(|(offset, token)| token.iter().map(move |part| (offset, part)))
        {
            self.part(part, first + offset);
        }
    }

    /// Width of a word's parts up to its first newline.
    fn width_to_break(&mut self, parts: &[Vec<Glyphs>]) -> f32 {
        let mut width = 0.0;
        for part in parts.iter().flatten() {
            if *part == Glyphs::Newline {
                break;
            }
            width += self.width_of(part);
        }
        width
    }

    fn width_of(&mut self, part: &Glyphs) -> f32 {
        match part {
            Glyphs::Text(text) => text.chars().map(|c| self.measure.glyph(c)).sum(),
            Glyphs::Newline => self.measure.newline(),
            Glyphs::Hex(digits) => {
                digits.chars().count() as f32 * self.measure.hex_digit() + 2.0 * HEX_PADDING
            }
        }
    }

    fn part(&mut self, part: &Glyphs, token: usize) {
        match part {
            Glyphs::Text(text) => self.text(text, token),
            Glyphs::Hex(_) => {
                let width = self.width_of(part);
                if self.x > 0.0 && self.x + width > self.width {
                    self.new_line(true);
                }
                self.place(part.clone(), token, width);
            }
            Glyphs::Newline => {
                let width = self.width_of(part);
                self.place(Glyphs::Newline, token, width);
                if !self.one_line {
                    self.new_line(false);
                }
            }
        }
    }

    /// Text, broken between characters where it alone is wider than the line. A single space that would begin a full line's successor is left out.
    fn text(&mut self, text: &str, token: usize) {
        let begins_line = self.soft && self.x == 0.0;
        let trimmed = text.strip_prefix(' ').filter(|rest| {
            begins_line && !rest.is_empty() && !rest.starts_with(char::is_whitespace)
        });
        let (mut run, mut width) = (String::new(), 0.0);
        for c in trimmed.unwrap_or(text).chars() {
            let advance = self.measure.glyph(c);
            if self.x + width + advance > self.width && self.x + width > 0.0 {
                self.place(Glyphs::Text(std::mem::take(&mut run)), token, width);
                self.new_line(true);
                width = 0.0;
            }
            run.push(c);
            width += advance;
        }
        self.place(Glyphs::Text(run), token, width);
    }

    fn place(&mut self, glyphs: Glyphs, token: usize, width: f32) {
        if glyphs == Glyphs::Text(String::new()) {
            return;
        }
        let top = self.out.lines.len() as f32 * LINE + (LINE - TINT) / 2.0;
        let rect = Rect::from_min_size(pos2(self.x, top), vec2(width, TINT));
        self.out.pieces.push(Piece {
            token,
            glyphs,
            rect,
        });
        self.x += width;
        self.out.size.x = self.out.size.x.max(self.x);
    }

    fn new_line(&mut self, soft: bool) {
        let end = self.out.pieces.len();
        self.out.lines.push(self.line_start..end);
        self.line_start = end;
        self.x = 0.0;
        self.soft = soft;
    }

    fn finish(mut self) -> Layout {
        if self.line_start < self.out.pieces.len() {
            self.new_line(false);
        }
        self.out.size.y = self.out.lines.len() as f32 * LINE;
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character 10 wide.
    struct Tens;

    impl Measure for Tens {
        fn glyph(&mut self, _: char) -> f32 {
            10.0
        }
        fn hex_digit(&mut self) -> f32 {
            7.0
        }
        fn newline(&mut self) -> f32 {
            10.0
        }
    }

    fn strings(tokens: &[&str]) -> Vec<String> {
        tokens.iter().map(|t| (*t).to_owned()).collect()
    }

    /// Lines as text, newline as ⏎, boxes in brackets.
    fn lines(tokens: &[&str], width: f32) -> Vec<String> {
        let layout = lay_out(&strings(tokens), Some(width), &mut Tens);
        let show = |piece: &Piece| match &piece.glyphs {
            Glyphs::Text(text) => text.clone(),
            Glyphs::Newline => "⏎".to_owned(),
            Glyphs::Hex(digits) => format!("[{digits}]"),
        };
        let line = |range: &Range<usize>| layout.pieces[range.clone()].iter().map(show).collect();
        layout.lines.iter().map(line).collect()
    }

    #[track_caller]
    fn check(tokens: &[&str], width: f32, want: &[&str]) {
        assert_eq!(lines(tokens, width), want, "{tokens:?} at {width}");
    }

    #[test]
    fn text_wraps_like_prose_and_keeps_its_spaces() {
        check(&["The", " king", " sat"], 200.0, &["The king sat"]);
        check(&["The", " king", " sat"], 90.0, &["The king", "sat"]);
        check(
            &["un", "believ", "able", " king"],
            140.0,
            &["unbelievable", "king"],
        );
        check(&["a", " un", "believable"], 130.0, &["a", "unbelievable"]);
    }

    #[test]
    fn a_newline_is_seen_and_breaks() {
        check(&["a", "\n", "b"], 200.0, &["a⏎", "b"]);
        check(&["a.\n\n", "  b"], 200.0, &["a.⏎", "⏎", "  b"]);
        check(&["a", "\n"], 200.0, &["a⏎"]);
    }

    #[test]
    fn what_is_wider_than_a_line_breaks_inside() {
        check(&["abcdefgh"], 30.0, &["abc", "def", "gh"]);
        check(&["ab", "cdef"], 30.0, &["abc", "def"]);
    }

    #[test]
    fn bytes_and_invisible_characters_are_boxes() {
        check(&["⟨E2⟩", "⟨80⟩x", "\u{0}"], 200.0, &["[E2][80]x[00]"]);
        check(&["⟨not⟩", ""], 200.0, &["⟨not⟩[·]"]);
    }

    #[test]
    fn only_lines_in_view_are_given() {
        let tokens: Vec<String> = (0..100).map(|i| format!(" w{i:02}")).collect();
        let layout = lay_out(&tokens, Some(85.0), &mut Tens);
        assert_eq!(layout.lines.len(), 50);
        assert_eq!(layout.size.y, 50.0 * LINE);
        let seen = layout.visible(10.0 * LINE + 1.0, 11.0 * LINE - 1.0);
        assert_eq!(seen.iter().map(|p| p.token).collect::<Vec<_>>(), [20, 21]);
        assert!(layout.visible(60.0 * LINE, 61.0 * LINE).is_empty());
        assert_eq!(layout.beside(20, 1), Some(22));
        assert_eq!(layout.beside(21, -1), Some(19));
        assert_eq!(layout.beside(0, -1), None);
    }

    #[test]
    fn one_line_stays_one_line() {
        let layout = lay_out(&strings(&["a", "\n", " king"]), None, &mut Tens);
        assert_eq!(layout.lines.len(), 1);
        assert_eq!(layout.size, vec2(70.0, LINE));
    }
}
