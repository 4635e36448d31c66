//! The figures of an evaluation, with their definitions on hover.

use egui::Ui;
use umbra_core::eval::{self, Figures};

use crate::state::catalogue::Evaluation;
use crate::theme::{self, Theme};
use crate::widgets::number;
use crate::widgets::parts::fact_ui;
use crate::words;

/// Draws the figures and what text they are over.
pub(super) fn figures_ui(ui: &mut Ui, evaluation: &Evaluation) {
    for (label, value, key) in rows(&evaluation.figures) {
        fact_ui(ui, label, &value, definition(key));
    }
    let device = match evaluation.device.as_str() {
        "" => String::new(),
        device => format!(", computed on {device}"),
    };
    let over = format!(
        "Means over {} tokens of {}, {}{device}",
        number::count(evaluation.figures.tokens),
        evaluation.text,
        words::said(&(evaluation.figures.positions).said(evaluation.figures.left_out))
    );
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(egui::Label::new(theme::caption(over).color(secondary)).wrap());
}

/// Label, value and key of each figure, in the order shown.
fn rows(figures: &Figures) -> Vec<(&'static str, String, &'static str)> {
    let mut rows = vec![
        ("L0", number::number(figures.l0), "l0"),
        ("FVU", number::number(figures.fvu), "fvu"),
        (
            "CE recovered, zero",
            number::number(figures.ce_recovered_zero),
            "ce_recovered_zero",
        ),
        (
            "CE recovered, mean",
            number::number(figures.ce_recovered_mean),
            "ce_recovered_mean",
        ),
        (
            "CE clean → spliced",
            format!(
                "{} → {}",
                number::number(figures.ce_clean),
                number::number(figures.ce_sae)
            ),
            "ce_sae",
        ),
        (
            "Dead",
            number::percent(figures.dead_fraction),
            "dead_fraction",
        ),
        (
            "Rare",
            number::percent(figures.rare_fraction),
            "rare_fraction",
        ),
    ];
    if let Some(near) = figures.nearness {
        let value = number::number;
        rows.extend([
            ("KL, clean and spliced", value(near.kl_sae), "kl_sae"),
            ("Cosine", value(near.cosine), "cosine"),
            ("L2 ratio", value(near.l2_ratio), "l2_ratio"),
            (
                "Explained variance",
                value(near.explained_variance),
                "explained_variance",
            ),
            (
                "Explained variance by token",
                value(near.explained_variance_legacy),
                "explained_variance_legacy",
            ),
        ]);
    }
    if let Some(pair) = figures.pair {
        let value = number::number;
        rows.extend([
            ("FVU, parent alone", value(pair.fvu_parent), "fvu_parent"),
            ("FVU, with the parent", value(pair.fvu_pair), "fvu_pair"),
            ("CE, parent alone", value(pair.ce_parent), "ce_parent"),
            ("CE, with the parent", value(pair.ce_pair), "ce_pair"),
        ]);
    }
    rows
}

/// Returns the definition of a figure.
fn definition(key: &str) -> &'static str {
    words::defined(eval::DEFINITIONS, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_shown_is_defined() {
        let figures = Figures {
            l0: 1.0,
            fvu: 0.1,
            dead_fraction: 0.0,
            rare_fraction: 0.0,
            ce_clean: 1.0,
            ce_sae: 1.1,
            ce_zero: 5.0,
            ce_mean: 4.0,
            ce_recovered_zero: 0.97,
            ce_recovered_mean: 0.96,
            tokens: 1,
            positions: umbra_core::corpus::Positions::Text,
            left_out: Some(0),
            nearness: Some(eval::Nearness {
                kl_sae: 0.1,
                cosine: 0.9,
                l2_ratio: 0.95,
                explained_variance: 0.9,
                explained_variance_legacy: 0.89,
            }),
            pair: Some(eval::PairFigures {
                fvu_parent: 0.2,
                fvu_pair: 0.1,
                ce_parent: 1.2,
                ce_pair: 1.1,
            }),
        };
        for (label, _, key) in rows(&figures) {
            assert!(!definition(key).is_empty(), "{label} has no definition");
        }
    }
}
