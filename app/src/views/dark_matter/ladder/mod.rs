//! Does more width help: the error of several dictionaries of one hook against their number of features, by cause and token by token.

mod figures;
mod rungs;
#[cfg(test)]
mod tests;
mod tokens;
mod train;
mod width;

use egui::{Label, RichText, Ui};
use umbra_core::dark_matter::ladder::{DEFINITIONS, Ladder, Rung};

use super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::ladder::{candidates, chosen, differs, job};
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::ladder::Command;
use crate::theme::{Theme, body_strong, caption, space};
use crate::views::report;
use crate::widgets::number;

/// The panel: what is shown of the result.
#[derive(Debug, Default)]
pub(super) struct Panel {
    figures: figures::Choice,
    tokens: tokens::Choice,
}

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.ladder.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let ladder = state.dark_matter.ladder.study.result(&id)?;
    Some(format!("{}.", ladder.conclusion()))
}

impl Panel {
    /// Draws the panel.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        id: DictionaryId,
        commands: &mut Commands,
    ) {
        let ladder = state.dark_matter.ladder.study.result(&id);
        let all = candidates(state, id);
        if all.len() < 2 && ladder.is_none() {
            let words = "This hook has one dictionary in the project. A ladder compares two widths or more, and a power law takes four.";
            let ink = Theme::from_ui(ui).ink.secondary;
            ui.add(Label::new(RichText::new(words).color(ink)).wrap());
            ui.add_space(space::CONTROL);
            return train::train_ui(ui, state, id, commands);
        }
        rungs::choice_ui(ui, state, (id, &all), commands);
        let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
        let cost = cost(state, chosen(state, id).len());
        let offer = Offer {
            what: "Compares the dictionaries of this hook on the same tokens: error by number of features, the power law that it follows, and how far the error of one dictionary predicts that of another.",
            cost: &cost,
            button: "Compare widths",
            again: "Compare again",
            job: &job(name),
        };
        if offer_ui(ui, state, &state.dark_matter.ladder.study, &offer) {
            commands.send(Command::Compute(id));
        }
        if let Some(words) = differs(state, id) {
            let warning = caption(words).color(Theme::from_ui(ui).warning);
            ui.add(Label::new(warning).wrap());
        }
        if let Some(ladder) = ladder {
            self.result_ui(ui, ladder);
            report::add_ui(ui, commands, || ladder.section());
        }
        section(ui, "More widths");
        train::train_ui(ui, state, id, commands);
    }

    fn result_ui(&mut self, ui: &mut Ui, ladder: &Ladder) {
        notes_ui(ui, ladder);
        section(ui, "Error by width");
        width::width_ui(ui, ladder);
        section(ui, "Dictionaries of the ladder");
        rungs::table_ui(ui, ladder);
        section(ui, "Does the error of one width predict that of another?");
        figures::matrix_ui(ui, ladder, &mut self.figures);
        if !ladder.passages.is_empty() {
            section(ui, "Error token by token");
            tokens::tokens_ui(ui, ladder, &mut self.tokens);
        }
        section(ui, "Figures over width and L0");
        figures::over_ui(ui, ladder, &mut self.figures);
        basis_ui(ui, ladder);
    }
}

/// Says what the comparison reads, before it is started.
fn cost(state: &AppState, dictionaries: usize) -> String {
    let most = number::count(umbra_core::workbench::ladder::MEASURED as u64);
    let fitted = state.project.open().is_some_and(|project| {
        umbra_core::workbench::text::TextRequest::training_of(project).is_some()
    });
    let fit = if fitted {
        "reads the training text once to fit the linear parts, then "
    } else {
        ""
    };
    format!(
        "The model {fit}reads up to {most} held-out tokens once for all {dictionaries} dictionaries. Each adds one encoding and one decoding of every token."
    )
}

/// Draws what qualifies the figures.
fn notes_ui(ui: &mut Ui, ladder: &Ladder) {
    let theme = Theme::from_ui(ui);
    for note in ladder.notes().iter() {
        let words = caption(format!("{note}.")).color(theme.ink.secondary);
        ui.add(Label::new(words).wrap());
    }
}

/// Says what the figures are measured on.
fn basis_ui(ui: &mut Ui, ladder: &Ladder) {
    let fitted = ladder.fit_tokens.map_or(String::new(), |tokens| {
        format!(
            "; linear parts fitted on {} tokens of the training text",
            number::count(tokens)
        )
    });
    let words = format!(
        "Measured on {} held-out tokens of {}{fitted}; intervals of 95 % over {}.",
        number::count(ladder.tokens),
        ladder.hook,
        ladder.blocks
    );
    ui.add_space(space::CONTROL);
    let words = caption(words).color(Theme::from_ui(ui).ink.secondary);
    ui.add(Label::new(words).wrap());
}

/// Names the dictionaries in little room: by their numbers of features where these differ.
fn short_names(ladder: &Ladder) -> Vec<String> {
    let mut widths: Vec<usize> = ladder.rungs.iter().map(|rung| rung.features).collect();
    widths.sort_unstable();
    widths.dedup();
    let by_width = widths.len() == ladder.rungs.len();
    let name = |rung: &Rung| {
        if by_width {
            number::count(rung.features as u64)
        } else {
            rung.name.clone()
        }
    };
    ladder.rungs.iter().map(name).collect()
}

fn section(ui: &mut Ui, title: &str) {
    ui.add_space(space::GROUP);
    ui.add(Label::new(body_strong(title)).wrap());
}

/// Returns the definition of a figure.
fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}
