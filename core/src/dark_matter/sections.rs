//! Results on the error as sections of a report.

use super::depth::{self, Depth};
use super::ladder::{self, Ladder};
use super::places::{self, Places};
use super::predict::{self, Predictions};
use super::pursuit::{self, Comparison, FeatureRow};
use super::self_test::{self, SelfTest};
use super::splice::{self, Costs};
use crate::section::{Bars, HeatMap, Lines, Section, Series, Table};

/// Most rows of a table of features or tokens.
const MOST: usize = 20;

impl Costs {
    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let columns = [
            "dictionary",
            "cost in nats",
            "recovered by the linear part",
            "recovered by the nonlinear part",
            "R² share of the linear part",
            "FVU of x̂",
        ];
        let mut table = Table::new(
            "Cost of each dictionary and what its parts recover",
            &columns,
        );
        for one in &self.dictionaries {
            table = table.row([
                one.sae.as_str().into(),
                one.cost().into(),
                one.recovered.linear.into(),
                one.recovered.nonlinear.into(),
                one.r2_share.linear.into(),
                one.fvu.sae.into(),
            ]);
        }
        let bars = self.dictionaries.iter().flat_map(|one| {
            let part = |name: &str, share: Option<f64>| {
                (format!("{}, {name}", one.sae), share.unwrap_or(f64::NAN))
            };
            [
                part("linear", one.recovered.linear),
                part("nonlinear", one.recovered.nonlinear),
            ]
        });
        Section::new("Cost of the parts of the error", self.conclusion())
            .setting("fitted on", format!("{} tokens", self.fit_tokens))
            .setting("measured on", format!("{} tokens", self.held_out_tokens))
            .setting("blocks", &self.blocks)
            .setting("seed", self.seed)
            .notes(&self.notes)
            .figure(table)
            .figure(Bars::new(
                "Share of the dictionary's cost that a part recovers",
                bars,
            ))
            .define(splice::DEFINITIONS)
    }
}

impl Ladder {
    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let columns = [
            "dictionary",
            "features",
            "L0",
            "FVU",
            "FVU, nonlinear",
            "mean ‖e‖",
        ];
        let mut table = Table::new("Figures of each dictionary", &columns);
        for rung in &self.rungs {
            table = table.row([
                rung.name.as_str().into(),
                rung.features.into(),
                rung.l0.into(),
                rung.fvu.into(),
                rung.linear.map(|linear| linear.fvu_nonlinear).into(),
                rung.norm_mean.into(),
            ]);
        }
        let mut points: Vec<(f64, f64)> = (self.rungs.iter())
            .map(|rung| ((rung.features as f64).log2(), rung.fvu))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let names: Vec<String> = self.rungs.iter().map(|rung| rung.name.clone()).collect();
        let notes: Vec<String> = self.notes().iter().map(str::to_owned).collect();
        Section::new(
            format!("Ladder of widths at {}", self.hook),
            self.conclusion(),
        )
        .setting("hook", &self.hook)
        .setting("tokens", self.tokens)
        .setting("blocks", &self.blocks)
        .notes(&notes)
        .figure(table)
        .figure(Lines {
            caption: "FVU over the number of features".to_owned(),
            x: "log2 of the number of features".to_owned(),
            y: "FVU".to_owned(),
            series: vec![Series::new("FVU", points)],
        })
        .figure(HeatMap {
            caption: "R² of the error norm of one dictionary from that of another".to_owned(),
            y: "from".to_owned(),
            x: "of".to_owned(),
            rows: names.clone(),
            columns: names,
            values: self.token_r2.clone(),
        })
        .define(ladder::DEFINITIONS)
    }
}

impl Depth {
    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let columns = [
            "dictionary",
            "hook",
            "features",
            "L0",
            "FVU",
            "FVU, nonlinear",
            "R²",
        ];
        let mut table = Table::new("Error of each dictionary", &columns);
        for row in &self.rows {
            table = table.row([
                row.sae.as_str().into(),
                row.hook.to_string().into(),
                row.features.into(),
                row.l0.into(),
                row.fvu_total.into(),
                row.fvu_nonlinear.into(),
                row.r2_weighted.into(),
            ]);
        }
        let bars = self.rows.iter().flat_map(|row| {
            let part = |name: &str, value: f64| (format!("{}, {name}", row.sae), value);
            [
                part("linear", row.fvu_linear()),
                part("nonlinear", row.fvu_nonlinear),
            ]
        });
        let left_out: Vec<String> = (self.left_out.iter())
            .map(|(name, why)| format!("{name} was left out: {why}"))
            .collect();
        Section::new("Error along the depth of the model", self.conclusion())
            .setting("fitted on", format!("{} tokens", self.fit_tokens))
            .setting("measured on", format!("{} tokens", self.held_out_tokens))
            .setting("blocks", &self.drawn)
            .notes(&left_out)
            .figure(table)
            .figure(Bars::new("FVU by part", bars))
            .define(depth::DEFINITIONS)
    }
}

impl Places {
    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let columns = [
            "class",
            "tokens",
            "FVU",
            "FVU, nonlinear",
            "share of the error",
        ];
        let mut table = Table::new("Error by class of token", &columns);
        for class in &self.by_class {
            let share = class.share;
            table = table.row([
                class.name.as_str().into(),
                (share.tokens as f64).into(),
                share.fvu.into(),
                share.fvu_nonlinear.into(),
                share.of_error.into(),
            ]);
        }
        let by_position = |name: &str, of: fn(&places::Share) -> f64| {
            let points = self.by_position.iter();
            Series::new(
                name,
                points.map(|at| (f64::midpoint(at.from.into(), at.to.into()), of(&at.share))),
            )
        };
        let mut tokens = Table::new("Tokens explained least", &["token", "tokens", "FVU"]);
        for token in self.by_token.iter().take(MOST) {
            tokens = tokens.row([
                format!("{:?}", token.text).into(),
                (token.share.tokens as f64).into(),
                token.share.fvu.into(),
            ]);
        }
        Section::new(
            format!("Where the error of {} is", self.sae),
            self.conclusion(),
        )
        .setting("hook", self.hook)
        .setting("tokens", self.all.tokens)
        .setting("fitted on", format!("{} tokens", self.fit_tokens))
        .setting("blocks", &self.drawn)
        .sentence(self.norms_conclusion())
        .figure(table)
        .figure(Lines {
            caption: "Error by position in the row".to_owned(),
            x: "position".to_owned(),
            y: "FVU".to_owned(),
            series: vec![
                by_position("FVU", |share| share.fvu),
                by_position("nonlinear", |share| share.fvu_nonlinear),
            ],
        })
        .figure(tokens)
        .define(places::DEFINITIONS)
    }
}

impl Predictions {
    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let columns = [
            "predicted from",
            "hook",
            "R² of the error",
            "R² of the linear part",
            "R² of the nonlinear part",
            "nonlinear FVU predicted",
        ];
        let mut table = Table::new("Held-out accuracy by source", &columns);
        for row in &self.rows {
            table = table.row([
                row.name().into(),
                row.hook.as_str().into(),
                row.error.r2.into(),
                row.linear.r2.into(),
                row.nonlinear.r2.into(),
                row.reduction.into(),
            ]);
        }
        let bars = self.rows.iter();
        let bars = bars.map(|row| (row.name().to_owned(), row.reduction));
        Section::new(
            format!("Error of {} predicted from other dictionaries", self.sae),
            self.conclusion(),
        )
        .setting("hook", &self.hook)
        .setting("fitted on", format!("{} tokens", self.fit_tokens))
        .setting("measured on", format!("{} tokens", self.held_out_tokens))
        .setting("blocks", &self.blocks)
        .notes(&self.notes)
        .figure(table)
        .figure(Bars::new(
            "Share of the nonlinear FVU that is predicted",
            bars,
        ))
        .define(predict::DEFINITIONS)
    }
}

impl Comparison {
    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let code = |name: &str, l0: f64, fvu: f64| [name.into(), l0.into(), fvu.into()];
        let both = Table::new("Both codes", &["code", "L0", "FVU"])
            .row(code("encoder", self.l0, self.fvu_encoder))
            .row(code("pursuit", self.l0_pursuit, self.fvu_pursuit));
        let ranked = |caption: &str, rows: Vec<&FeatureRow>, of: fn(&FeatureRow) -> f64| {
            let rows = rows.into_iter().take(MOST);
            Bars::new(
                caption,
                rows.map(|row| (format!("#{}", row.feature), of(row))),
            )
        };
        Section::new(
            format!("Encoder of {} against pursuit", self.sae),
            self.conclusion(),
        )
        .setting("tokens", self.tokens)
        .setting("method", self.settings.method)
        .figure(both)
        .figure(ranked(
            "Features that the encoder misses: sum of pursuit's weights",
            self.most_missed(),
            |row| row.missed_weight,
        ))
        .figure(ranked(
            "Features that the encoder invents: sum of its activations",
            self.most_invented(),
            |row| row.invented_activation,
        ))
        .define(pursuit::DEFINITIONS)
    }
}

impl SelfTest {
    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let columns = [
            "planted",
            "linear",
            "found",
            "nonlinear",
            "found",
            "within tolerance",
        ];
        let mut table = Table::new("Planted errors by part, as FVU", &columns);
        for planted in &self.planted {
            table = table.row([
                planted.kind.name().into(),
                planted.expected.linear.into(),
                planted.estimated.linear.into(),
                planted.expected.nonlinear.into(),
                planted.estimated.nonlinear.into(),
                (if planted.found { "yes" } else { "no" }).into(),
            ]);
        }
        let mut section = Section::new(
            format!("Self-test of the split of {}", self.sae),
            self.conclusion(),
        )
        .setting("hook", &self.hook)
        .setting("seed", self.settings.seed)
        .setting("fitted on", format!("{} tokens", self.fit_tokens))
        .setting("measured on", format!("{} tokens", self.held_out_tokens))
        .figure(table);
        for grid in &self.grids {
            section = section.figure(HeatMap {
                caption: format!(
                    "Correlation of noises with parts, {:.0} % of the features ablated",
                    100.0 * grid.ablated
                ),
                y: "noise on".to_owned(),
                x: "part".to_owned(),
                rows: vec!["activation".to_owned(), "reconstruction".to_owned()],
                columns: vec!["linear".to_owned(), "nonlinear".to_owned()],
                values: grid
                    .correlation
                    .iter()
                    .map(|row| row.map(Some).to_vec())
                    .collect(),
            });
        }
        section.define(self_test::DEFINITIONS)
    }
}
