//! A text field that draws its own tokens: rounded tints behind the words, small marks below them. It is egui's field, so caret, selection, undo, input
//! methods and screen readers work as everywhere; a click also chooses the token, Alt+Up and Alt+Down walk. Knows nothing of models.

mod carry;
mod paint;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use egui::epaint::text::ByteIndex;
use egui::text::{CCursor, LayoutJob, LayoutSection, TextFormat};
use egui::{
    Color32, FontId, Galley, Key, Modifiers, Pos2, Rect, Response, Role, ScrollArea, Sense, Shape,
    Stroke, TextBuffer, TextEdit, Ui, WidgetInfo, pos2, vec2,
};

pub(crate) use self::carry::carry;
pub(crate) use self::paint::{SHAPES, mark};
use super::focus;
use super::token_strip::Card;
use crate::theme::{Theme, Tinted, size, space};

/// Height of a line: the tint, and marks below it.
const LINE: f32 = 32.0;

/// Air around the text.
const MARGIN: egui::Margin = egui::Margin::symmetric(10, 6);

/// Font of the text.
fn font() -> FontId {
    FontId::monospace(size::PANEL)
}

/// A token in the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Piece {
    /// Its bytes in the text; empty for one that is not in it.
    pub(crate) span: Range<usize>,
    /// Tint and ink, where it has a value.
    pub(crate) tint: Option<Tinted>,
    /// Whether its value is negative.
    pub(crate) negative: bool,
    /// Numbers of its marks.
    pub(crate) marks: Vec<usize>,
    /// Bands laid one below the other under the token: numbers of their series, and their parts of the full height.
    pub(crate) bands: Vec<(usize, f32)>,
}

/// The field before it is shown.
pub(crate) struct TokenEditor<'a> {
    /// Name for a screen reader; unique within its place.
    pub(crate) name: &'a str,
    /// The text.
    pub(crate) text: &'a str,
    /// The tokens in order.
    pub(crate) pieces: &'a [Piece],
    /// Their display forms.
    pub(crate) tokens: &'a [String],
    /// Tokens that stand before the text, as chips.
    pub(crate) before: usize,
    /// The chosen token.
    pub(crate) selected: Option<usize>,
    /// A token that is pointed at elsewhere.
    pub(crate) pointed: Option<usize>,
    /// A token that is brought into view.
    pub(crate) reveal: Option<usize>,
    /// Greatest height of the text.
    pub(crate) height: f32,
    /// Draws what is known about a token.
    pub(crate) card: &'a mut Card<'a>,
}

/// The user's action in this frame.
#[derive(Debug, Default)]
pub(crate) struct EditorReply {
    /// The field.
    pub(crate) field: Option<Response>,
    /// The text after typing.
    pub(crate) typed: Option<String>,
    /// The byte before which the caret stands then.
    pub(crate) caret: usize,
    /// The token that was clicked or walked to.
    pub(crate) chosen: Option<usize>,
    /// The token under the pointer.
    pub(crate) hovered: Option<usize>,
}

/// A part of a token on one line.
#[derive(Debug, Clone, Copy)]
struct Placed {
    token: usize,
    rect: Rect,
}

impl TokenEditor<'_> {
    /// Draws the field over the width that is there.
    pub(crate) fn show(mut self, ui: &mut Ui) -> EditorReply {
        let theme = Theme::from_ui(ui);
        let id = ui.make_persistent_id(("token editor", self.name));
        let focused = ui.memory(|memory| memory.has_focus(id));
        let mut reply = EditorReply::default();
        if focused {
            reply.chosen = self.walked(ui);
        }
        let height = self.height;
        let frame = egui::Frame::new()
            .fill(theme.surface.window)
            .stroke(Stroke::new(1.0, theme.line.strong))
            .corner_radius(space::CORNER)
            .show(ui, |ui| {
                ScrollArea::vertical()
                    .id_salt((self.name, "scroll"))
                    .max_height(height)
                    .show(ui, |ui| self.field_ui(ui, id, &mut reply));
            });
        if let Some(field) = &reply.field {
            focus::framed(field, frame.response.rect);
        }
        reply
    }

    /// The token that Alt with an arrow goes to.
    fn walked(&self, ui: &Ui) -> Option<usize> {
        let last = self.tokens.len().checked_sub(1)?;
        let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::ALT, key));
        if pressed(Key::ArrowDown) {
            return Some(self.selected.map_or(0, |at| (at + 1).min(last)));
        }
        if pressed(Key::ArrowUp) {
            return Some(self.selected.map_or(last, |at| at.saturating_sub(1)));
        }
        None
    }

    fn field_ui(&mut self, ui: &mut Ui, id: egui::Id, reply: &mut EditorReply) {
        let ground = ui.painter().add(Shape::Noop);
        let chips = self.chips(ui);
        let indent = chips.iter().map(|chip| chip.size().x + 14.0).sum::<f32>();
        let mut text = self.text.to_owned();
        let (was, pieces) = (self.text, self.pieces);
        let spans: Vec<_> = pieces.iter().map(|piece| piece.span.clone()).collect();
        let plain = Theme::from_ui(ui).ink.primary;
        let mut layouter = |ui: &Ui, buffer: &dyn TextBuffer, width: f32| {
            let new = buffer.as_str();
            let inks = inks(pieces, &carry(was, new, &spans), (new.len(), plain));
            lay_out(ui, new, inks, (indent, width))
        };
        let shown = TextEdit::multiline(&mut text)
            .id(id)
            .font(font())
            .frame(egui::Frame::new().inner_margin(MARGIN))
            .hint_text("Type a sentence…")
            .desired_rows(1)
            .desired_width(f32::INFINITY)
            .layouter(&mut layouter)
            .show(ui);
        let response = shown.response.response;
        let name = self.name;
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::MultilineTextInput, true, name);
            info.current_text_value = Some(text.clone());
            info
        });
        let changed = response.changed();
        let clip = ui.clip_rect();
        // What was typed in this frame is drawn in it: the tints follow at once.
        let spans = carry(was, &text, &spans);
        let mut placed = places(&shown.galley, &text, &spans, (shown.galley_pos, clip));
        let mut left = shown.galley_pos.x;
        for (token, chip) in chips.iter().enumerate() {
            let top = shown.galley_pos.y + (LINE - 8.0 - 18.0) / 2.0;
            let rect = Rect::from_min_size(pos2(left, top), vec2(chip.size().x + 8.0, 18.0));
            placed.push(Placed { token, rect });
            left = rect.right() + 6.0;
        }
        let hover = response.hover_pos();
        reply.hovered = hover.and_then(|pos| token_at(&placed, pos));
        self.nodes(ui, id, &placed);
        if response.clicked() {
            let pos = response.interact_pointer_pos();
            reply.chosen = pos.and_then(|pos| token_at(&placed, pos));
        }
        let pointed = reply.hovered.or(self.pointed);
        let shapes = self.shapes(ui, (&placed, &chips), pointed);
        ui.painter().set(ground, Shape::Vec(shapes));
        paint::newlines(ui, &shown.galley, shown.galley_pos);
        focus::main(&response);
        reply.field = Some(response.clone());
        if let Some(token) = reply.hovered {
            let card = &mut self.card;
            response.on_hover_ui_at_pointer(|ui| card(ui, token));
        }
        if let Some(token) = self.reveal {
            let span = spans.get(token).cloned().unwrap_or_default();
            let at = text.char_indices().take_while(|(at, _)| *at < span.end);
            let cursor = shown.galley.pos_from_cursor(CCursor::new(at.count()));
            ui.scroll_to_rect(cursor.translate(shown.galley_pos.to_vec2()), None);
        }
        if changed {
            let caret = shown.cursor_range.map(|range| range.primary.index.0);
            let rest = caret.and_then(|caret| text.char_indices().nth(caret));
            reply.caret = rest.map_or(text.len(), |(byte, _)| byte);
            reply.typed = Some(text);
        }
    }

    /// Texts of the chips before the text.
    fn chips(&self, ui: &Ui) -> Vec<Arc<Galley>> {
        let ink = Theme::from_ui(ui).ink.secondary;
        let font = FontId::monospace(size::CAPTION);
        let before = self.tokens.iter().take(self.before);
        let chip = |token: &String| {
            ui.painter()
                .layout_no_wrap(token.clone(), font.clone(), ink)
        };
        before.map(chip).collect()
    }

    /// Names every token in view for screen readers, without taking clicks from the field.
    fn nodes(&self, ui: &Ui, id: egui::Id, placed: &[Placed]) {
        let mut last = None;
        for (part, place) in placed.iter().enumerate() {
            if last == Some(place.token) {
                continue; // the rest of it, on the next line
            }
            last = Some(place.token);
            let Some(token) = self.tokens.get(place.token) else {
                continue;
            };
            let response = ui.interact(place.rect, id.with((part, place.token)), Sense::hover());
            let selected = self.selected == Some(place.token);
            response.widget_info(|| {
                let name = format!("{}, token {}", token.trim(), place.token);
                WidgetInfo::selected(Role::ListItem, true, selected, name)
            });
        }
    }
}

/// Ink of every part of a text of `length` bytes, in which the tokens are at `spans`.
fn inks(
    pieces: &[Piece],
    spans: &[Range<usize>],
    (length, plain): (usize, Color32),
) -> Vec<(Range<usize>, Color32)> {
    let mut parts: Vec<(Range<usize>, Color32)> = vec![];
    let mut at = 0;
    let mut add = |range: Range<usize>, ink| match parts.last_mut() {
        Some((last, same)) if *same == ink => last.end = range.end,
        _ => parts.push((range, ink)),
    };
    for (piece, span) in pieces.iter().zip(spans) {
        let span = span.start.max(at)..span.end.min(length);
        if span.is_empty() {
            continue;
        }
        if at < span.start {
            add(at..span.start, plain);
        }
        at = span.end;
        add(span, piece.tint.map_or(plain, |tint| tint.ink));
    }
    if at < length || length == 0 {
        add(at..length, plain);
    }
    parts
}

/// Lays the text out as it is drawn; characters that leave no ink are shown by a sign of their own.
fn lay_out(
    ui: &Ui,
    text: &str,
    inks: Vec<(Range<usize>, Color32)>,
    (indent, width): (f32, f32),
) -> Arc<Galley> {
    let (mut shown, mut sections) = (String::with_capacity(text.len()), vec![]);
    for (at, (range, color)) in inks.into_iter().enumerate() {
        let start = shown.len();
        shown.extend(text[range].chars().map(visible));
        let format = TextFormat {
            font_id: font(),
            color,
            line_height: Some(LINE),
            ..TextFormat::default()
        };
        sections.push(LayoutSection {
            leading_space: if at == 0 { indent } else { 0.0 },
            byte_range: ByteIndex(start)..ByteIndex(shown.len()),
            format,
        });
    }
    let mut job = LayoutJob {
        text: shown,
        sections,
        keep_trailing_whitespace: true,
        ..LayoutJob::default()
    };
    job.wrap.max_width = width;
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}

/// A sign for a character that leaves no ink; one for one, so that places stay.
fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        _ if c.is_control() => '·',
        '\u{AD}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}'
        | '\u{FEFF}'
        | '\u{FFFD}' => '·',
        _ => c,
    }
}

/// The parts of the tokens on the lines in view.
fn places(
    galley: &Galley,
    text: &str,
    spans: &[Range<usize>],
    (origin, clip): (Pos2, Rect),
) -> Vec<Placed> {
    // Bytes of each line's characters, in order.
    let mut placed = vec![];
    let mut characters = text.char_indices().peekable();
    let mut first = 0; // token whose end is not behind yet
    for row in &galley.rows {
        let top = origin.y + row.pos.y;
        let seen = top + row.row.size.y >= clip.top() && top <= clip.bottom();
        let bytes: Vec<usize> = characters
            .by_ref()
            .take(row.glyphs.len())
            .map(|(at, _)| at)
            .collect();
        if row.ends_with_newline {
            characters.next();
        }
        let end = characters.peek().map_or(text.len(), |(at, _)| *at);
        if !seen {
            continue;
        }
        let (Some(start), Some(glyph)) = (bytes.first(), row.glyphs.first()) else {
            continue;
        };
        let rect = |from: usize, to: usize| {
            let (one, other) = (&row.glyphs[from], &row.glyphs[to]);
            let left = origin.x + row.pos.x + one.pos.x;
            let right = origin.x + row.pos.x + other.pos.x + other.advance_width;
            let middle = top + glyph.pos.y - glyph.font_ascent + glyph.font_height / 2.0;
            let high = (LINE - 10.0) / 2.0;
            Rect::from_min_max(pos2(left, middle - high), pos2(right, middle + high))
        };
        while spans.get(first).is_some_and(|span| span.end <= *start) {
            first += 1;
        }
        for (token, span) in spans.iter().enumerate().skip(first) {
            if span.start >= end && !span.is_empty() {
                break;
            }
            let from = bytes.partition_point(|byte| *byte < span.start);
            let to = bytes.partition_point(|byte| *byte < span.end);
            if from >= to {
                continue;
            }
            let part = &text[bytes[from]..bytes[to - 1]];
            let blank = part.trim().is_empty() && row.glyphs[to - 1].chr.is_whitespace();
            let whole = text.get(span.clone()).unwrap_or_default();
            if blank && !whole.trim().is_empty() {
                continue; // the space before a word that begins the next line
            }
            placed.push(Placed {
                token,
                rect: rect(from, to - 1),
            });
        }
    }
    placed
}

fn token_at(placed: &[Placed], pos: Pos2) -> Option<usize> {
    let near = |place: &&Placed| place.rect.expand2(vec2(0.0, 5.0)).contains(pos);
    placed.iter().rev().find(near).map(|place| place.token)
}
