//! The grid that all forms share: a column of labels, one of controls, one of units; a mark and a reset button at values that were changed; errors under a field
//! once it is left; parts that fold; a footer that stays in view.

use egui::{
    Align, Button, Id, Label, Layout, Rect, Response, RichText, Role, ScrollArea, Stroke,
    StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::scroll::scroll_ui;
use crate::theme::{Theme, body_strong, caption, icon, icons, space};

/// Width of the column of labels.
pub(crate) const LABEL: f32 = 140.0;

/// Least and greatest width of the column of controls.
const CONTROL: [f32; 2] = [120.0, 232.0];

/// Width of the column of units and reset buttons.
const TAIL: f32 = 100.0;

/// Greatest width of a control that also takes the column of units.
const WIDE: f32 = 420.0;

/// Width of a form whose controls are as wide as they get.
pub(crate) const WIDTH: f32 = LABEL + CONTROL[1] + TAIL + 2.0 * space::CONTROL;

/// Height of a footer before it was drawn.
const FOOTER: f32 = 48.0;

/// Least width of a sentence beside the buttons; in less, it stands below them.
const REASON: f32 = 180.0;

/// Height of a form's main button.
const MAIN: f32 = 32.0;

/// Returns the width of the controls of a form in `ui`; all rows drawn in one column agree.
pub(crate) fn control_width(ui: &Ui) -> f32 {
    let rest = ui.available_width() - LABEL - TAIL - 2.0 * space::CONTROL;
    rest.clamp(CONTROL[0], CONTROL[1])
}

/// One row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Row<'a> {
    /// Name on screen.
    pub(crate) label: &'a str,
    /// Definition, on hover.
    pub(crate) help: &'a str,
    /// Unit, if any.
    pub(crate) unit: &'a str,
    /// The value that the row is reset to, if it has another one.
    pub(crate) reset: Option<&'a str>,
    /// The error in the value and its remedy.
    pub(crate) error: Option<&'a str>,
    /// Whether the control also takes the column of units.
    pub(crate) wide: bool,
}

impl Row<'_> {
    /// Draws the row; `control` draws the control as wide as it is told. Whether the reset button was pressed.
    pub(crate) fn ui(&self, ui: &mut Ui, control: impl FnOnce(&mut Ui, f32) -> Response) -> bool {
        // An error that appears leaves the ids of the rows below as they are.
        ui.scope(|ui| self.row_ui(ui, control)).inner
    }

    fn row_ui(&self, ui: &mut Ui, control: impl FnOnce(&mut Ui, f32) -> Response) -> bool {
        let mut width = control_width(ui);
        if self.wide {
            let room = ui.available_width() - LABEL - space::CONTROL;
            width = room.clamp(width + space::CONTROL + TAIL, WIDE);
        }
        let mut reset = false;
        let response = ui
            .horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = space::CONTROL;
                let label = self.label_ui(ui);
                let cell = vec2(width, space::CONTROL_ROW);
                let layout = Layout::left_to_right(Align::Center);
                let response = ui.allocate_ui_with_layout(cell, layout, |ui| {
                    ui.set_width(width);
                    control(ui, width)
                });
                if !self.wide {
                    reset = self.tail_ui(ui);
                }
                let mut response = response.inner;
                // Plain text, and buttons and check marks with words, keep their own names; what is dragged in, such as a text field, has none.
                let sense = response.sense;
                let is_nameless = sense.interactive() && (!self.wide || sense.senses_drag());
                if !self.label.is_empty() && is_nameless {
                    response = response.labelled_by(label.id);
                }
                if self.help.is_empty() {
                    response
                } else {
                    response.on_hover_text(self.help)
                }
            })
            .inner;
        let shows = shows_error(&response, self.error.is_some());
        if let Some(error) = self.error.filter(|_| shows) {
            let failure = Theme::from_ui(ui).failure;
            let stroke = Stroke::new(1.0, failure);
            ui.painter()
                .rect_stroke(response.rect, space::CORNER, stroke, StrokeKind::Inside);
            error_ui(ui, error);
        }
        reset
    }

    fn label_ui(&self, ui: &mut Ui) -> Response {
        let cell = vec2(LABEL, space::CONTROL_ROW);
        let drawn = ui.allocate_ui_with_layout(cell, Layout::left_to_right(Align::Center), |ui| {
            ui.set_width(LABEL);
            ui.add(Label::new(self.label).truncate())
        });
        if self.reset.is_some() {
            let place = drawn.response.rect;
            let text = drawn.inner.rect;
            let right = (text.right() + space::CONTROL).min(place.right() - 2.0);
            let at = pos2(right, text.center().y);
            ui.painter()
                .circle_filled(at, 2.5, Theme::from_ui(ui).ink.secondary);
        }
        if self.help.is_empty() {
            drawn.inner
        } else {
            drawn.inner.on_hover_text(self.help)
        }
    }

    /// Unit, and the way back to the default at the end of the row.
    fn tail_ui(&self, ui: &mut Ui) -> bool {
        let cell = vec2(TAIL, space::CONTROL_ROW);
        let layout = Layout::right_to_left(Align::Center);
        ui.allocate_ui_with_layout(cell, layout, |ui| {
            ui.set_width(TAIL);
            ui.spacing_mut().item_spacing.x = space::CHIP;
            let pressed = self.reset.is_some_and(|default| self.reset_ui(ui, default));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                if !self.unit.is_empty() {
                    let secondary = Theme::from_ui(ui).ink.secondary;
                    ui.add(Label::new(caption(self.unit).color(secondary)).truncate());
                }
            });
            pressed
        })
        .inner
    }

    fn reset_ui(&self, ui: &mut Ui, default: &str) -> bool {
        let words = format!("Reset {} to {default}", self.label);
        let side = space::TABLE_ROW;
        let button = Button::new(icon(icons::ARROW_COUNTER_CLOCKWISE))
            .frame_when_inactive(false)
            .stroke(Stroke::NONE)
            .min_size(vec2(side, side));
        let response = ui
            .scope(|ui| {
                ui.spacing_mut().button_padding = vec2(2.0, 2.0);
                ui.add(button)
            })
            .inner;
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &words));
        response.on_hover_text(&words).clicked()
    }
}

/// The field that is being written in.
fn typed_in(ctx: &egui::Context) -> Option<Id> {
    let typed: Option<Id> = ctx
        .data(|data| data.get_temp(Id::unique("typed in")))
        .flatten();
    typed.filter(|id| ctx.memory(|memory| memory.has_focus(*id)))
}

/// Whether a field is being written in, so that its value may be half of what is meant.
pub(crate) fn is_typing(ui: &Ui) -> bool {
    typed_in(ui.ctx()).is_some()
}

/// Notes that a control is written in, and returns whether its error is shown now: not while it is written in; while another one is, only if it was shown before.
fn shows_error(response: &Response, is_wrong: bool) -> bool {
    let ctx = &response.ctx;
    let key = Id::unique("typed in");
    if response.changed() && response.has_focus() {
        ctx.data_mut(|data| data.insert_temp(key, Some(response.id)));
    } else if response.gained_focus() && typed_in(ctx) == Some(response.id) {
        ctx.data_mut(|data| data.insert_temp(key, None::<Id>));
    }
    let shown = response.id.with("error is shown");
    let shows = match typed_in(ctx) {
        None => true,
        Some(id) if id == response.id => false,
        Some(_) => ctx.data(|data| data.get_temp(shown)).unwrap_or(false),
    };
    ctx.data_mut(|data| data.insert_temp(shown, shows && is_wrong));
    shows
}

/// Draws an error under the column of controls.
fn error_ui(ui: &mut Ui, error: &str) {
    let failure = Theme::from_ui(ui).failure;
    ui.horizontal_top(|ui| {
        ui.add_space(LABEL + space::CONTROL);
        let text = caption(format!("{} {error}", icons::WARNING_CIRCLE)).color(failure);
        ui.add(Label::new(text).wrap());
    });
}

/// Draws the line that folds or unfolds a part of a form; `summary` says what is folded away. Whether it was pressed.
pub(crate) fn fold(ui: &mut Ui, open: bool, title: &str, summary: &str) -> bool {
    let theme = Theme::from_ui(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::CONTROL;
        let caret = if open {
            icons::CARET_DOWN
        } else {
            icons::CARET_RIGHT
        };
        let words = format!("{caret}  {title}");
        let button = Button::new(words)
            .frame_when_inactive(false)
            .stroke(Stroke::NONE)
            .min_size(vec2(0.0, space::CONTROL_ROW));
        let response = ui
            .scope(|ui| {
                ui.spacing_mut().button_padding.x = 4.0;
                ui.add(button)
            })
            .inner;
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, open, title));
        if !open && !summary.is_empty() {
            let text = caption(summary).color(theme.ink.secondary);
            ui.add(Label::new(text).truncate()).on_hover_text(summary);
        }
        response.clicked()
    })
    .inner
}

/// Part of a form that is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The rows, which scroll.
    Content,
    /// The buttons, which stay in view.
    Footer,
}

/// Draws a form in all the room there is: its content, which scrolls, above its footer.
pub(crate) fn with_footer(ui: &mut Ui, salt: &str, mut draw: impl FnMut(&mut Ui, Part)) {
    let id = ui.make_persistent_id(salt);
    let height = ui.data(|data| data.get_temp(id)).unwrap_or(FOOTER);
    let whole = ui.available_rect_before_wrap();
    let split = (whole.bottom() - height).max(whole.top());
    let above = Rect::from_min_max(whole.min, pos2(whole.right(), split));
    let below = Rect::from_min_max(pos2(whole.left(), split), whole.max);
    ui.scope_builder(UiBuilder::new().max_rect(above), |ui| {
        // Where the footer leaves little room the content has that and no more.
        let area = ScrollArea::vertical().id_salt(salt).auto_shrink(false);
        let area = area.min_scrolled_height(0.0);
        scroll_ui(ui, salt, area, |ui| draw(ui, Part::Content));
    });
    let drawn = ui.scope_builder(UiBuilder::new().max_rect(below), |ui| {
        footer_ui(ui, |ui| draw(ui, Part::Footer));
    });
    remember(ui, id, (height, drawn.response.rect.height()));
    ui.advance_cursor_after_rect(whole);
}

/// Draws a dialog's content, at most `room` high with the footer and as wide as `width`; it scrolls above the footer.
pub(crate) fn dialog(
    ui: &mut Ui,
    (salt, width, room): (&str, f32, f32),
    mut draw: impl FnMut(&mut Ui, Part),
) {
    ui.set_width(width);
    let id = ui.make_persistent_id(salt);
    let height = ui.data(|data| data.get_temp(id)).unwrap_or(FOOTER);
    let most = (room - height).max(2.0 * space::CONTROL_ROW);
    let area = ScrollArea::vertical().id_salt(salt);
    area.max_height(most)
        .min_scrolled_height(most)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = space::CHIP;
            draw(ui, Part::Content);
        });
    let drawn = ui.scope(|ui| footer_ui(ui, |ui| draw(ui, Part::Footer)));
    let used = drawn.response.rect.height() + space::CONTROL;
    remember(ui, id, (height, used));
}

/// A hairline, then the buttons.
fn footer_ui(ui: &mut Ui, footer: impl FnOnce(&mut Ui)) {
    let hair = Theme::from_ui(ui).line.hair;
    let (line, _) = ui.allocate_exact_size(vec2(ui.available_width(), 1.0), egui::Sense::hover());
    ui.painter()
        .hline(line.x_range(), line.center().y, (1.0, hair));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::CONTROL, space::CHIP);
        footer(ui);
    });
}

/// Keeps the height of a footer for the next frame, which is drawn at once if it differs.
fn remember(ui: &Ui, id: Id, (before, height): (f32, f32)) {
    if (before - height).abs() > 0.5 {
        ui.data_mut(|data| data.insert_temp(id, height));
        ui.ctx().request_discard("the height of a footer changed");
    }
}

/// Draws the button that a form is for, named `words`.
pub(crate) fn main_button(ui: &mut Ui, enabled: bool, symbol: &str, words: &str) -> Response {
    let theme = Theme::from_ui(ui);
    let shown = if symbol.is_empty() {
        words.to_owned()
    } else {
        format!("{symbol}  {words}")
    };
    let colour = if enabled {
        theme.ink.secondary
    } else {
        theme.line.strong
    };
    let button = Button::new(body_strong(shown))
        .stroke(Stroke::new(1.0, colour))
        .min_size(vec2(96.0, MAIN));
    let response = ui.add_enabled(enabled, button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, words));
    response
}

/// Draws a button beside the main one.
pub(crate) fn side_button(ui: &mut Ui, enabled: bool, words: &str) -> Response {
    let button = Button::new(RichText::new(words)).min_size(vec2(0.0, MAIN));
    ui.add_enabled(enabled, button)
}

/// Draws a switch beside the main button.
pub(crate) fn switch_button(ui: &mut Ui, on: bool, words: &str) -> Response {
    let mark = if on { icons::CHECK } else { icons::X };
    let button = Button::selectable(on, format!("{mark}  {words}"));
    let response = ui.add(button.min_size(vec2(0.0, MAIN)));
    response.widget_info(|| WidgetInfo::selected(Role::Switch, true, on, words));
    response
}

/// Draws a sentence beside the buttons: why the main one is disabled, or what it would do.
pub(crate) fn reason(ui: &mut Ui, words: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    if ui.available_size_before_wrap().x < REASON {
        ui.end_row();
    }
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}

#[cfg(test)]
mod tests;
