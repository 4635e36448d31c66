//! Histogram of densities over a logarithmic axis, dead features in a column of their own.

use egui::{Painter, Rangef, Rect, Response, Role, Sense, Ui, Vec2, WidgetInfo, vec2};

use super::csv::{self, Value};
use super::meaning::{self, Meaning};
use super::number::{count, counted, percent};
use super::plot::{self, Axes};
use crate::theme::Theme;

/// Bins of a decade.
const PER_DECADE: usize = 6;

/// Densities below this share one bin with it: fewer than one token in a hundred million.
const LEAST: f64 = -8.0;

/// Room below for the axis.
const AXIS: f32 = 32.0;

/// Room above for the title of the counts.
const TITLE: f32 = 18.0;

/// Room at the left for the largest count.
const COUNTS: f32 = 52.0;

/// Width of the column of the dead, with the gap behind it.
const DEAD: f32 = 44.0;

/// Features counted by the logarithm of their density.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct DensityHistogram {
    /// Power of ten at which the first bin begins.
    first: i32,
    /// Features of each bin.
    counts: Vec<u64>,
    /// Features that count as dead.
    dead: u64,
}

impl DensityHistogram {
    /// Counts `densities`, shares of tokens above 0, and `dead` features beside them.
    pub(crate) fn new(densities: &[f64], dead: u64) -> Self {
        let logs = densities.iter().map(|density| density.log10().max(LEAST));
        let least = logs.clone().fold(0.0, f64::min).floor() as i32;
        let first = least.min(-1);
        let mut counts = vec![0; first.unsigned_abs() as usize * PER_DECADE];
        let last = counts.len() - 1;
        for log in logs {
            let bin = ((log - f64::from(first)) * PER_DECADE as f64) as usize;
            counts[bin.min(last)] += 1;
        }
        Self {
            first,
            counts,
            dead,
        }
    }

    /// Draws it; the pointer reads a bin out.
    pub(crate) fn ui(&self, ui: &mut Ui, name: &str, size: Vec2) -> Response {
        let sense = Sense::hover() | Sense::FOCUSABLE;
        let (rect, response) = ui.allocate_exact_size(size, sense);
        let alive: u64 = self.counts.iter().sum();
        let words = format!("{name}: {} fire, {} dead", count(alive), count(self.dead));
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &words));
        if !ui.is_rect_visible(rect) {
            return response;
        }
        let theme = Theme::from_ui(ui);
        let inner = Rect::from_min_max(rect.min + vec2(COUNTS, TITLE), rect.max - vec2(8.0, AXIS));
        let place = Place {
            dead: inner.with_max_x(inner.left() + DEAD * 0.6),
            plot: inner.with_min_x(inner.left() + DEAD),
        };
        let hovered = response.hover_pos().and_then(|at| self.bin_at(&place, at));
        self.paint_axes(ui.painter(), theme, &place);
        for (bin, rect) in self.bars(&place) {
            let colour = match (hovered == Some(bin), bin) {
                (true, _) => theme.ink.primary,
                (false, Bin::Dead) => theme.ink.disabled,
                (false, Bin::Alive(_)) => theme.activation,
            };
            ui.painter().rect_filled(rect, 1.0, colour);
        }
        let value = hovered.map(|bin| self.features(bin).to_string());
        let (meaning, csv) = (Meaning::new(name, DEFINITION), || self.csv());
        let meaning = meaning.value(value.as_deref()).csv(&csv).picture(rect);
        meaning::menu(&response, &meaning);
        match hovered {
            Some(bin) => response.on_hover_text_at_pointer(self.read_out(bin)),
            None => response,
        }
    }

    /// Features of a bin.
    fn features(&self, bin: Bin) -> u64 {
        match bin {
            Bin::Dead => self.dead,
            Bin::Alive(i) => self.counts[i],
        }
    }

    fn read_out(&self, bin: Bin) -> String {
        let Bin::Alive(i) = bin else {
            return format!("{} dead", features(self.dead));
        };
        let edge = |i: usize| 10_f64.powf(f64::from(self.first) + i as f64 / PER_DECADE as f64);
        format!(
            "Density {} to {}\n{}",
            percent(edge(i)),
            percent(edge(i + 1)),
            features(self.counts[i])
        )
    }

    fn most(&self) -> u64 {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        most.max(self.dead).max(1)
    }

    fn bars(&self, place: &Place) -> impl Iterator<Item = (Bin, Rect)> {
        let dead = (Bin::Dead, self.dead);
        let alive = self.counts.iter().copied().enumerate();
        let all = std::iter::once(dead).chain(alive.map(|(i, n)| (Bin::Alive(i), n)));
        all.filter(|(_, n)| *n > 0).map(|(bin, n)| {
            let range = match bin {
                Bin::Dead => place.dead.x_range(),
                Bin::Alive(i) => self.range(place, i),
            };
            // One feature among thousands is still seen.
            let share = (n as f32 / self.most() as f32) * place.plot.height();
            let bottom = place.plot.bottom();
            let rect = Rect::from_x_y_ranges(range, Rangef::new(bottom - share.max(1.5), bottom));
            (bin, rect)
        })
    }

    fn range(&self, place: &Place, bin: usize) -> Rangef {
        let step = place.plot.width() / self.counts.len().max(1) as f32;
        let left = place.plot.left() + step * bin as f32;
        Rangef::new(left, left + step - if step > 3.0 { 1.0 } else { 0.0 })
    }

    fn bin_at(&self, place: &Place, at: egui::Pos2) -> Option<Bin> {
        if place.dead.x_range().contains(at.x) {
            return Some(Bin::Dead);
        }
        let share = (at.x - place.plot.left()) / place.plot.width();
        let inside = (0.0..1.0).contains(&share) && !self.counts.is_empty();
        let bin = Bin::Alive((share * self.counts.len() as f32) as usize);
        inside.then_some(bin)
    }

    fn paint_axes(&self, painter: &Painter, theme: &Theme, place: &Place) {
        let axes = Axes::new(painter, theme);
        let most = self.most();
        let plot = place.plot;
        let heights = plot::count_ticks(most, false).into_iter().map(|tick| {
            let share = tick as f32 / most as f32;
            (plot.bottom() - share * plot.height(), count(tick))
        });
        axes.upwards(plot.with_min_x(place.dead.left()), heights.collect());
        let dead = vec![(place.dead.center().x, "dead".to_owned())];
        axes.across(place.dead, dead);
        let decades = self.first.unsigned_abs() as usize;
        let tick = |i: usize| {
            let x = plot.left() + plot.width() * i as f32 / decades.max(1) as f32;
            (x, plot::power(f64::from(self.first) + i as f64))
        };
        axes.across(plot, (0..=decades).map(tick).collect());
        axes.titles(
            plot.with_min_x(place.dead.left()),
            "Density, share of tokens",
            "Features",
        );
    }

    /// Every bin: where it begins and ends, and its features.
    fn csv(&self) -> String {
        let edge = |i: usize| 10_f64.powf(f64::from(self.first) + i as f64 / PER_DECADE as f64);
        let dead = [Value::from("dead"), Value::Nothing, self.dead.into()];
        let bins = self.counts.iter().enumerate();
        let bins = bins.map(|(i, n)| [edge(i).into(), edge(i + 1).into(), (*n).into()]);
        let titles = ["Density from", "Density to", "Features"];
        csv::table(&titles, std::iter::once(dead).chain(bins))
    }
}

/// Returns what the histogram tells.
const DEFINITION: &str = "Features counted by density: the share of tokens on which each is active, on a logarithmic axis; those that never fire stand apart";

fn features(n: u64) -> String {
    counted(n, "feature")
}

/// Positions of the two parts.
struct Place {
    dead: Rect,
    plot: Rect,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bin {
    Dead,
    Alive(usize),
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    #[test]
    fn densities_are_counted_by_their_logarithm() {
        let counted = DensityHistogram::new(&[1.0, 0.5, 0.011, 0.0101, 1e-12], 7);
        assert_eq!((counted.first, counted.counts.len()), (-8, 48));
        assert_eq!((counted.counts[0], counted.counts[36]), (1, 2));
        assert_eq!((counted.counts[46], counted.counts[47]), (1, 1));
        let read = counted.read_out(Bin::Alive(36)).replace('\u{202F}', " ");
        assert_eq!(read, "Density 1.00 % to 1.47 %\n2 features");
        let none = DensityHistogram::new(&[], 0);
        assert_eq!((none.first, none.most()), (-1, 1));
    }

    #[test]
    fn it_says_how_many_fire_and_how_many_are_dead() {
        let harness = staged(
            |ui, counted: &mut DensityHistogram| {
                counted.ui(ui, "Densities", vec2(300.0, 140.0));
            },
            DensityHistogram::new(&[0.1, 0.01, 0.001], 2),
        );
        harness.get_by_label("Densities: 3 fire, 2 dead");
    }
}
