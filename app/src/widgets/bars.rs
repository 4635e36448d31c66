//! Horizontal bars: label left, value right, sign by side and colour.

use egui::{Align2, FontId, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::csv;
use super::meaning::{self, Meaning};
use super::number::number;
use crate::theme::{Hue, Theme, size, space};

/// Stands between the values before and after a change; below each other where bars have one.
const ARROW: &str = " → ";

/// Colouring of bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// One hue for all.
    Hue(Hue),
    /// Promoted above, suppressed below 0.
    Signed,
    /// No meaning of its own.
    Neutral,
}

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// Its label.
    pub(crate) label: String,
    /// Its length.
    pub(crate) value: f64,
    /// The value as written; three significant digits unless set.
    pub(crate) text: Option<String>,
    /// The bar's definition or details, shown on hover.
    pub(crate) hover: Option<String>,
}

impl Bar {
    /// A bar with its value written in three digits.
    pub(crate) fn new(label: impl Into<String>, value: f64) -> Self {
        Self {
            label: label.into(),
            value,
            text: None,
            hover: None,
        }
    }

    /// Sets the text of the value.
    #[must_use]
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Adds an explanation on hover.
    #[must_use]
    pub(crate) fn hover(mut self, hover: impl Into<String>) -> Self {
        self.hover = Some(hover.into());
        self
    }
}

/// The user's action on the bars in this frame, by index.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BarsReply {
    /// Clicked.
    pub(crate) clicked: Option<usize>,
    /// Middle-clicked.
    pub(crate) beside: Option<usize>,
    /// Under the pointer.
    pub(crate) hovered: Option<usize>,
}

/// A group of bars on one scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bars<'a> {
    name: &'a str,
    list: &'a [Bar],
    fill: Fill,
    tokens: bool,
    clickable: bool,
    most: Option<f64>,
    label_width: Option<f32>,
    definition: &'a str,
}

impl<'a> Bars<'a> {
    /// Bars named `name` for a screen reader.
    pub(crate) fn new(name: &'a str, bars: &'a [Bar], fill: Fill) -> Self {
        Self {
            name,
            list: bars,
            fill,
            tokens: false,
            clickable: false,
            most: None,
            label_width: None,
            definition: "",
        }
    }

    /// Sets what the values are.
    #[must_use]
    pub(crate) fn definition(mut self, definition: &'a str) -> Self {
        self.definition = definition;
        self
    }

    /// Labels are tokens: fixed width, on a faint ground so that their spaces are seen.
    #[must_use]
    pub(crate) fn tokens(mut self) -> Self {
        self.tokens = true;
        self
    }

    /// A click on a bar does something.
    #[must_use]
    pub(crate) fn clickable(mut self) -> Self {
        self.clickable = true;
        self
    }

    /// The value whose bar is longest; the largest of the values unless set.
    #[must_use]
    pub(crate) fn most(mut self, most: f64) -> Self {
        self.most = Some(most);
        self
    }

    /// Room for labels.
    #[must_use]
    pub(crate) fn label_width(mut self, width: f32) -> Self {
        self.label_width = Some(width);
        self
    }

    /// Draws them over the width that is there.
    pub(crate) fn show(self, ui: &mut Ui) -> BarsReply {
        let mut reply = BarsReply::default();
        let width = ui.available_width();
        let columns = self.columns(ui, width);
        let high = space::TABLE_ROW * self.list.len() as f32;
        let place = Rect::from_min_size(ui.cursor().min, vec2(width, high));
        let id = ui.make_persistent_id(("bars", self.name));
        let whole = ui.interact(place, id, Sense::FOCUSABLE);
        whole.widget_info(|| WidgetInfo::labeled(Role::List, true, self.name));
        ui.push_id(self.name, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (i, bar) in self.list.iter().enumerate() {
                let response = self.bar_ui(ui, bar, &columns);
                if self.clickable && response.clicked() {
                    reply.clicked = Some(i);
                }
                if self.clickable && response.middle_clicked() {
                    reply.beside = Some(i);
                }
                if response.hovered() {
                    reply.hovered = Some(i);
                }
                if let Some(hover) = &bar.hover {
                    response.on_hover_text(hover);
                }
            }
        });
        self.menu(&whole, reply.hovered);
        reply
    }

    fn menu(&self, whole: &Response, hovered: Option<usize>) {
        let value = hovered.and_then(|i| self.list.get(i));
        let value = value.map(|bar| bar.value.to_string());
        let csv = || {
            let bars = self.list.iter();
            let bars = bars.map(|bar| [bar.label.as_str().into(), bar.value.into()]);
            csv::table::<[csv::Value; 2]>(&["Label", self.name], bars)
        };
        let meaning = Meaning::new(self.name, self.definition);
        let meaning = meaning.value(value.as_deref()).csv(&csv);
        meaning::menu(whole, &meaning.picture(whole.rect));
    }

    fn columns(&self, ui: &Ui, width: f32) -> Columns {
        let values = self.list.iter().map(|bar| bar.value);
        let most = self
            .most
            .unwrap_or_else(|| values.clone().fold(0.0, |most, v| v.abs().max(most)));
        let painter = ui.painter();
        let measure = |text: &str, font: FontId| {
            let ink = Theme::from_ui(ui).ink.primary;
            painter.layout_no_wrap(text.to_owned(), font, ink).size().x
        };
        let widest = |part: &dyn Fn(&Bar) -> String| {
            let widths = self
                .list
                .iter()
                .map(|bar| measure(&part(bar), number_font()));
            widths.fold(0.0_f32, f32::max)
        };
        let after_width = widest(&|bar| bar.parts().1.unwrap_or_default());
        let arrow_width = if after_width > 0.0 {
            measure(ARROW, number_font())
        } else {
            0.0
        };
        let before_width = widest(&|bar| bar.parts().0);
        let label_width = self.list.iter().fold(0.0_f32, |most, bar| {
            most.max(measure(&shown(&bar.label), self.label_font()))
        });
        let label_width = self.label_width.unwrap_or_else(|| {
            let inset = if self.tokens { 2.0 * space::CHIP } else { 0.0 };
            (label_width + inset).min(width * 0.4)
        });
        Columns {
            width,
            label: label_width,
            value: before_width + arrow_width + after_width,
            after: after_width,
            arrow: arrow_width,
            most,
            both_sides: values.clone().any(|v| v < 0.0) && values.clone().any(|v| v > 0.0),
        }
    }

    fn label_font(&self) -> FontId {
        if self.tokens {
            number_font()
        } else {
            FontId::proportional(size::BODY)
        }
    }

    fn bar_ui(&self, ui: &mut Ui, bar: &Bar, columns: &Columns) -> Response {
        let sense = if self.clickable {
            Sense::click()
        } else {
            Sense::hover()
        };
        let row = vec2(columns.width, space::TABLE_ROW);
        let (rect, response) = ui.allocate_exact_size(row, sense);
        let role = if self.clickable {
            Role::Button
        } else {
            Role::ListItem
        };
        response.widget_info(|| {
            let name = format!("{}, {}", bar.label.trim(), bar.written());
            WidgetInfo::labeled(role, true, name)
        });
        if ui.is_rect_visible(rect) {
            self.paint(ui, bar, columns, (rect, &response));
        }
        response
    }

    fn paint(&self, ui: &Ui, bar: &Bar, columns: &Columns, (rect, response): (Rect, &Response)) {
        let theme = Theme::from_ui(ui);
        if self.clickable && (response.hovered() || response.has_focus()) {
            let around = rect.expand2(vec2(space::CHIP, 0.0));
            ui.painter()
                .rect_filled(around, space::CORNER, theme.surface.hover);
        }
        let (label, middle, value) = columns.split(rect);
        self.paint_label(ui, theme, &bar.label, label);
        let colour = match self.fill {
            Fill::Hue(hue) => theme.hue(hue),
            Fill::Signed => theme.side(bar.value as f32),
            Fill::Neutral => theme.ink.secondary,
        };
        let track = columns.track(middle, bar.value);
        ui.painter().rect_filled(track, 2.0, colour);
        if columns.both_sides {
            let stroke = Stroke::new(1.0, theme.line.strong);
            ui.painter()
                .vline(middle.center().x, rect.y_range(), stroke);
        }
        let (before, after) = bar.parts();
        let write = |right: f32, text: &str| {
            let (at, ink) = (pos2(right, value.center().y), theme.ink.primary);
            ui.painter()
                .text(at, Align2::RIGHT_CENTER, text, number_font(), ink);
        };
        let Some(after) = after else {
            return write(value.right(), &before);
        };
        write(value.right(), &after);
        write(value.right() - columns.after, ARROW);
        write(value.right() - columns.after - columns.arrow, &before);
    }

    fn paint_label(&self, ui: &Ui, theme: &Theme, text: &str, rect: Rect) {
        let mut job = egui::text::LayoutJob::simple_singleline(
            shown(text),
            self.label_font(),
            theme.ink.primary,
        );
        let inset = if self.tokens { space::CHIP } else { 0.0 };
        job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width() - 2.0 * inset);
        let galley = ui.painter().layout_job(job);
        if self.tokens {
            let ground = Rect::from_min_size(
                pos2(rect.left(), rect.center().y - 10.0),
                vec2(galley.size().x + 2.0 * inset, 20.0),
            );
            ui.painter()
                .rect_filled(ground, space::CORNER, theme.surface.hover);
        }
        let at = pos2(rect.left() + inset, rect.center().y - galley.size().y / 2.0);
        ui.painter().galley(at, galley, theme.ink.primary);
    }
}

impl Bar {
    fn written(&self) -> String {
        self.text.clone().unwrap_or_else(|| number(self.value))
    }

    /// Text as written, before and after an arrow in it.
    fn parts(&self) -> (String, Option<String>) {
        let written = self.written();
        match written.split_once(ARROW) {
            Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
            None => (written, None),
        }
    }
}

/// A label on one line.
fn shown(label: &str) -> String {
    label.replace('\n', "⏎").replace('\t', "    ")
}

fn number_font() -> FontId {
    FontId::monospace(size::BODY)
}

/// Widths of the three columns and the scale of the bars.
#[derive(Debug)]
struct Columns {
    width: f32,
    label: f32,
    value: f32,
    /// Of `value`, the widths right of the arrows and of the arrows.
    after: f32,
    arrow: f32,
    most: f64,
    both_sides: bool,
}

impl Columns {
    fn split(&self, rect: Rect) -> (Rect, Rect, Rect) {
        let left = rect.left() + self.label;
        let right = rect.right() - self.value;
        let gap = 10.0;
        (
            rect.with_max_x(left),
            Rect::from_x_y_ranges((left + gap)..=(right - gap).max(left + gap), rect.y_range()),
            rect.with_min_x(right),
        )
    }

    /// The bar of `value` within the middle column.
    fn track(&self, middle: Rect, value: f64) -> Rect {
        let share = if self.most > 0.0 && value.is_finite() {
            (value / self.most).clamp(-1.0, 1.0) as f32
        } else {
            0.0
        };
        let y = middle.y_range().shrink(7.0);
        let (from, length) = if self.both_sides {
            (middle.center().x, share * middle.width() / 2.0)
        } else {
            (middle.left(), share.abs() * middle.width())
        };
        let least = if share == 0.0 { 0.0 } else { 1.0_f32 };
        let length = length.signum() * length.abs().max(least);
        Rect::from_x_y_ranges(from.min(from + length)..=from.max(from + length), y)
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;

    fn columns(both_sides: bool) -> Columns {
        Columns {
            width: 200.0,
            label: 50.0,
            value: 30.0,
            after: 0.0,
            arrow: 0.0,
            most: 4.0,
            both_sides,
        }
    }

    #[test]
    fn length_and_side_follow_the_value() {
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(200.0, 24.0));
        let (_, middle, _) = columns(false).split(rect);
        assert_eq!(middle.x_range(), egui::Rangef::new(60.0, 160.0));
        assert_eq!(columns(false).track(middle, 2.0).width(), 50.0);
        assert_eq!(columns(false).track(middle, -4.0).width(), 100.0);
        let left = columns(true).track(middle, -4.0);
        let right = columns(true).track(middle, 2.0);
        assert_eq!((left.left(), left.right()), (60.0, 110.0));
        assert_eq!((right.left(), right.right()), (110.0, 135.0));
        assert_eq!(columns(true).track(middle, f64::NAN).width(), 0.0);
    }

    #[test]
    fn a_bar_is_named_with_its_value_and_can_be_clicked() {
        let bars = [Bar::new(" king", 0.5), Bar::new("\n", -0.25).text("−25 %")];
        let mut harness = Harness::new_ui_state(
            |ui, clicked: &mut Option<usize>| {
                crate::theme::install(ui.ctx());
                let reply = Bars::new("next", &bars, Fill::Signed)
                    .tokens()
                    .clickable()
                    .show(ui);
                *clicked = clicked.or(reply.clicked);
            },
            None,
        );
        harness.get_by_label("king, 0.500");
        harness.get_by_label(", −25 %").click();
        harness.run();
        assert_eq!(*harness.state(), Some(1));
    }

    #[test]
    fn arrows_stand_below_each_other() {
        let bars = [
            Bar::new("a", 0.5).text("1 % → 50.0 %"),
            Bar::new("b", -0.25).text("75.0 % → 5 %"),
        ];
        let mut harness = Harness::new_ui(|ui| {
            crate::theme::install(ui.ctx());
            Bars::new("next", &bars, Fill::Signed).show(ui);
        });
        harness.run();
        let shapes = harness.output().shapes.iter();
        let arrows = shapes.filter_map(|shape| match &shape.shape {
            egui::Shape::Text(text) if text.galley.text() == ARROW => Some(text.pos.x),
            _ => None,
        });
        let arrows: Vec<f32> = arrows.collect();
        assert_eq!(arrows.len(), 2);
        assert_eq!(arrows[0].to_bits(), arrows[1].to_bits());
    }
}
