//! Pursuit: how much of the error a better choice of features recovers.

mod lists;
#[cfg(test)]
mod tests;
mod token;

use egui::{Label, Ui};
use umbra_core::dark_matter::pursuit::{Comparison, DEFINITIONS, Method};

use super::super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::pursuit::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::pursuit::Command;
use crate::theme::{Hue, Theme, caption, space};
use crate::views::report;
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::number;
use crate::widgets::parts::fact_ui;

/// Largest width of the figures.
const FIGURES: f32 = 420.0;

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.pursuit.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let compared = state.dark_matter.pursuit.study.result(&id)?;
    Some(compared.conclusion.clone())
}

/// Draws the panel.
pub(super) fn pursuit_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let lab = &state.dark_matter.pursuit;
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    method_ui(ui, lab.method, commands);
    let offer = Offer {
        what: "Chooses as many features as the encoder, one by one, each the best for what is still missing, and compares them with the encoder's token by token.",
        cost: "It reads about 10\u{202F}000 tokens of the held-out text, and takes seconds for a small dictionary and minutes for a large one.",
        button: "Pursue",
        again: "Pursue again",
        job: &job(name),
    };
    if offer_ui(ui, state, &lab.study, &offer) {
        commands.send(Command::Compute(id));
    }
    if let Some(compared) = lab.study.result(&id) {
        ui.add_space(space::CONTROL);
        figures_ui(ui, &compared.comparison);
        ui.add_space(space::GROUP);
        lists::lists_ui(ui, state, (id, compared), commands);
        report::add_ui(ui, commands, || compared.comparison.section());
    }
    ui.add_space(space::GROUP);
    token::token_ui(ui, state, id, commands);
}

fn method_ui(ui: &mut Ui, chosen: Method, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        for method in Method::ALL {
            let label = ui.selectable_label(chosen == method, method.title());
            if label.on_hover_text(method.explained()).clicked() && chosen != method {
                commands.send(Command::Use(method));
            }
        }
    });
}

/// Definition of a figure.
fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}

/// FVU of both codes, and how they differ.
fn figures_ui(ui: &mut Ui, of: &Comparison) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let width = ui.available_width().min(FIGURES);
    ui.scope(|ui| {
        ui.set_max_width(width);
        let bars = [
            Bar::new("Encoder", of.fvu_encoder).hover(definition("fvu_encoder")),
            Bar::new(of.settings.method.title(), of.fvu_pursuit).hover(definition("fvu_pursuit")),
        ];
        ui.label(caption("FVU").color(secondary))
            .on_hover_text(definition("fvu_encoder"));
        Bars::new("FVU by code", &bars, Fill::Hue(Hue::Error))
            .definition(definition("fvu_encoder"))
            .show(ui);
        let l0 = format!("{:.1} → {:.1}", of.l0, of.l0_pursuit);
        let facts = [
            ("L0, encoder and pursuit", l0, "l0_pursuit"),
            (
                "Features in common (Jaccard)",
                number::percent(of.jaccard),
                "jaccard",
            ),
            (
                "Tokens where pursuit is worse",
                number::percent(of.worse),
                "worse",
            ),
            (
                "Tokens worse by more than 1\u{202F}%",
                number::percent(of.clearly_worse),
                "clearly_worse",
            ),
        ];
        for (label, value, key) in facts {
            fact_ui(ui, label, &value, definition(key));
        }
        let over = format!("{} of held-out text", number::counted(of.tokens, "token"));
        for words in std::iter::once(over).chain(of.note().map(|note| format!("{note}."))) {
            ui.add(Label::new(caption(words).color(secondary)).wrap());
        }
    });
}
