//! Dose and response as a section of a report.

use super::{Curve, DEFINITIONS, Point, Spread, Sweep};
use crate::section::{HeatMap, Lines, Section, Series};

/// Name, title and values of a figure.
type Of = (&'static str, fn(&Point) -> Option<Spread>);

/// Figures in their order.
const FIGURES: [Of; 4] = [
    ("KL (nats)", |point| Some(point.kl)),
    ("Probability of the target", |point| point.probability),
    ("Share of repeated 3-grams", |point| point.repetition),
    ("Perplexity", |point| point.perplexity),
];

impl Sweep {
    /// Returns the sweep as a section: one plot for each figure with the bands of every feature, and where there are several features their KL as a heat map.
    pub fn section(&self) -> Section {
        let names: Vec<String> = self
            .curves
            .iter()
            .map(|curve| format!("feature {}", curve.feature))
            .collect();
        let mut section = Section::new(
            format!("Dose and response of {}", names.join(", ")),
            self.conclusion(),
        )
        .setting("Dictionary", &self.sae)
        .setting("Hook", self.hook)
        .setting("Prompts", self.prompts)
        .setting("Tokens of a continuation", self.settings.continuation);
        for (title, figure) in FIGURES {
            let series: Vec<Series> = self
                .curves
                .iter()
                .zip(&names)
                .filter_map(|(curve, name)| series(curve, name, figure))
                .collect();
            if !series.is_empty() {
                section = section.figure(Lines {
                    caption: format!("{title}: median over prompts, band from 10 % to 90 %"),
                    x: "strength (decoder rows)".to_owned(),
                    y: title.to_owned(),
                    series,
                });
            }
        }
        if self.curves.len() > 1 {
            let of_curve = |curve: &Curve| {
                let points = curve.points.iter();
                points.map(|point| Some(point.kl.median)).collect()
            };
            section = section.figure(crate::section::Figure::HeatMap(HeatMap {
                caption: "Median KL over prompts, nats".to_owned(),
                y: "feature".to_owned(),
                x: "strength (decoder rows)".to_owned(),
                rows: names,
                columns: (self.settings.strengths.iter())
                    .map(f64::to_string)
                    .collect(),
                values: self.curves.iter().map(of_curve).collect(),
            }));
        }
        section.define(DEFINITIONS)
    }
}

/// Returns the line of one feature; none where the figure was not measured.
fn series(curve: &Curve, name: &str, figure: fn(&Point) -> Option<Spread>) -> Option<Series> {
    let points = curve.points.iter();
    let measured: Vec<(f64, Spread)> = points
        .filter_map(|point| Some((point.strength, figure(point)?)))
        .collect();
    let line = measured.iter().map(|(x, spread)| (*x, spread.median));
    let band = measured.iter().map(|(_, spread)| [spread.low, spread.high]);
    (!measured.is_empty()).then(|| Series::new(name, line).with_band(band))
}
