//! How often features fire: by rank beside the fitted Zipf law, and as a histogram.

use egui::{Button, DragValue, Label, Role, Slider, Ui, WidgetInfo, vec2};

use super::curves::columns;
use crate::state::training::Ranking;
use crate::theme::{Theme, caption, icons, space};
use crate::widgets::legend;
use crate::widgets::number;
use crate::widgets::rank_plot::RankPlot;

/// Height of one plot.
const PLOT: f32 = 200.0;

/// Length of the slider.
const SLIDER: f32 = 160.0;

/// Share of the law's density below which features are marked.
#[derive(Debug, Default)]
pub(super) struct Firing {
    /// τ; none: as the run's training has it.
    tau: Option<f64>,
}

impl Firing {
    /// Draws both; a sentence before the run has told.
    pub(super) fn ui(&mut self, ui: &mut Ui, ranking: Option<&Ranking>) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let Some(ranking) = ranking else {
            let words = "Densities by rank appear after the first 1 % of the run";
            ui.label(caption(words).color(secondary));
            return;
        };
        let tau = self.tau.unwrap_or(ranking.tau);
        let (columns, width) = columns(ui);
        let rank = |ui: &mut Ui| rank_ui(ui, ranking, tau);
        let histogram = |ui: &mut Ui| histogram_ui(ui, ranking);
        let plots: [&dyn Fn(&mut Ui); 2] = [&rank, &histogram];
        for row in plots.chunks(columns) {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = space::GROUP;
                for plot in row {
                    plot_ui(ui, width, plot);
                }
            });
        }
        if ranking.law.is_some() {
            self.tau_ui(ui, ranking);
        }
    }

    /// Draws the control for τ and the number of features below it.
    fn tau_ui(&mut self, ui: &mut Ui, ranking: &Ranking) {
        let mut tau = self.tau.unwrap_or(ranking.tau);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            let label = ui.label("τ").on_hover_text(TAU);
            ui.spacing_mut().slider_width = SLIDER;
            let slider = Slider::new(&mut tau, 0.0..=1.0)
                .step_by(0.01)
                .show_value(false);
            let moved = ui.add(slider).labelled_by(label.id).on_hover_text(TAU);
            let drag = DragValue::new(&mut tau).range(0.0..=1.0).speed(0.005);
            let drag = ui.add(drag.fixed_decimals(2)).labelled_by(label.id);
            if moved.changed() || drag.changed() {
                self.tau = Some(tau);
            }
            legend::mark(ui, Theme::from_ui(ui).series(1), &below(ranking, tau))
                .on_hover_text(BELOW);
            if self.tau.is_some_and(|tau| tau != ranking.tau) {
                let words = format!("Reset τ to {}", ranking.tau);
                let reset = Button::new(icons::ARROW_COUNTER_CLOCKWISE).frame(false);
                let response = ui.add(reset).on_hover_text(&words);
                response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &words));
                if response.clicked() {
                    self.tau = None;
                }
            }
        });
    }
}

/// Draws one of them, so wide.
fn plot_ui(ui: &mut Ui, width: f32, plot: &dyn Fn(&mut Ui)) {
    ui.allocate_ui(vec2(width, PLOT), |ui| {
        ui.set_width(width);
        ui.vertical(plot);
    });
}

fn title(ui: &mut Ui, words: &str, definition: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(caption(words).color(secondary))
        .on_hover_text(definition);
}

const DENSITY: &str = "Density: share of tokens on which a feature is active, a moving average over about the last hundred steps";

/// Definition of τ, for the hover.
const TAU: &str = "Features below this share of the law's density count as under-used. Changing it here only changes the marks; the training setting stays";

const BELOW: &str = "Features whose density is below τ times the law's density for their rank (crosses below the dashed line), including those that never fire; Mutual Choice and Feature Choice help them";

fn rank_ui(ui: &mut Ui, ranking: &Ranking, tau: f64) {
    let theme = Theme::from_ui(ui);
    title(ui, "Density by rank (share of tokens)", DENSITY);
    let plot = RankPlot {
        name: "Density by rank",
        points: &ranking.points,
        tau,
        height: PLOT - 20.0,
    };
    plot.ui(ui);
    legend::mark(ui, theme.series(0), &law(ranking)).on_hover_text(
        "Zipf law (rank + β)^−α, by least squares of the logarithms over the first 80 % of the ranks; R²: share of their variance that it explains",
    );
}

fn law(ranking: &Ranking) -> String {
    match ranking.law {
        Some((alpha, beta, r_squared)) => format!(
            "Zipf law, α {} · β {} · R² {}",
            number::number(alpha),
            number::number(beta),
            number::number(r_squared)
        ),
        None => "No Zipf fit: too few features fire".to_owned(),
    }
}

fn below(ranking: &Ranking, tau: f64) -> String {
    let below = ranking.below(tau);
    format!(
        "{} of {} features ({}) below {tau:.2} × the law",
        number::count(below as u64),
        number::count(ranking.features as u64),
        number::percent(below as f64 / ranking.features.max(1) as f64),
    )
}

fn histogram_ui(ui: &mut Ui, ranking: &Ranking) {
    title(ui, "Features by density (share of tokens)", DENSITY);
    let size = vec2(ui.available_width(), PLOT - 20.0);
    ranking.histogram.ui(ui, "Features by density", size);
    if ranking.silent > 0 {
        let words = format!(
            "{} have not fired yet but do not count as dead",
            number::count(ranking.silent as u64)
        );
        let text = caption(words).color(Theme::from_ui(ui).ink.secondary);
        ui.add(Label::new(text).wrap());
    }
}
