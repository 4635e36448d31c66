//! Token strip: tokens set as text, each on a rounded tint that tells its value. Hover explains a token, a click selects it, shift extends, arrow
//! keys walk. Laid out once per text and width; only visible lines are painted.

mod glyphs;
mod layout;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::RangeInclusive;
use std::sync::Arc;

use egui::{
    Align2, EventFilter, Key, Rangef, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2,
    WidgetInfo, vec2,
};

use umbra_core::features::Summary;

use self::glyphs::{FontWidths, Inks, paint_glyphs, token_font};
use self::layout::{LINE, Layout, Piece, lay_out};
use crate::theme::{Hue, Theme, Tinted, space};
use crate::widgets::csv;
use crate::widgets::focus;
use crate::widgets::meaning::{self, Meaning};

/// Meaning of the tints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tint {
    /// Returns the colour from the panel at 0 to the hue at 1.
    Sequential(Hue),
    /// Suppressed below 0 (underlined, so that hue alone does not carry the sign), promoted above.
    Diverging,
    /// Less likely by an edit below 0 (underlined), likelier above.
    Edited,
}

/// The scale of activations: sequential from 0 to the strongest, or diverging where a dictionary's rule keeps signs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// Size of the strongest activation.
    pub(crate) most: f32,
    /// Whether some are negative.
    pub(crate) signed: bool,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            most: 1.0,
            signed: false,
        }
    }
}

impl Scale {
    /// Returns the scale of a feature over an index's text.
    pub(crate) fn from_summary(summary: &Summary) -> Self {
        Self {
            most: summary.strongest().abs() as f32,
            signed: summary.min < 0.0,
        }
    }
}

/// Height of the bar under a token.
const BAR: f32 = 3.0;

/// Share of the strongest tint beyond which values below 0 are underlined.
const LESS: f32 = 0.02;

/// Least share of a source that is underlined.
const SOURCE: f32 = 0.1;

/// Part of a longer text on a single line: whole tokens, and `…` at the ends that are cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Room of whole tokens, in the layout.
    room: Rangef,
    ahead: bool,
    behind: bool,
}

impl Cut {
    fn new(ui: &Ui, layout: &Layout, shift: f32, width: f32) -> Self {
        let font = token_font();
        let dots = ui.fonts_mut(|fonts| fonts.glyph_width(&font, '…'));
        let (ahead, behind) = (shift > 0.5, shift + width < layout.size.x - 0.5);
        let less = |cut| if cut { dots } else { 0.0 };
        let room = Rangef::new(shift + less(ahead), shift + width - less(behind));
        Self {
            room: room.expand(0.5),
            ahead,
            behind,
        }
    }

    fn holds(&self, piece: &Piece) -> bool {
        self.room.contains(piece.rect.left()) && self.room.contains(piece.rect.right())
    }

    /// Draws the signs beside the tokens that stand in `place`.
    fn dots_ui(&self, ui: &Ui, place: Rect) {
        let ink = Theme::from_ui(ui).ink.secondary;
        let font = token_font();
        for (cut, at, anchor) in [
            (self.ahead, place.left_center(), Align2::RIGHT_CENTER),
            (self.behind, place.right_center(), Align2::LEFT_CENTER),
        ] {
            if cut {
                ui.painter().text(at, anchor, "…", font.clone(), ink);
            }
        }
    }
}

/// Draws what is known about a token into its hover card.
pub(crate) type Card<'a> = dyn FnMut(&mut Ui, usize) + 'a;

/// A token strip before it is shown.
pub(crate) struct TokenStrip<'a> {
    name: &'a str,
    tokens: &'a [String],
    values: &'a [f32],
    most: f32,
    tint: Tint,
    less: f32,
    selected: Option<RangeInclusive<usize>>,
    peak: Option<usize>,
    sources: &'a [f32],
    bars: (&'a [f32], f32),
    lead: usize,
    one_line: bool,
    faint: &'a [bool],
    card: Option<&'a mut Card<'a>>,
    definition: Option<&'a str>,
}

/// The user's action on a strip in this frame.
#[derive(Debug)]
pub(crate) struct StripReply {
    /// The whole strip.
    pub(crate) response: Response,
    /// The new selection, if it changed.
    pub(crate) selected: Option<RangeInclusive<usize>>,
    /// The token that was clicked or walked to.
    pub(crate) chosen: Option<usize>,
    /// The token that was double-clicked.
    pub(crate) opened: Option<usize>,
    /// The token that was middle-clicked.
    pub(crate) beside: Option<usize>,
    /// The token under the pointer.
    pub(crate) hovered: Option<usize>,
}

impl<'a> TokenStrip<'a> {
    /// A strip of `tokens` in display form; `name` is what a screen reader calls it and must be unique within its place.
    pub(crate) fn new(name: &'a str, tokens: &'a [String]) -> Self {
        Self {
            name,
            tokens,
            values: &[],
            most: 1.0,
            tint: Tint::Sequential(Hue::Activation),
            less: LESS,
            selected: None,
            peak: None,
            sources: &[],
            bars: (&[], 1.0),
            lead: 0,
            one_line: false,
            faint: &[],
            card: None,
            definition: None,
        }
    }

    /// Sets what the values are, where their hue does not say it.
    #[must_use]
    pub(crate) fn definition(mut self, definition: &'a str) -> Self {
        self.definition = Some(definition);
        self
    }

    /// One value per token; `most` (in size) is the strongest tint.
    #[must_use]
    pub(crate) fn values(mut self, values: &'a [f32], most: f32) -> Self {
        self.values = values;
        self.most = most;
        self
    }

    /// One activation per token on their scale.
    #[must_use]
    pub(crate) fn activations(self, values: &'a [f32], scale: Scale) -> Self {
        let strip = self.values(values, scale.most);
        if scale.signed {
            strip.tint(Tint::Diverging)
        } else {
            strip
        }
    }

    /// Sets the meaning of the tints; activation by default.
    #[must_use]
    pub(crate) fn tint(mut self, tint: Tint) -> Self {
        self.tint = tint;
        self
    }

    /// Sets the share of the strongest tint from which a token of a signed tint is underlined below 0.
    #[must_use]
    pub(crate) fn underlined_from(mut self, share: f32) -> Self {
        self.less = share;
        self
    }

    /// The selected tokens.
    #[must_use]
    pub(crate) fn selected(mut self, selected: Option<RangeInclusive<usize>>) -> Self {
        self.selected = selected;
        self
    }

    /// Sets one line, with token `peak` visible and underlined.
    #[must_use]
    pub(crate) fn one_line(mut self, peak: usize) -> Self {
        self.one_line = true;
        self.peak(peak)
    }

    /// Underlines token `peak`.
    #[must_use]
    pub(crate) fn peak(mut self, peak: usize) -> Self {
        self.peak = Some(peak);
        self
    }

    /// Underlines tokens in the model's hue by their share (0 to 1) in what is explained; those below a tenth are left alone.
    #[must_use]
    pub(crate) fn sources(mut self, shares: &'a [f32]) -> Self {
        self.sources = shares;
        self
    }

    /// Writes these tokens, one flag each, in the second ink: text that nobody wrote, such as the markers of a chat template.
    #[must_use]
    pub(crate) fn faint(mut self, faint: &'a [bool]) -> Self {
        self.faint = faint;
        self
    }

    /// Draws a bar in the activation's hue under each token by its value; `most` (in size) is the full colour.
    #[must_use]
    pub(crate) fn bars(mut self, values: &'a [f32], most: f32) -> Self {
        self.bars = (values, most);
        self
    }

    /// Writes the first tokens faintly, as what precedes the text; they say nothing and cannot be chosen.
    #[must_use]
    pub(crate) fn lead(mut self, tokens: usize) -> Self {
        self.lead = tokens;
        self
    }

    /// Sets the content of a token's hover card.
    #[must_use]
    pub(crate) fn card(mut self, card: &'a mut Card<'a>) -> Self {
        self.card = Some(card);
        self
    }

    /// Draws the strip over the width that is there.
    pub(crate) fn show(mut self, ui: &mut Ui) -> StripReply {
        let width = ui.available_width();
        let id = ui.make_persistent_id(("token strip", self.name));
        let layout = self.layout(ui, id, width);
        let size = if self.one_line {
            vec2(width.min(layout.size.x.max(1.0)), LINE)
        } else {
            vec2(width, layout.size.y.max(LINE))
        };
        let (_, rect) = ui.allocate_space(size);
        let response = ui.interact(rect, id, Sense::FOCUSABLE);
        let name = self.name;
        response.widget_info(|| WidgetInfo::labeled(Role::Paragraph, true, name));
        focus::main(&response);
        let mut reply = StripReply {
            response,
            selected: None,
            chosen: None,
            opened: None,
            beside: None,
            hovered: None,
        };
        let shift = self.shift(&layout, rect.width());
        let origin = rect.min.to_vec2() - shift;
        let whole = self
            .one_line
            .then(|| Cut::new(ui, &layout, shift.x, rect.width()));
        let clip = ui.clip_rect().intersect(rect.expand(1.0));
        let view = clip.translate(-origin);
        let mut drawn = Rangef::NOTHING;
        for piece in layout.visible(view.top(), view.bottom()) {
            let is_seen = match &whole {
                Some(cut) => self.peak == Some(piece.token) || cut.holds(piece),
                None => piece.rect.right() >= view.left() && piece.rect.left() <= view.right(),
            };
            if is_seen {
                self.piece_ui(ui, piece, (origin, clip), &mut reply);
                drawn.min = drawn.min.min(piece.rect.left());
                drawn.max = drawn.max.max(piece.rect.right());
            }
        }
        if let Some(cut) = whole {
            let place = Rangef::new(drawn.min + origin.x, drawn.max + origin.x);
            cut.dots_ui(ui, Rect::from_x_y_ranges(place, rect.y_range()));
        }
        self.keys(ui, &layout, origin, &mut reply);
        if reply.response.has_focus() {
            let stroke = Stroke::new(1.0, Theme::from_ui(ui).line.strong);
            let around = rect.expand2(vec2(4.0, 2.0));
            ui.painter()
                .rect_stroke(around, space::CORNER, stroke, StrokeKind::Outside);
        }
        self.menu(&reply);
        reply
    }

    fn menu(&self, reply: &StripReply) {
        let token = reply.hovered.or_else(|| {
            let range = self.selected.as_ref()?;
            reply.response.has_focus().then(|| *range.start())
        });
        let value = token.map(|token| match self.values.get(token) {
            Some(value) => value.to_string(),
            None => self.tokens[token].clone(),
        });
        let csv = || {
            let rows = self.tokens.iter().enumerate().map(|(i, token)| {
                let value = self.values.get(i).copied();
                let bar = self.bars.0.get(i).copied();
                [i.into(), token.as_str().into(), value.into(), bar.into()]
            });
            let heads = ["Position", "Token", self.quantity(), "Activation"];
            if self.bars.0.is_empty() {
                let rows = rows.map(|[i, token, value, _]| [i, token, value]);
                return csv::table::<[csv::Value; 3]>(&heads[..3], rows);
            }
            csv::table::<[csv::Value; 4]>(&heads, rows)
        };
        let definition = self.definition.unwrap_or(match self.tint {
            Tint::Sequential(Hue::Activation) => "Activation of the feature on each token",
            Tint::Sequential(Hue::Error) => "Norm of the dictionary's error on each token",
            Tint::Sequential(Hue::Edit) => "Change by the edits on each token",
            Tint::Sequential(Hue::Model) => "Attention weight of each token",
            Tint::Edited => "Change of each token's log p by the edits",
            Tint::Diverging => {
                "Signed value of each token: promoted above 0, suppressed (underlined) below"
            }
        });
        let definition = if self.values.is_empty() {
            ""
        } else {
            definition
        };
        let meaning = Meaning::new(self.name, definition);
        let meaning = meaning.value(value.as_deref()).csv(&csv);
        meaning::menu(&reply.response, &meaning.picture(reply.response.rect));
    }

    /// Title of the values.
    fn quantity(&self) -> &'static str {
        match self.tint {
            Tint::Sequential(Hue::Activation) => "Activation",
            Tint::Sequential(Hue::Error) => "Error norm",
            Tint::Sequential(Hue::Model) => "Attention weight",
            Tint::Edited => "Change of log p",
            Tint::Sequential(Hue::Edit) | Tint::Diverging => "Value",
        }
    }

    /// The layout of this text at this width, made anew only when either changed.
    fn layout(&self, ui: &Ui, id: egui::Id, width: f32) -> Arc<Layout> {
        let mut hash = DefaultHasher::new();
        self.tokens.hash(&mut hash);
        let width = (!self.one_line).then_some(width.floor());
        width.map(f32::to_bits).hash(&mut hash);
        ui.pixels_per_point().to_bits().hash(&mut hash);
        let key = hash.finish();
        let kept = ui.data(|data| data.get_temp::<(u64, Arc<Layout>)>(id));
        if let Some((kept, layout)) = kept
            && kept == key
        {
            return layout;
        }
        let layout = ui.fonts_mut(|fonts| {
            let mut measure = FontWidths { fonts };
            Arc::new(lay_out(self.tokens, width, &mut measure))
        });
        ui.data_mut(|data| data.insert_temp(id, (key, Arc::clone(&layout))));
        layout
    }

    /// Returns the shift to the left that puts the peak of a single line in the middle.
    fn shift(&self, layout: &Layout, width: f32) -> Vec2 {
        let peak = self.peak.filter(|_| self.one_line);
        let Some(peak) = peak.and_then(|peak| layout.piece_of(peak)) else {
            return Vec2::ZERO;
        };
        let most = (layout.size.x - width).max(0.0);
        vec2((peak.rect.center().x - width / 2.0).clamp(0.0, most), 0.0)
    }

    fn share(&self, token: usize) -> f32 {
        let value = self.values.get(token).copied().unwrap_or(0.0);
        if self.most > 0.0 {
            value / self.most
        } else {
            0.0
        }
    }

    fn is_selected(&self, token: usize) -> bool {
        self.selected.as_ref().is_some_and(|s| s.contains(&token))
    }

    fn piece_ui(
        &mut self,
        ui: &Ui,
        piece: &Piece,
        (origin, clip): (Vec2, Rect),
        reply: &mut StripReply,
    ) {
        let rect = piece.rect.translate(origin);
        let token = piece.token;
        if token < self.lead {
            let painter = ui.painter().with_clip_rect(clip);
            return paint_glyphs(
                &painter,
                &Inks::new(Theme::from_ui(ui), None, true),
                &piece.glyphs,
                rect,
            );
        }
        let place = (
            token,
            piece.rect.left().to_bits(),
            piece.rect.top().to_bits(),
        );
        let id = reply.response.id.with(place);
        let response = ui.interact(rect.intersect(clip), id, Sense::CLICK);
        let text = &self.tokens[token];
        let selected = self.is_selected(token);
        response.widget_info(|| {
            let name = format!("{}, token {token}", text.trim());
            WidgetInfo::selected(Role::ListItem, true, selected, name)
        });
        self.paint(ui, piece, rect, (clip, response.hovered()));
        if response.hovered() {
            reply.hovered = Some(token);
        }
        if response.clicked() {
            reply.response.request_focus();
            let extend = ui.input(|input| input.modifiers.shift);
            self.choose(ui, token, extend, reply);
        }
        if response.double_clicked() {
            reply.opened = Some(token);
        }
        if response.middle_clicked() {
            reply.beside = Some(token);
        }
        if let Some(card) = &mut self.card {
            response.on_hover_ui(|ui| card(ui, token));
        }
    }

    /// Selects `token`, or everything from the last plain click to it.
    fn choose(&self, ui: &Ui, token: usize, extend: bool, reply: &mut StripReply) {
        let id = reply.response.id.with("anchor");
        let anchor = ui.data(|data| data.get_temp::<usize>(id));
        let anchor = match anchor {
            Some(anchor) if extend && self.selected.is_some() => anchor,
            _ => token,
        };
        ui.data_mut(|data| data.insert_temp(id, anchor));
        reply.selected = Some(anchor.min(token)..=anchor.max(token));
        reply.chosen = Some(token);
    }

    fn keys(&self, ui: &Ui, layout: &Layout, origin: Vec2, reply: &mut StripReply) {
        if !reply.response.has_focus() || self.tokens.is_empty() {
            return;
        }
        let filter = EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..EventFilter::default()
        };
        let id = reply.response.id;
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
        let last = self.tokens.len() - 1;
        let anchor = ui.data(|data| data.get_temp::<usize>(id.with("anchor")));
        let at = match (&self.selected, anchor) {
            (Some(range), Some(anchor)) if *range.start() == anchor => Some(*range.end()),
            (Some(range), _) => Some(*range.start()),
            (None, _) => None,
        };
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        let from = at.unwrap_or(0);
        let target = if pressed(Key::ArrowRight) {
            Some(at.map_or(self.lead, |at| (at + 1).min(last)))
        } else if pressed(Key::ArrowLeft) {
            Some(from.saturating_sub(1).max(self.lead))
        } else if pressed(Key::ArrowDown) {
            layout.beside(from, 1)
        } else if pressed(Key::ArrowUp) {
            layout.beside(from, -1)
        } else if pressed(Key::Home) {
            Some(self.lead)
        } else if pressed(Key::End) {
            Some(last)
        } else {
            None
        };
        let walked = |target: &usize| Some(*target) != at && (self.lead..=last).contains(target);
        let Some(target) = target.filter(walked) else {
            return;
        };
        let extend = ui.input(|input| input.modifiers.shift);
        self.choose(ui, target, extend, reply);
        if let Some(piece) = layout.piece_of(target) {
            ui.scroll_to_rect(piece.rect.translate(origin), None);
        }
    }

    fn paint(&self, ui: &Ui, piece: &Piece, rect: Rect, (clip, hovered): (Rect, bool)) {
        let theme = Theme::from_ui(ui);
        let share = self.share(piece.token);
        let painter = ui.painter().with_clip_rect(clip);
        let inner = rect.shrink2(vec2(0.5, 0.0));
        let tinted = self.tinted(theme, share);
        if let Some(tinted) = tinted {
            painter.rect_filled(inner, space::CORNER, tinted.fill);
        }
        let is_faint = self.faint.get(piece.token).copied().unwrap_or(false);
        let inks = Inks::new(theme, tinted, is_faint);
        if matches!(self.tint, Tint::Diverging | Tint::Edited) && share < -self.less {
            let y = inner.bottom() - 1.0;
            let stroke = Stroke::new(2.0, inks.faint);
            painter.hline(inner.x_range().shrink(2.0), y, stroke);
        }
        let is_peak = self.peak == Some(piece.token);
        if is_peak {
            let stroke = Stroke::new(2.0, theme.ink.secondary);
            painter.hline(inner.x_range().shrink(2.0), inner.bottom(), stroke);
        }
        let source = self.sources.get(piece.token).copied().unwrap_or(0.0);
        if source >= SOURCE {
            // Above the line of the explained token, which may be its own source.
            let up = if is_peak { 3.0 } else { 0.0 };
            let thick = 1.5 + 2.0 * source.min(1.0);
            let stroke = Stroke::new(thick, theme.hue(Hue::Model));
            let y = inner.bottom() - up;
            painter.hline(inner.x_range().shrink(2.0), y, stroke);
        }
        let (values, most) = self.bars;
        let value = values.get(piece.token).copied().unwrap_or(0.0);
        if value != 0.0 && most > 0.0 {
            let top = inner.bottom() + 0.5;
            let bar = Rect::from_x_y_ranges(inner.x_range().shrink(1.0), top..=top + BAR);
            let tinted = theme.tint(Hue::Activation, 0.15 + 0.85 * (value / most).abs());
            painter.rect_filled(bar, 1.0, tinted.fill);
        }
        let outline = if self.is_selected(piece.token) {
            Some(Stroke::new(1.5, theme.ink.primary))
        } else {
            hovered.then(|| Stroke::new(1.0, theme.ink.secondary))
        };
        if let Some(stroke) = outline {
            painter.rect_stroke(inner, space::CORNER, stroke, StrokeKind::Inside);
        }
        paint_glyphs(&painter, &inks, &piece.glyphs, rect);
    }

    fn tinted(&self, theme: &Theme, share: f32) -> Option<Tinted> {
        match self.tint {
            Tint::Sequential(hue) => (share > 0.0).then(|| theme.tint(hue, share)),
            Tint::Diverging => (share != 0.0).then(|| theme.diverging_tint(share)),
            Tint::Edited => (share != 0.0).then(|| theme.edited_tint(share)),
        }
    }
}
