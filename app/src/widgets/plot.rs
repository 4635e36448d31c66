//! Parts shared by plots: their setup, and the read-out beside the pointer.

use std::sync::Arc;

use egui::text::{LayoutJob, TextWrapping};
use egui::{
    Align2, Color32, FontId, Galley, Id, Painter, Pos2, Rangef, Rect, RichText, Stroke, Ui, pos2,
    vec2,
};
use egui_plot::{GridMark, Plot};

use super::number::{number, percent};
use crate::theme::{Theme, caption, size, space};

/// Width of the numbers at the y axis, the same for all so that plots below one another align.
pub(super) const Y_AXIS: f32 = 52.0;

/// Height of a line of the read-out.
pub(super) const LINE: f32 = 13.0;

/// Room beside a boxed text.
const EDGE: f32 = 3.0;

/// A plot `id`, as ours begin: nothing but lines on the panel, what stands under the pointer is told by [`read_out`].
pub(super) fn plain<'a>(ui: &Ui, id: Id, height: f32) -> Plot<'a> {
    Plot::new(id)
        .id(id)
        .height(height)
        .y_axis_min_width(Y_AXIS)
        .show_background(false)
        .show_crosshair(false)
        .allow_scroll(false)
        .grid_color(Theme::from_ui(ui).line.hair)
        .label_formatter(|_| None)
}

/// The title of an axis.
pub(super) fn title(ui: &Ui, text: &str) -> RichText {
    caption(text).color(Theme::from_ui(ui).ink.secondary)
}

/// A line down the frame at `x` and the read-out beside it, on the side that has more room; `falls` where curves leave the lower corner free on the left.
pub(super) fn read_out(ui: &Ui, (frame, x): (Rect, f32), falls: bool, lines: &[(String, Color32)]) {
    let theme = Theme::from_ui(ui);
    let painter = ui.painter_at(frame);
    painter.vline(x, frame.y_range(), Stroke::new(1.0, theme.line.strong));
    let right = x < frame.center().x;
    let (side, anchor) = if right {
        (space::CONTROL, Align2::LEFT_TOP)
    } else {
        (-space::CONTROL, Align2::RIGHT_TOP)
    };
    let mut y = if falls && !right {
        frame.bottom() - 2.0 - lines.len() as f32 * LINE
    } else {
        frame.top() + 2.0
    };
    // Where it is wider than the room on its side, it covers the line.
    let font = FontId::monospace(size::CAPTION);
    let width = |(text, colour): &(String, Color32)| {
        let galley = painter.layout_no_wrap(text.clone(), font.clone(), *colour);
        galley.size().x + EDGE
    };
    let widest = lines.iter().map(width).fold(0.0, f32::max);
    let x = if right {
        (x + side).min(frame.right() - widest)
    } else {
        (x + side).max(frame.left() + widest)
    };
    for (text, colour) in lines {
        boxed(
            &painter,
            (pos2(x, y), anchor),
            text,
            (*colour, theme.surface.panel),
        );
        y += LINE;
    }
}

/// Axes that a widget paints itself: numbers that neither collide nor leave the plot, and titles.
pub(super) struct Axes<'a> {
    painter: &'a Painter,
    theme: &'a Theme,
}

/// Least room between two numbers of an axis.
const GAP: f32 = 8.0;

impl<'a> Axes<'a> {
    pub(super) fn new(painter: &'a Painter, theme: &'a Theme) -> Self {
        Self { painter, theme }
    }

    fn galley(&self, text: &str, font: FontId) -> Arc<Galley> {
        let ink = self.theme.ink.secondary;
        self.painter.layout_no_wrap(text.to_owned(), font, ink)
    }

    /// The line below `plot`, with as many of the ascending `ticks` as have room: always the first and the last, if they do.
    pub(super) fn across(&self, plot: Rect, ticks: Vec<(f32, String)>) {
        let line = Stroke::new(1.0, self.theme.line.strong);
        self.painter.hline(plot.x_range(), plot.bottom(), line);
        let font = FontId::monospace(size::CAPTION);
        let placed: Vec<(f32, f32, Arc<Galley>)> = ticks
            .into_iter()
            .map(|(x, text)| {
                let galley = self.galley(&text, font.clone());
                let width = galley.size().x;
                let least = plot.left().min(plot.right() - width);
                let left = (x - width / 2.0).clamp(least, (plot.right() - width).max(least));
                (x, left, galley)
            })
            .collect();
        let spans: Vec<Rangef> = placed
            .iter()
            .map(|(_, left, galley)| Rangef::new(*left, left + galley.size().x))
            .collect();
        for i in apart(&spans) {
            let (x, left, galley) = &placed[i];
            let tick = Rangef::new(plot.bottom(), plot.bottom() + 3.0);
            self.painter.vline(*x, tick, line);
            let at = pos2(*left, plot.bottom() + 4.0);
            self.painter
                .galley(at, Arc::clone(galley), self.theme.ink.secondary);
        }
    }

    /// Numbers at heights left of `plot`, with hairlines across it.
    pub(super) fn upwards(&self, plot: Rect, ticks: Vec<(f32, String)>) {
        let font = FontId::monospace(size::CAPTION);
        let mut ticks: Vec<(f32, Arc<Galley>)> = ticks
            .into_iter()
            .map(|(y, text)| (y, self.galley(&text, font.clone())))
            .collect();
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let spans: Vec<Rangef> = ticks
            .iter()
            .map(|(y, galley)| {
                let half = galley.size().y / 2.0 - GAP / 2.0;
                Rangef::new(y - half, y + half)
            })
            .collect();
        let hair = Stroke::new(1.0, self.theme.line.hair);
        for i in apart(&spans) {
            let (y, galley) = &ticks[i];
            if *y < plot.bottom() - 1.0 {
                self.painter.hline(plot.x_range(), *y, hair);
            }
            let at = pos2(plot.left() - 6.0, *y) - vec2(galley.size().x, galley.size().y / 2.0);
            self.painter
                .galley(at, Arc::clone(galley), self.theme.ink.secondary);
        }
    }

    /// The titles: of the axis across below its numbers, of the other above the plot.
    pub(super) fn titles(&self, plot: Rect, across: &str, upwards: &str) {
        let font = FontId::proportional(size::CAPTION);
        let ink = self.theme.ink.secondary;
        let write = |text: &str, at: &dyn Fn(egui::Vec2) -> Pos2, room: f32| {
            let mut job = LayoutJob::simple_singleline(text.to_owned(), font.clone(), ink);
            job.wrap = TextWrapping::truncate_at_width(room);
            let galley = self.painter.layout_job(job);
            let at = at(galley.size());
            self.painter.galley(at, galley, ink);
        };
        let below = plot.bottom() + 18.0;
        write(
            across,
            &|size| pos2(plot.center().x - size.x / 2.0, below),
            plot.width(),
        );
        write(
            upwards,
            &|size| pos2(plot.left(), plot.top() - 4.0 - size.y),
            plot.width(),
        );
    }
}

/// Which of ascending spans stand [`GAP`] apart from each other: every one, or every second, third, … before the last, else the first and the last, else
/// the last.
fn apart(spans: &[Rangef]) -> Vec<usize> {
    let Some(last) = spans.len().checked_sub(1) else {
        return vec![];
    };
    for every in 1..=last.max(1) {
        let mut kept: Vec<usize> = (0..=last).rev().step_by(every).collect();
        kept.reverse();
        let free = |pair: &[usize]| spans[pair[1]].min - spans[pair[0]].max >= GAP;
        if kept.windows(2).all(free) {
            return kept;
        }
    }
    vec![last]
}

/// Round values to name on a linear axis `width` points wide, with their texts; the ends where no two round values lie between them.
pub(super) fn round_ticks((first, last): (f64, f64), width: f32) -> Vec<(f64, String)> {
    let span = last - first;
    if !(span.is_finite() && span > 0.0) {
        return vec![(first, number(first))];
    }
    let least = span / f64::from((width / 60.0).clamp(2.0, 6.0));
    let power = least.log10().floor();
    let unit = 10_f64.powf(power);
    let (digit, step) = [1.0, 2.0, 5.0, 10.0]
        .map(|digit| (digit, digit * unit))
        .into_iter()
        .find(|(_, step)| *step >= least * 0.999)
        .unwrap_or((10.0, 10.0 * unit));
    let power = if digit < 10.0 { power } else { power + 1.0 };
    let decimals = (-power).clamp(0.0, 9.0) as usize;
    let from = (first / step - 1e-9).ceil() as i64;
    let to = (last / step + 1e-9).floor() as i64;
    let small = step < 1e-4;
    let text = |value: f64| {
        if small || value.abs() >= 999.5 {
            number(value)
        } else if value < 0.0 {
            format!("−{:.decimals$}", -value)
        } else {
            format!("{value:.decimals$}")
        }
    };
    let ticks: Vec<_> = (from..=to)
        .map(|i| i as f64 * step)
        .map(|value| (value, text(value)))
        .collect();
    if ticks.len() < 2 {
        return vec![(first, number(first)), (last, number(last))];
    }
    ticks
}

/// Counts to name on an axis from 0 to `most`: powers of ten on a logarithmic one, and 2 or 5 times the last where much is above it; else halves or fifths of a round number.
pub(super) fn count_ticks(most: u64, log: bool) -> Vec<u64> {
    if most == 0 {
        return vec![0];
    }
    let power = 10_u64.pow(most.ilog10());
    if log {
        let mut ticks = vec![0];
        let mut tick = 1;
        while tick <= power {
            ticks.push(tick);
            tick *= 10;
        }
        let above = |tick: &u64| {
            let share = (*tick as f64 / power as f64).ln() / (most as f64 + 1.0).ln();
            *tick <= most && share >= 0.15
        };
        ticks.extend([5 * power, 2 * power].into_iter().find(above));
        return ticks;
    }
    let step = [power / 2, power, 2 * power, 5 * power]
        .into_iter()
        .find(|step| *step > 0 && most / step <= 4)
        .unwrap_or(most);
    (0..=most / step).map(|i| i * step).collect()
}

/// A share at a mark of a logarithmic axis as percent, without needless digits where it is a power of ten.
pub(crate) fn power(exponent: f64) -> String {
    let whole = exponent.round();
    if (exponent - whole).abs() < 1e-6 {
        format!("{}\u{202F}%", 10_f64.powi(whole as i32 + 2))
    } else {
        percent(10_f64.powf(exponent))
    }
}

/// Marks on a logarithmic axis between two powers of ten: whole powers where at least two fit, else 1, 2 and 5 times them, else values between. Their
/// numbers are about `label` wide on an axis of `length` points.
pub(crate) fn log_marks((low, high): (f64, f64), length: f32, label: f32) -> Vec<GridMark> {
    let span = (high - low).max(1e-9);
    let room = f64::from(length / label.max(1.0)).max(1.0);
    let marks = |values: Vec<f64>| -> Vec<GridMark> {
        // A step as large as the axis: the numbers are never left out for want of room.
        let mark = |value: f64| GridMark {
            value,
            step_size: span,
        };
        let inside = values.into_iter().filter(|v| *v >= low && *v <= high);
        inside.map(mark).collect()
    };
    let every = (span / (room - 1.0).max(0.5)).ceil().max(1.0) as i64;
    let (first, last) = (low.ceil() as i64, high.floor() as i64);
    let powers: Vec<f64> = (first..=last)
        .filter(|power| power.rem_euclid(every) == 0)
        .map(|power| power as f64)
        .collect();
    if powers.len() >= 2 {
        return marks(powers);
    }
    let within = (low.floor() as i64..=high.ceil() as i64)
        .flat_map(|power| [1.0_f64, 2.0, 5.0].map(|digit| power as f64 + digit.log10()));
    let within = marks(within.collect());
    if (2..=room.max(2.0) as usize).contains(&within.len()) {
        return within;
    }
    let inset = span * 0.1;
    marks(vec![low + inset, high - inset])
}

/// Writes `name` beside a point at `at`, on the side that has more room.
pub(super) fn name_beside(ui: &Ui, frame: Rect, at: Pos2, name: &str, colour: Color32) {
    name_apart(ui, (frame, &mut Vec::new()), at, name, colour);
}

/// Writes `name` as [`name_beside`] does, unless it would lie on one of the places `taken`; its own is added to them.
pub(super) fn name_apart(
    ui: &Ui,
    (frame, taken): (Rect, &mut Vec<Rect>),
    at: Pos2,
    name: &str,
    colour: Color32,
) {
    let (side, anchor) = if at.x < frame.center().x {
        (space::CONTROL, Align2::LEFT_CENTER)
    } else {
        (-space::CONTROL, Align2::RIGHT_CENTER)
    };
    let fill = Theme::from_ui(ui).surface.panel;
    let y =
        at.y.clamp(frame.top() + LINE / 2.0, frame.bottom() - LINE / 2.0);
    let at = pos2(at.x + side, y);
    let painter = ui.painter_at(frame);
    let font = FontId::monospace(size::CAPTION);
    let room = painter.layout_no_wrap(name.to_owned(), font, colour).size();
    let place: Rect = anchor.anchor_size(at, room);
    if taken.iter().any(|other| other.intersects(place)) {
        return;
    }
    taken.push(place.expand2(vec2(3.0, 0.0)));
    boxed(&painter, (at, anchor), name, (colour, fill));
}

/// Writes a caption over a plot, on a ground of its own so that lines do not cross it.
fn boxed(
    painter: &Painter,
    (at, anchor): (Pos2, Align2),
    text: &str,
    (colour, fill): (Color32, Color32),
) {
    let font = FontId::monospace(size::CAPTION);
    let galley = painter.layout_no_wrap(text.to_owned(), font, colour);
    let rect: Rect = anchor.anchor_size(at, galley.size());
    painter.rect_filled(rect.expand2(vec2(EDGE, 0.0)), 0.0, fill);
    painter.galley(rect.min, galley, colour);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_would_collide_are_left_out_and_the_ends_stay() {
        let spans = |at: &[(f32, f32)]| -> Vec<Rangef> {
            at.iter()
                .map(|(min, max)| Rangef::new(*min, *max))
                .collect()
        };
        let roomy = spans(&[(0.0, 20.0), (30.0, 50.0), (60.0, 80.0)]);
        assert_eq!(apart(&roomy), [0, 1, 2]);
        let tight = spans(&[(0.0, 20.0), (25.0, 45.0), (50.0, 70.0)]);
        assert_eq!(apart(&tight), [0, 2]);
        let none = spans(&[(0.0, 50.0), (10.0, 60.0)]);
        assert_eq!(apart(&none), [1]);
        assert!(apart(&[]).is_empty());
    }

    #[test]
    fn counts_are_named_at_round_numbers() {
        assert_eq!(count_ticks(7, false), [0, 2, 4, 6]);
        assert_eq!(count_ticks(3, false), [0, 1, 2, 3]);
        assert_eq!(count_ticks(9700, false), [0, 2000, 4000, 6000, 8000]);
        assert_eq!(count_ticks(3000, true), [0, 1, 10, 100, 1000]);
        assert_eq!(count_ticks(76, true), [0, 1, 10, 50]);
        assert_eq!(count_ticks(36, true), [0, 1, 10, 20]);
        assert_eq!(count_ticks(0, true), [0]);
    }

    #[test]
    fn values_are_named_at_round_numbers() {
        let texts = |ends, width| -> Vec<String> {
            let ticks = round_ticks(ends, width).into_iter();
            ticks.map(|(_, text)| text).collect()
        };
        assert_eq!(texts((-0.631, 0.758), 180.0), ["−0.5", "0.0", "0.5"]);
        assert_eq!(texts((0.0, 9.28), 240.0), ["0", "5"]);
        assert_eq!(texts((0.0, 29.7), 240.0), ["0", "10", "20"]);
        assert_eq!(texts((-631.0, 7580.0), 240.0).len(), 2);
        assert_eq!(texts((2.0, 2.0), 240.0), ["2.00"]);
    }

    #[test]
    fn a_logarithmic_axis_has_two_numbers_at_least() {
        assert_eq!(power(-3.0), "0.1\u{202F}%");
        assert_eq!(power(0.0), "100\u{202F}%");
        let values = |bounds, length| -> Vec<f64> {
            let marks = log_marks(bounds, length, 50.0);
            marks.iter().map(|mark| mark.value).collect()
        };
        assert_eq!(values((-4.2, 0.1), 400.0), [-4.0, -3.0, -2.0, -1.0, 0.0]);
        assert_eq!(values((-4.2, 0.1), 120.0), [-4.0, 0.0]);
        for bounds in [
            (-2.4, -1.2),
            (0.31, 0.35),
            (0.2, 0.9),
            (-0.9, 0.05),
            (-8.0, 0.0),
        ] {
            for length in [60.0, 150.0, 600.0] {
                let values = values(bounds, length);
                assert!(values.len() >= 2, "{bounds:?} on {length}: {values:?}");
                assert!(values.iter().all(|v| *v >= bounds.0 && *v <= bounds.1));
            }
        }
    }
}
