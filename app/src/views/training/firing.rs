//! How often features fire: by rank beside the fitted Zipf law, and as a histogram.

use egui::{Label, Ui, vec2};

use super::curves::columns;
use crate::state::training::Ranking;
use crate::theme::{Theme, caption, space};
use crate::widgets::legend;
use crate::widgets::number;
use crate::widgets::rank_plot::RankPlot;

/// Height of one plot.
const PLOT: f32 = 200.0;

/// Draws both; a sentence before the run has told.
pub(super) fn firing_ui(ui: &mut Ui, ranking: Option<&Ranking>) {
    let secondary = Theme::of(ui).ink.secondary;
    let Some(ranking) = ranking else {
        let words = "Densities by rank follow after the first hundredth of the run";
        ui.label(caption(words).color(secondary));
        return;
    };
    let (columns, width) = columns(ui);
    let plots: [fn(&mut Ui, &Ranking); 2] = [rank_ui, histogram_ui];
    for row in plots.chunks(columns) {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            for plot in row {
                ui.allocate_ui(vec2(width, PLOT), |ui| {
                    ui.set_width(width);
                    ui.vertical(|ui| plot(ui, ranking));
                });
            }
        });
    }
}

fn title(ui: &mut Ui, words: &str, definition: &str) {
    let secondary = Theme::of(ui).ink.secondary;
    ui.label(caption(words).color(secondary))
        .on_hover_text(definition);
}

const DENSITY: &str = "Density: share of tokens on which a feature is active, a moving average over about the last hundred steps";

fn rank_ui(ui: &mut Ui, ranking: &Ranking) {
    let theme = Theme::of(ui);
    title(ui, "Density by rank (share of tokens)", DENSITY);
    let plot = RankPlot {
        name: "Density by rank",
        points: &ranking.points,
        height: PLOT - 20.0,
    };
    plot.ui(ui);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        legend::mark(ui, theme.series(0), &law(ranking)).on_hover_text(
            "Zipf law (rank + β)^−α, by least squares of the logarithms over the first 80 % of the ranks; R²: share of their variance that it explains",
        );
        legend::mark(ui, theme.series(1), &under_used(ranking)).on_hover_text(
            "Features whose density is below τ times what the law gives their rank (crosses); Mutual Choice and Feature Choice help these",
        );
    });
}

fn law(ranking: &Ranking) -> String {
    match ranking.law {
        Some((alpha, beta, r_squared)) => format!(
            "Zipf law, α {} · β {} · R² {}",
            number::number(alpha),
            number::number(beta),
            number::number(r_squared)
        ),
        None => "No Zipf law: too few features fire".to_owned(),
    }
}

fn under_used(ranking: &Ranking) -> String {
    format!(
        "{} of {} below {} × the law",
        number::count(ranking.under_used as u64),
        number::count(ranking.features as u64),
        ranking.tau
    )
}

fn histogram_ui(ui: &mut Ui, ranking: &Ranking) {
    title(ui, "Features by density (share of tokens)", DENSITY);
    let size = vec2(ui.available_width(), PLOT - 20.0);
    ranking.histogram.ui(ui, "Features by density", size);
    if ranking.silent > 0 {
        let words = format!(
            "{} have not fired yet and do not count as dead",
            number::count(ranking.silent as u64)
        );
        let text = caption(words).color(Theme::of(ui).ink.secondary);
        ui.add(Label::new(text).wrap());
    }
}
