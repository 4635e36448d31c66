//! The next token by both models: at the prompt's end, at a token of the steered text that was clicked, and on average along it.

use egui::{Button, Ui};
use umbra_core::steer::{Change, GENERATED_KL, KL, Stream};

use super::texts::figure_ui;
use crate::state::steering::Run;
use crate::theme::{Theme, caption, panel_title, space};
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::number;
use crate::words::said;

/// Name of the table.
const NAME: &str = "steering next token";

/// Height of the table.
pub(super) const TABLE: f32 = 11.0 * space::TABLE_ROW;

const COLUMNS: [Column<'_>; 4] = [
    Column::text("token", "Token")
        .always()
        .fills()
        .width(72.0, 120.0)
        .definition(
            "Token that could come next; the ones whose probability changes most are listed",
        ),
    Column::number("before", "Untouched")
        .width(76.0, 92.0)
        .definition("Its probability by the model without edits, which reads the same text"),
    Column::number("after", "With edits")
        .width(76.0, 92.0)
        .definition("Its probability by the model with the edits"),
    Column::number("change", "Change")
        .unit("pp")
        .width(76.0, 92.0)
        .definition("Second probability less the first, in percentage points"),
];

/// Place whose next token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// The prompt's end.
    #[default]
    End,
    /// A token of a steered text, which was drawn there: sample and index.
    At(usize, usize),
    /// Mean along the first steered text.
    Along,
}

/// Table of the next token.
#[derive(Debug, Default)]
pub(super) struct Next {
    place: Place,
    /// The token that was clicked in the previous frame.
    clicked: Option<(usize, usize)>,
    selection: Selection,
}

impl Next {
    /// Draws the table; `chosen` is the token that a person clicked.
    pub(super) fn ui(&mut self, ui: &mut Ui, run: &Run, chosen: Option<(usize, usize)>) {
        if self.clicked != chosen {
            self.clicked = chosen;
            self.place = chosen.map_or(Place::End, |(sample, at)| Place::At(sample, at));
        }
        ui.label(panel_title("Next token"));
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CHIP;
            let mut places = vec![(Place::End, "At the prompt's end".to_owned())];
            if let Some((sample, at)) = chosen {
                let tokens = &run.samples.get(sample).map(|pair| &pair[1].tokens);
                let token = tokens.and_then(|tokens| tokens.get(at));
                let words = token.map_or(String::new(), |token| token.piece.replace('\n', "⏎"));
                places.push((Place::At(sample, at), format!("In place of “{words}”")));
            }
            places.push((Place::Along, "Mean along the text".to_owned()));
            for (place, title) in places {
                let button = Button::selectable(self.place == place, title);
                if ui.add(button).clicked() {
                    self.place = place;
                }
            }
        });
        let Some((changes, kl)) = self.found(run) else {
            let words = "Here once the text is written";
            ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
            return;
        };
        let definition = match self.place {
            Place::Along => said(GENERATED_KL),
            Place::End => said(KL),
            Place::At(..) => said(KL)
                .replace("at the prompt's end", "at this token")
                .into(),
        };
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CHIP;
            figure_ui(ui, "KL", &definition, kl, "nats");
            if self.place == Place::Along {
                let of =
                    number::counted(run.text(0, Stream::Steered).measures.len() as u64, "token");
                let words = format!("mean over {of}");
                ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
            }
        });
        let sort = grid::sort(ui.ctx(), NAME);
        let order = grid::order(changes.len(), sort.as_ref(), |at, column| {
            value(&changes[at], column)
        });
        let mut rows = Shown {
            changes: order.into_iter().map(|at| &changes[at]).collect(),
        };
        let grid = Grid::new(NAME, &COLUMNS).title("Next token").most(TABLE);
        grid.show(ui, &mut rows, &mut self.selection);
    }

    /// Returns the changes and the divergence at the place, if they are known.
    fn found<'r>(&self, run: &'r Run) -> Option<(&'r [Change], Option<f64>)> {
        match self.place {
            Place::End => (!run.shift.is_empty()).then_some((run.shift.as_slice(), run.kl)),
            Place::At(sample, at) => {
                let measure = run.samples.get(sample)?[1].measures.get(at)?;
                Some((measure.shift.as_slice(), Some(measure.kl)))
            }
            Place::Along => {
                let changes = run.along.first()?;
                let kls = run.text(0, Stream::Steered).measures.iter().map(|m| m.kl);
                let (sum, many) = kls.fold((0.0, 0), |(sum, n), kl| (sum + kl, n + 1));
                let kl = (many > 0).then(|| sum / f64::from(many));
                Some((changes.as_slice(), kl))
            }
        }
    }
}

/// Returns the exact value of a cell.
fn value(change: &Change, column: &str) -> Value {
    let (before, after) = (f64::from(change.before), f64::from(change.after));
    match column {
        "token" => change.text.as_str().into(),
        "before" => before.into(),
        "after" => after.into(),
        _ => (100.0 * (after - before)).into(),
    }
}

/// Rows of the table.
struct Shown<'a> {
    changes: Vec<&'a Change>,
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.changes.len()
    }

    fn key(&self, row: usize) -> u64 {
        u64::from(self.changes[row].id.0)
    }

    fn words(&self, row: usize) -> String {
        let change = self.changes[row];
        let p = |p: f32| number::percent(f64::from(p));
        let text = change.text.trim().replace('\n', "⏎");
        format!("{text}, {} → {}", p(change.before), p(change.after))
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.changes[row], column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        let change = self.changes[row];
        let (before, after) = (f64::from(change.before), f64::from(change.after));
        match column {
            "token" => format!("“{}”", change.text.replace('\n', "⏎")),
            "before" => number::percent(before),
            "after" => number::percent(after),
            _ => number::signed(100.0 * (after - before)),
        }
    }
}
