//! The logit lens as a table: layers downwards, positions across, each cell its layer's most likely next token.

use std::sync::Arc;

use egui::{RichText, Ui};
use umbra_core::lens::{Guess, Lens};

use crate::memo::Memo;
use crate::state::requests::{Commands, lens, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, caption, icons, mono_caption, size, space};
use crate::widgets::csv::Value;
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::token_grid::{Cells, TokenCell, TokenGrid};
use crate::widgets::{legend, number};

/// Meaning of the tints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tint {
    /// Probability of the cell's token.
    #[default]
    Probability,
    /// Probability of the text's next token.
    Actual,
    /// Entropy of the layer's prediction.
    Entropy,
    /// Divergence from the model's prediction.
    Kl,
}

impl Tint {
    const ALL: [Self; 4] = [Self::Probability, Self::Actual, Self::Entropy, Self::Kl];

    fn title(self) -> &'static str {
        match self {
            Self::Probability => "Probability",
            Self::Actual => "Text's next token",
            Self::Entropy => "Entropy",
            Self::Kl => "KL",
        }
    }

    /// Title with the unit, at the scale.
    fn scale(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Actual => "probability of the text's next token",
            Self::Entropy => "entropy (nats)",
            Self::Kl => "KL (nats)",
        }
    }

    fn definition(self) -> &'static str {
        match self {
            Self::Probability => {
                "The layer's probability of the token in the cell, its most likely one"
            }
            Self::Actual => "The layer's probability of the next token of the text",
            Self::Entropy => "−Σ p ln p of the layer's prediction: 0 where it is certain",
            Self::Kl => {
                "KL(model || layer): divergence of the layer's prediction from the model's; 0 in the last row"
            }
        }
    }

    /// No tint: no token follows.
    fn value(self, guess: &Guess) -> Option<f32> {
        match self {
            Self::Probability => guess.top.first().map(|next| next.probability),
            Self::Actual => guess.actual.map(|actual| actual.probability),
            Self::Entropy => Some(guess.entropy),
            Self::Kl => Some(guess.kl),
        }
    }
}

/// Row names and the end of the scale, made once per lens and tint.
#[derive(Debug, Default)]
struct Measured {
    rows: Vec<String>,
    most: f32,
}

/// The logit lens panel of Prompt.
#[derive(Debug, Default)]
pub(super) struct LensSide {
    tint: Tint,
    measured: Memo<(usize, Tint), Measured>,
    /// The token brought into view last.
    revealed: Option<usize>,
}

impl LensSide {
    /// Draws the table, or why there is none.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let Some(sentence) = state.sentence() else {
            return;
        };
        let of = state.lens.of.as_ref();
        let asked = of == Some(&sentence);
        if !asked && state.prompt.pause_left().is_none() {
            commands.send(lens::Command::Read);
        }
        match &state.lens.load {
            Load::Failed(why) if asked => {
                failure_line(ui, "Could not compute the logit lens", why);
                return;
            }
            Load::Absent if asked => {
                let words = "Computing the logit lens was stopped.";
                if empty_state(ui, icons::CURSOR_TEXT, words, Some("Compute it")) {
                    commands.send(lens::Command::Read);
                }
                return;
            }
            _ => {}
        }
        let Some(lens) = state.lens.shown(&sentence) else {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(RichText::new("Computing the logit lens…").color(secondary));
            return;
        };
        self.table_ui(ui, state, lens, commands);
    }

    fn table_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        lens: &Arc<Lens>,
        commands: &mut Commands,
    ) {
        self.tint_ui(ui);
        let tint = self.tint;
        let key = (Arc::as_ptr(lens) as usize, tint);
        let measured = self.measured.get(key, |_| measured(lens, tint));
        ui.horizontal_wrapped(|ui| {
            legend::sequential(ui, tint.scale(), Hue::Model, f64::from(measured.most));
            if lens.cut > 0 {
                cut_ui(ui, lens.tokens.len(), lens.cut);
            }
        });
        ui.add_space(space::CHIP);
        let last = lens.tokens.len().saturating_sub(1);
        let selected = state.selection.token.filter(|at| *at <= last);
        let grid = TokenGrid {
            name: "Logit lens",
            rows: &measured.rows,
            rows_title: "after layer",
            columns: &lens.texts,
            selected,
            reveal: selected.is_some() && self.revealed != selected,
            hue: Hue::Model,
            height: ui.available_height(),
        };
        self.revealed = selected;
        let shown = Shown {
            lens,
            rows: &measured.rows,
            tint,
            most: measured.most,
        };
        if let Some((_, at)) = grid.ui(ui, &shown) {
            self.revealed = Some(at);
            commands.send(navigation::Command::SelectToken(Some(at)));
        }
    }

    fn tint_ui(&mut self, ui: &mut Ui) {
        ui.horizontal_wrapped(|ui| {
            let help = "Logit lens: the model's final norm and unembedding applied to the residual stream after each layer. Each cell is the layer's most likely token after the column's token; the last row is the model's own prediction";
            ui.label(caption("Tint by").color(Theme::from_ui(ui).ink.secondary))
                .on_hover_text(help);
            for tint in Tint::ALL {
                let chosen = self.tint == tint;
                let label = ui.selectable_label(chosen, tint.title());
                if label.on_hover_text(tint.definition()).clicked() {
                    self.tint = tint;
                }
            }
        });
    }
}

/// Says what is left out.
pub(super) fn cut_ui(ui: &mut Ui, kept: usize, cut: usize) {
    let words = format!(
        "the first {} tokens; {} are not shown",
        number::count(kept as u64),
        number::count(cut as u64)
    );
    let help = "Those tokens are beyond the model's context or do not fit in memory. The tokens shown do not depend on them";
    ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary))
        .on_hover_text(help);
}

/// Row names, and the largest value of all cells: 1 for probabilities, so that sentences compare.
fn measured(lens: &Lens, tint: Tint) -> Measured {
    let rows = 0..lens.hooks.len();
    let cells = rows
        .clone()
        .flat_map(|row| (0..lens.tokens.len()).map(move |t| lens.guess(row, t)));
    let most = match tint {
        Tint::Probability | Tint::Actual => 1.0,
        Tint::Entropy | Tint::Kl => cells
            .filter_map(|guess| tint.value(guess))
            .fold(0.0, f32::max),
    };
    Measured {
        rows: rows.map(|row| lens.name(row)).collect(),
        most: if most > 0.0 { most } else { 1.0 },
    }
}

/// The lens as the grid asks for it.
struct Shown<'a> {
    lens: &'a Lens,
    rows: &'a [String],
    tint: Tint,
    most: f32,
}

impl Cells for Shown<'_> {
    fn cell(&self, row: usize, column: usize) -> TokenCell<'_> {
        let guess = self.lens.guess(row, column);
        TokenCell {
            text: guess.top.first().map_or("", |next| next.text.as_str()),
            share: self.tint.value(guess).unwrap_or(0.0) / self.most,
        }
    }

    fn words(&self, row: usize, column: usize) -> String {
        let place = format!("Layer {}, position {column}", self.rows[row]);
        match self.lens.guess(row, column).top.first() {
            Some(next) => {
                let share = number::percent(f64::from(next.probability));
                format!("{place}: {:?} {share}", next.text)
            }
            None => place,
        }
    }

    fn value(&self, row: usize, column: usize) -> Value {
        self.tint.value(self.lens.guess(row, column)).into()
    }

    fn definition(&self) -> &'static str {
        self.tint.definition()
    }

    fn card_ui(&self, ui: &mut Ui, row: usize, column: usize) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.spacing_mut().interact_size.y = size::PANEL; // lines of a caption, not rows of controls
        let guess = self.lens.guess(row, column);
        let after = self.lens.texts[column].replace('\n', "⏎");
        let of = if row == 0 {
            "The embedding".to_owned()
        } else {
            format!("Layer {}", self.rows[row])
        };
        ui.label(caption(format!("{of}, after “{after}”, position {column}")).color(secondary));
        egui::Grid::new("guesses")
            .num_columns(2)
            .spacing([space::GROUP, 2.0])
            .show(ui, |ui| {
                for next in &guess.top {
                    ui.label(mono_caption(format!("“{}”", next.text.replace('\n', "⏎"))));
                    let share = number::percent(f64::from(next.probability));
                    ui.label(mono_caption(share));
                    ui.end_row();
                }
            });
        if let Some(actual) = guess.actual {
            let next = self.lens.texts[column + 1].replace('\n', "⏎");
            let rank = number::count(actual.rank as u64);
            let share = number::percent(f64::from(actual.probability));
            let words = format!("the text's next, “{next}”: rank {rank}, {share}");
            ui.label(caption(words));
        }
        let (kl, entropy) = (f64::from(guess.kl), f64::from(guess.entropy));
        let words = format!(
            "KL to the model {} nats, entropy {} nats",
            number::number(kl),
            number::number(entropy)
        );
        ui.label(caption(words).color(secondary));
    }
}
