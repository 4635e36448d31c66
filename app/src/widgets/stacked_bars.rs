//! Horizontal bars of several parts laid end to end, with an interval of the whole: label left, value and interval right, one scale for all.

use egui::{
    Align2, Color32, FontId, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use super::csv;
use super::legend;
use super::meaning::{self, Meaning};
use crate::theme::{Theme, caption, size, space};

/// Gap between the columns.
const GAP: f32 = 10.0;

/// Half the height of a tick, and the radius of a ring.
const TICK: f32 = 7.0;
const RING: f32 = 4.0;

/// Narrowest bars beside which intervals are written; narrower places show them on hover.
const WIDE: f32 = 160.0;

/// A kind of part, the same in every bar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// A colour of the theme.
    pub(crate) colour: Color32,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StackedBar {
    /// Its label.
    pub(crate) label: String,
    /// Lengths of its parts, one for each kind; below 0 a single part lies left of zero, and one of several has no length.
    pub(crate) parts: Vec<f64>,
    /// The whole, as written.
    pub(crate) text: String,
    /// Interval of the whole.
    pub(crate) interval: Option<[f64; 2]>,
    /// Values to compare the bar with, by name and the same in every bar; a tick stands at the first, a ring at the second.
    pub(crate) marks: Vec<(&'static str, f64)>,
    /// Details, shown on hover.
    pub(crate) hover: String,
}

/// A group of bars on one scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StackedBars<'a> {
    /// Its name for screen readers and for the saved file; unique within its place.
    pub(crate) name: &'a str,
    /// Title of the labels.
    pub(crate) title: &'a str,
    /// The kinds of parts, in order; several have a legend.
    pub(crate) kinds: &'a [Portion<'a>],
    /// The bars.
    pub(crate) list: &'a [StackedBar],
    /// The whole whose bar is longest; the largest of all ends unless set. What lies beyond is cut, and a cut interval has no end.
    pub(crate) most: Option<f64>,
    /// Values as text, for intervals.
    pub(crate) format: fn(f64) -> String,
    /// Whether a click on a bar does something.
    pub(crate) clickable: bool,
    /// Definition of the lengths.
    pub(crate) definition: &'a str,
}

impl StackedBars<'_> {
    /// Draws them over the width that is there; returns the bar that was clicked.
    pub(crate) fn show(self, ui: &mut Ui) -> Option<usize> {
        self.show_beside(ui, self.list)
    }

    /// Draws them on the scale and in the columns that fit all of `all`, other groups among them; returns the bar that was clicked.
    pub(crate) fn show_beside(self, ui: &mut Ui, all: &[StackedBar]) -> Option<usize> {
        let width = ui.available_width();
        let columns = StackedBars { list: all, ..self }.columns(ui, width);
        let high = space::TABLE_ROW * self.list.len() as f32;
        let place = Rect::from_min_size(ui.cursor().min, vec2(width, high));
        let id = ui.make_persistent_id(("stacked bars", self.name));
        let whole = ui.interact(place, id, Sense::FOCUSABLE);
        whole.widget_info(|| WidgetInfo::labeled(Role::List, true, self.name));
        let (mut clicked, mut hovered) = (None, None);
        ui.push_id(self.name, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (i, bar) in self.list.iter().enumerate() {
                let response = self.bar_ui(ui, bar, &columns);
                if self.clickable && response.clicked() {
                    clicked = Some(i);
                }
                if response.hovered() {
                    hovered = Some(i);
                }
                response.on_hover_text(self.help(bar));
            }
        });
        let mut place = whole.rect;
        let marks = self.marks();
        if self.kinds.len() > 1 || !marks.is_empty() {
            let legend = ui.horizontal_wrapped(|ui| {
                for kind in self.kinds {
                    legend::mark(ui, kind.colour, kind.name);
                }
                for (i, name) in marks.iter().enumerate() {
                    mark_legend_ui(ui, i, name);
                }
            });
            place |= legend.response.rect;
        }
        self.menu(&whole, (hovered, place));
        clicked
    }

    /// Names of the marks.
    fn marks(&self) -> Vec<&'static str> {
        let marks = self.list.first().map_or(&[][..], |bar| &bar.marks);
        marks.iter().map(|(name, _)| *name).collect()
    }

    fn menu(&self, whole: &Response, (hovered, place): (Option<usize>, Rect)) {
        let value = hovered.and_then(|i| self.list.get(i));
        let value = value.map(|bar| bar.whole().to_string());
        let csv = || {
            let mut titles = vec![self.title];
            titles.extend(self.kinds.iter().map(|kind| kind.name));
            let several = self.kinds.len() > 1;
            if several {
                titles.push("Whole");
            }
            titles.extend(["From", "To"]);
            titles.extend(self.marks());
            let line = |bar: &StackedBar| {
                let mut line: Vec<csv::Value> = vec![bar.label.as_str().into()];
                line.extend(bar.parts.iter().map(|part| csv::Value::Number(*part)));
                if several {
                    line.push(bar.whole().into());
                }
                let ends = bar.interval.map(|ends| ends.map(csv::Value::Number));
                line.extend(ends.unwrap_or([csv::Value::Nothing, csv::Value::Nothing]));
                line.extend(
                    bar.marks
                        .iter()
                        .map(|(_, value)| csv::Value::Number(*value)),
                );
                line
            };
            csv::table(&titles, self.list.iter().map(line))
        };
        let meaning = Meaning::new(self.name, self.definition);
        let meaning = meaning.value(value.as_deref()).csv(&csv);
        meaning::menu(whole, &meaning.picture(place));
    }

    /// The parts of a bar, its interval, and what it says of itself.
    fn help(&self, bar: &StackedBar) -> String {
        let mut lines = vec![format!("{}: {}", bar.label, bar.text)];
        if let Some(interval) = self.interval(bar) {
            lines.push(format!("95 % interval {interval}"));
        }
        if self.kinds.len() > 1 {
            let parts = self.kinds.iter().zip(&bar.parts);
            lines.extend(
                parts.map(|(kind, part)| format!("{}: {}", kind.name, (self.format)(*part))),
            );
        }
        let marks = bar.marks.iter();
        lines.extend(marks.map(|(name, value)| format!("{name}: {}", (self.format)(*value))));
        if !bar.hover.is_empty() {
            lines.push(bar.hover.clone());
        }
        lines.join("\n")
    }

    fn interval(&self, bar: &StackedBar) -> Option<String> {
        let [low, high] = bar.interval?.map(self.format);
        Some(format!("{low} to {high}"))
    }

    fn columns(&self, ui: &Ui, width: f32) -> Columns {
        let ends = self.list.iter().map(|bar| {
            let high = bar.interval.map_or(0.0, |[_, high]| high);
            let marks = bar.marks.iter().map(|(_, value)| *value);
            marks.fold(bar.drawn().max(high), f64::max)
        });
        let most = self.most.unwrap_or_else(|| ends.fold(0.0, f64::max));
        let starts = self.list.iter().map(|bar| {
            let whole = if self.kinds.len() > 1 {
                0.0
            } else {
                bar.whole()
            };
            bar.interval.map_or(whole, |[low, _]| low.min(whole))
        });
        // At most half of the place is for what lies below 0.
        let least = starts.fold(0.0, f64::min).max(-most);
        let measure = |text: &str, font: FontId| {
            let ink = Theme::from_ui(ui).ink.primary;
            let galley = ui.painter().layout_no_wrap(text.to_owned(), font, ink);
            galley.size().x
        };
        let widest = |part: &dyn Fn(&StackedBar) -> String, font: &FontId| {
            let widths = self
                .list
                .iter()
                .map(|bar| measure(&part(bar), font.clone()));
            widths.fold(0.0_f32, f32::max)
        };
        let label = widest(&|bar| bar.label.clone(), &FontId::proportional(size::BODY));
        let label = label.min(width * 0.4);
        let value = widest(&|bar| bar.text.clone(), &FontId::monospace(size::BODY));
        let interval = widest(
            &|bar| self.interval(bar).unwrap_or_default(),
            &FontId::monospace(size::CAPTION),
        );
        let fits = width - label - value - interval - 3.0 * GAP >= WIDE;
        Columns {
            width,
            label,
            value,
            interval: if fits && interval > 0.0 {
                interval
            } else {
                0.0
            },
            ends: [least, most],
        }
    }

    fn bar_ui(&self, ui: &mut Ui, bar: &StackedBar, columns: &Columns) -> Response {
        let (sense, role) = if self.clickable {
            (Sense::click(), Role::Button)
        } else {
            (Sense::hover(), Role::ListItem)
        };
        let row = vec2(columns.width, space::TABLE_ROW);
        let (rect, response) = ui.allocate_exact_size(row, sense);
        response.widget_info(|| {
            let interval = self.interval(bar);
            let interval = interval.map_or_else(String::new, |ends| format!(", {ends}"));
            let name = format!("{}, {}{interval}", bar.label, bar.text);
            WidgetInfo::labeled(role, true, name)
        });
        if ui.is_rect_visible(rect) {
            self.paint(ui, bar, columns, (rect, &response));
        }
        response
    }

    fn paint(
        &self,
        ui: &Ui,
        bar: &StackedBar,
        columns: &Columns,
        (rect, response): (Rect, &Response),
    ) {
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        if self.clickable && (response.hovered() || response.has_focus()) {
            let around = rect.expand2(vec2(space::CHIP, 0.0));
            painter.rect_filled(around, space::CORNER, theme.surface.hover);
        }
        let mut job = egui::text::LayoutJob::simple_singleline(
            bar.label.clone(),
            FontId::proportional(size::BODY),
            theme.ink.primary,
        );
        job.wrap = egui::text::TextWrapping::truncate_at_width(columns.label);
        let galley = painter.layout_job(job);
        let middle = rect.center().y;
        let at = pos2(rect.left(), middle - galley.size().y / 2.0);
        painter.galley(at, galley, theme.ink.primary);
        let track = columns.track(rect);
        painter.rect_filled(track, 2.0, theme.surface.hover);
        let mut from = 0.0;
        for (kind, part) in self.kinds.iter().zip(&bar.parts) {
            let part = if self.kinds.len() > 1 {
                part.max(0.0)
            } else {
                *part
            };
            let to = from + part;
            let ends = [from, to].map(|end| columns.at(track, end));
            let ends = ends[0].min(ends[1])..=ends[0].max(ends[1]);
            let part = Rect::from_x_y_ranges(ends, track.y_range());
            painter.rect_filled(part, 2.0, kind.colour);
            from = to;
        }
        if columns.ends[0] < 0.0 {
            let stroke = Stroke::new(1.0, theme.ink.secondary);
            painter.vline(columns.at(track, 0.0), rect.y_range(), stroke);
        }
        if let Some(ends) = bar.interval {
            let [low, high] = ends.map(|end| columns.at(track, end));
            let stroke = Stroke::new(1.0, theme.ink.primary);
            painter.hline(low..=high, middle, stroke);
            for end in ends.into_iter().filter(|end| columns.holds(*end)) {
                let x = columns.at(track, end);
                painter.vline(x, middle - 4.0..=middle + 4.0, stroke);
            }
        }
        for (i, (_, value)) in bar.marks.iter().enumerate() {
            paint_mark(ui, i, pos2(columns.at(track, *value), middle));
        }
        let (mut right, anchor) = (rect.right(), Align2::RIGHT_CENTER);
        if columns.interval > 0.0 {
            let words = self.interval(bar).unwrap_or_default();
            let font = FontId::monospace(size::CAPTION);
            painter.text(
                pos2(right, middle),
                anchor,
                words,
                font,
                theme.ink.secondary,
            );
            right -= columns.interval + GAP;
        }
        let font = FontId::monospace(size::BODY);
        painter.text(
            pos2(right, middle),
            anchor,
            &bar.text,
            font,
            theme.ink.primary,
        );
    }
}

/// Draws the mark number `i`: a tick, else a ring.
fn paint_mark(ui: &Ui, i: usize, at: egui::Pos2) {
    let theme = Theme::from_ui(ui);
    let stroke = Stroke::new(2.0, theme.ink.primary);
    if i == 0 {
        let ends = at.y - TICK..=at.y + TICK;
        ui.painter().vline(at.x, ends, stroke);
    } else {
        ui.painter().circle(at, RING, theme.surface.panel, stroke);
    }
}

fn mark_legend_ui(ui: &mut Ui, i: usize, name: &str) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::CHIP;
        let (rect, _) = ui.allocate_exact_size(vec2(2.0 * TICK, 2.0 * TICK), Sense::hover());
        paint_mark(ui, i, rect.center());
        ui.label(caption(name).color(Theme::from_ui(ui).ink.secondary));
    });
}

impl StackedBar {
    /// Sum of all parts.
    fn whole(&self) -> f64 {
        self.parts.iter().sum()
    }

    /// Length as drawn.
    fn drawn(&self) -> f64 {
        self.parts.iter().map(|part| part.max(0.0)).sum()
    }
}

/// Widths of the columns and the scale of the bars.
#[derive(Debug)]
struct Columns {
    width: f32,
    label: f32,
    value: f32,
    /// Room for the written interval; 0: none is written.
    interval: f32,
    /// Values at the ends of the place of the bars.
    ends: [f64; 2],
}

impl Columns {
    /// The place of the bars in a row.
    fn track(&self, rect: Rect) -> Rect {
        let interval = if self.interval > 0.0 {
            self.interval + GAP
        } else {
            0.0
        };
        let left = rect.left() + self.label + GAP;
        let right = rect.right() - self.value - interval - GAP;
        Rect::from_x_y_ranges(left..=right.max(left), rect.y_range().shrink(6.0))
    }

    /// The place of a value in it.
    fn at(&self, track: Rect, value: f64) -> f32 {
        let [least, most] = self.ends;
        let share = if most > least && value.is_finite() {
            ((value - least) / (most - least)).clamp(0.0, 1.0) as f32
        } else {
            0.0
        };
        track.left() + share * track.width()
    }

    /// Whether a value lies on the scale.
    fn holds(&self, value: f64) -> bool {
        let [least, most] = self.ends;
        (least..=most).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::{number, staged};

    fn bar(label: &str, parts: &[f64], interval: Option<[f64; 2]>) -> StackedBar {
        StackedBar {
            label: label.to_owned(),
            parts: parts.to_vec(),
            text: number::percent(parts.iter().sum()),
            interval,
            marks: Vec::new(),
            hover: String::new(),
        }
    }

    #[test]
    fn a_scale_reaches_below_zero_and_cuts_what_lies_far_out() {
        let kinds = [Portion {
            name: "recovered",
            colour: Color32::WHITE,
        }];
        let list = |low| {
            [
                bar("linear", &[-0.25], Some([low, 0.5])),
                bar("rest", &[1.0], None),
            ]
        };
        let ends = |low: f64| {
            let list = list(low);
            let harness = staged(
                |ui, ends: &mut [f64; 2]| {
                    let bars = StackedBars {
                        name: "Recovered",
                        title: "Part",
                        kinds: &kinds,
                        list: &list,
                        most: None,
                        format: number::percent,
                        clickable: false,
                        definition: "",
                    };
                    let columns = bars.columns(ui, 600.0);
                    assert_eq!(columns.holds(low), low >= -1.0);
                    *ends = columns.ends;
                    bars.show(ui);
                },
                [0.0; 2],
            );
            *harness.state()
        };
        assert_eq!(ends(-0.5), [-0.5, 1.0]);
        assert_eq!(ends(-7.0), [-1.0, 1.0]);
    }

    #[test]
    fn a_bar_says_its_value_and_interval_and_can_be_clicked() {
        let list = [
            bar("word start", &[0.05, 0.1], Some([0.12, 0.2])),
            bar("digit", &[0.1, -0.02], None),
        ];
        let kinds = [
            Portion {
                name: "linear",
                colour: Color32::WHITE,
            },
            Portion {
                name: "nonlinear",
                colour: Color32::GRAY,
            },
        ];
        let draw = |ui: &mut Ui, clicked: &mut Option<usize>| {
            let bars = StackedBars {
                name: "Unexplained by class",
                title: "Class",
                kinds: &kinds,
                list: &list,
                most: None,
                format: number::percent,
                clickable: true,
                definition: "FVU",
            };
            *clicked = clicked.or(bars.show(ui));
        };
        let mut harness = staged(draw, None);
        harness.get_by_label("word start, 15.0\u{202F}%, 12.0\u{202F}% to 20.0\u{202F}%");
        harness.get_by_label("digit, 8.00\u{202F}%").click();
        harness.run();
        assert_eq!(*harness.state(), Some(1));
    }

    #[test]
    fn lengths_follow_the_values_on_one_scale() {
        let columns = Columns {
            width: 200.0,
            label: 40.0,
            value: 30.0,
            interval: 0.0,
            ends: [0.0, 0.5],
        };
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(200.0, 24.0));
        let track = columns.track(rect);
        assert_eq!(track.x_range(), egui::Rangef::new(50.0, 160.0));
        assert_eq!(columns.at(track, 0.25), 105.0);
        assert_eq!(columns.at(track, 9.0), 160.0);
        assert_eq!(columns.at(track, -1.0), 50.0);
        assert_eq!(columns.at(track, f64::NAN), 50.0);
        let with = Columns {
            interval: 20.0,
            ..columns
        };
        assert_eq!(with.track(rect).right(), 130.0);
    }
}
