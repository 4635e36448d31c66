//! Writes a token on its ground, with signs for what cannot be seen.

use egui::{Align2, Color32, FontId, Rect, Stroke, StrokeKind, vec2};

use super::layout::{Glyphs, Measure};
use crate::theme::{Theme, Tinted, size};

/// Writing on a token's ground.
pub(super) struct Inks {
    text: Color32,
    /// Text that is no part of the prose.
    pub(super) faint: Color32,
    /// Signs for what cannot be seen.
    sign: Color32,
    line: Color32,
}

impl Inks {
    /// Ink on a ground; `is_faint` where the text is no part of the prose.
    pub(super) fn new(theme: &Theme, tinted: Option<Tinted>, is_faint: bool) -> Self {
        match tinted {
            Some(Tinted { ink, .. }) => Self {
                text: ink,
                faint: ink,
                sign: ink,
                line: ink,
            },
            None => Self {
                text: if is_faint {
                    theme.ink.secondary
                } else {
                    theme.ink.primary
                },
                faint: theme.ink.secondary,
                sign: theme.ink.disabled,
                line: theme.line.strong,
            },
        }
    }
}

pub(super) fn paint_glyphs(painter: &egui::Painter, inks: &Inks, glyphs: &Glyphs, rect: Rect) {
    match glyphs {
        Glyphs::Text(text) => {
            let galley = painter.layout_no_wrap(text.clone(), token_font(), inks.text);
            let top = rect.center().y - galley.size().y / 2.0;
            painter.galley(egui::pos2(rect.left(), top), galley, inks.text);
        }
        Glyphs::Newline => {
            painter.text(
                rect.center(),
                Align2::CENTER_CENTER,
                NEWLINE,
                token_font(),
                inks.sign,
            );
        }
        Glyphs::Hex(digits) => {
            let frame = rect.shrink2(vec2(1.0, 3.0));
            let stroke = Stroke::new(1.0, inks.line);
            painter.rect_stroke(frame, 2.0, stroke, StrokeKind::Inside);
            painter.text(
                rect.center(),
                Align2::CENTER_CENTER,
                digits,
                hex_font(),
                inks.faint,
            );
        }
    }
}

const NEWLINE: &str = "⏎";

pub(super) fn token_font() -> FontId {
    FontId::monospace(size::BODY)
}

fn hex_font() -> FontId {
    FontId::monospace(size::CAPTION)
}

pub(super) struct FontWidths<'a, 'f> {
    pub(super) fonts: &'a mut egui::epaint::text::FontsView<'f>,
}

impl Measure for FontWidths<'_, '_> {
    fn glyph(&mut self, c: char) -> f32 {
        self.fonts.glyph_width(&token_font(), c)
    }

    fn hex_digit(&mut self) -> f32 {
        self.fonts.glyph_width(&hex_font(), '0')
    }

    fn newline(&mut self) -> f32 {
        NEWLINE
            .chars()
            .map(|c| self.fonts.glyph_width(&token_font(), c))
            .sum()
    }
}
