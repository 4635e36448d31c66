//! Places and shades of the points of a map: pure functions of table, rows and column. Draws nothing.

use egui_plot::PlotPoint;
use umbra_core::features::directions::DirectionMap;
use umbra_core::features::families::{Family, Measured};
use umbra_core::features::filter::Column;
use umbra_core::ids::FeatureId;

use crate::state::features::Table;

/// Points of density and strength drawn at most; a larger dictionary is thinned evenly.
const POINTS: usize = 8_000;

/// Steps of the colour scale.
pub(super) const STEPS: usize = 16;

/// Axes of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// Density and largest activation.
    #[default]
    Strength,
    /// Directions of decoder rows.
    Directions,
}

/// Colour of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shade {
    /// One colour for all points.
    Plain,
    /// Step of the colour scale.
    Step(usize),
    /// Place among several kinds.
    Kind(usize),
    /// There is no value.
    Missing,
}

/// Points of the features shown.
#[derive(Debug, Default)]
pub(super) struct Points {
    /// Features that the filter keeps and that have a place.
    pub(super) features: Vec<FeatureId>,
    /// Their places.
    pub(super) at: Vec<PlotPoint>,
    /// Places by shade.
    pub(super) shaded: Vec<(Shade, Vec<PlotPoint>)>,
    /// Places of features that the filter leaves out.
    pub(super) others: Vec<PlotPoint>,
    /// Ends of the colour scale, as values of the column.
    pub(super) range: Option<(f64, f64)>,
}

/// A quantity by which points may be coloured.
pub(super) fn colours(table: &Table) -> Vec<Column> {
    let all = Column::ALL.into_iter();
    all.filter(|column| *column == Column::Family || column.is_number())
        .filter(|column| *column != Column::Number)
        .filter(|column| match column {
            Column::Family => table.families.is_some(),
            column => (0..table.features())
                .map(FeatureId::from)
                .any(|feature| scaled(table, *column, feature).is_some()),
        })
        .collect()
}

/// The value of a feature on the colour scale: the decadic logarithm of a density, any other figure as it is.
fn scaled(table: &Table, column: Column, feature: FeatureId) -> Option<f64> {
    let value = table.value(column, feature)?;
    let value = if column == Column::Density {
        value.log10()
    } else {
        value
    };
    value.is_finite().then_some(value)
}

impl Points {
    /// The points of `rows`. Features without a density have no place on a logarithmic axis and are left out.
    pub(super) fn new(
        table: &Table,
        rows: &[FeatureId],
        (kind, directions): (Kind, Option<&DirectionMap>),
        colour: Option<Column>,
    ) -> Self {
        let mut points = Self::default();
        match kind {
            Kind::Strength => {
                let step = rows.len().div_ceil(POINTS).max(1);
                for feature in rows.iter().step_by(step) {
                    if let Some(at) = strength(table, *feature) {
                        points.features.push(*feature);
                        points.at.push(at);
                    }
                }
            }
            Kind::Directions => {
                let mut kept = vec![false; table.features()];
                for feature in rows {
                    if let Some(entry) = kept.get_mut(feature.index()) {
                        *entry = true;
                    }
                }
                let placed = directions.map(|map| map.features.iter().zip(&map.points));
                for (feature, [x, y]) in placed.into_iter().flatten() {
                    let at = PlotPoint::new(f64::from(*x), f64::from(*y));
                    if kept.get(feature.index()).copied().unwrap_or_default() {
                        points.features.push(*feature);
                        points.at.push(at);
                    } else {
                        points.others.push(at);
                    }
                }
            }
        }
        points.shade(table, colour);
        points
    }

    fn shade(&mut self, table: &Table, colour: Option<Column>) {
        let shades: Vec<Shade> = match colour {
            None => vec![Shade::Plain; self.features.len()],
            Some(Column::Family) => {
                let kind = |feature: &FeatureId| {
                    let family = table.measured(*feature).and_then(Measured::family);
                    let at =
                        family.and_then(|family| Family::ALL.iter().position(|f| *f == family));
                    at.map_or(Shade::Missing, Shade::Kind)
                };
                self.features.iter().map(kind).collect()
            }
            Some(column) => {
                let values: Vec<Option<f64>> = (self.features.iter())
                    .map(|feature| scaled(table, column, *feature))
                    .collect();
                let known = values.iter().flatten();
                let low = known.clone().copied().fold(f64::INFINITY, f64::min);
                let high = known.copied().fold(f64::NEG_INFINITY, f64::max);
                let back = |value: f64| match column {
                    Column::Density => 10_f64.powf(value),
                    _ => value,
                };
                self.range = (low <= high).then(|| (back(low), back(high)));
                let width = (high - low).max(f64::MIN_POSITIVE);
                let step = |value: f64| {
                    let share = (value - low) / width;
                    Shade::Step(((share * STEPS as f64) as usize).min(STEPS - 1))
                };
                let shade = |value: &Option<f64>| value.map_or(Shade::Missing, step);
                values.iter().map(shade).collect()
            }
        };
        for (shade, at) in shades.iter().zip(&self.at) {
            match self.shaded.iter_mut().find(|(known, _)| known == shade) {
                Some((_, places)) => places.push(*at),
                None => self.shaded.push((*shade, vec![*at])),
            }
        }
        // Strong colours lie on top.
        self.shaded.sort_by_key(|(shade, _)| match shade {
            Shade::Missing => 0,
            Shade::Plain => 1,
            Shade::Step(at) | Shade::Kind(at) => 2 + at,
        });
    }

    /// The nearest point by `distance`, if it is within reach.
    pub(super) fn nearest(
        &self,
        reach: f32,
        distance: impl Fn(&PlotPoint) -> f32,
    ) -> Option<FeatureId> {
        let distances = self.at.iter().map(distance).enumerate();
        let (at, distance) = distances.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (distance <= reach).then(|| self.features[at])
    }

    /// Features inside a closed line.
    pub(super) fn inside(&self, line: &[[f64; 2]]) -> Vec<FeatureId> {
        let points = self.features.iter().zip(&self.at);
        points
            .filter(|(_, at)| is_inside(line, [at.x, at.y]))
            .map(|(feature, _)| *feature)
            .collect()
    }
}

/// Place of a feature by density and strength.
pub(super) fn strength(table: &Table, feature: FeatureId) -> Option<PlotPoint> {
    let summary = table.summaries.get(feature.index())?;
    (summary.density > 0.0)
        .then(|| PlotPoint::new(summary.density.log10(), summary.strongest().abs()))
}

/// Whether a ray from the point crosses the closed line an odd number of times.
fn is_inside(line: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let mut inside = false;
    let Some(mut before) = line.last() else {
        return false;
    };
    for next in line {
        let spans = (before[1] > y) != (next[1] > y);
        if spans {
            let share = (y - before[1]) / (next[1] - before[1]);
            if x < before[0] + share * (next[0] - before[0]) {
                inside = !inside;
            }
        }
        before = next;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalogue::DictionaryId;
    use crate::testing;

    #[test]
    fn a_closed_line_holds_the_points_within_it() {
        let horseshoe = [
            [0.0, 0.0],
            [4.0, 0.0],
            [4.0, 4.0],
            [3.0, 4.0],
            [3.0, 1.0],
            [1.0, 1.0],
            [1.0, 4.0],
            [0.0, 4.0],
        ];
        for (at, want) in [
            ([0.5, 3.0], true),
            ([2.0, 0.5], true),
            ([3.5, 3.9], true),
            ([2.0, 2.0], false),
            ([-1.0, 0.5], false),
            ([5.0, 5.0], false),
        ] {
            assert_eq!(is_inside(&horseshoe, at), want, "{at:?}");
        }
        assert!(!is_inside(&[], [0.0, 0.0]));
    }

    #[test]
    fn shades_span_the_values_of_the_rows_shown() {
        let table = testing::table(DictionaryId(0), 40);
        let rows: Vec<FeatureId> = (0..13).map(FeatureId).collect();
        let map = (Kind::Strength, None);
        let points = Points::new(&table, &rows, map, Some(Column::Max));
        assert_eq!(points.features, rows);
        assert_eq!(points.range, Some((1.0, 13.0)));
        assert_eq!(points.shaded.first().unwrap().0, Shade::Step(0));
        assert_eq!(points.shaded.last().unwrap().0, Shade::Step(STEPS - 1));
        let all: usize = points.shaded.iter().map(|(_, places)| places.len()).sum();
        assert_eq!(all, 13);
        let plain = Points::new(&table, &rows, map, None);
        assert_eq!((plain.shaded.len(), plain.range), (1, None));
        let colours = colours(&table);
        assert!(colours.contains(&Column::Family) && !colours.contains(&Column::Kurtosis));
    }
}
