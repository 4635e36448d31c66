//! The survey behind the map: of which text it is, how one is asked for, how a new one stands.

use egui::{Label, RichText, Ui};

use crate::state::requests::Commands;
use crate::state::requests::heads::survey::Command;
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, icons, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number;

/// Words of the button.
const ASK: &str = "Survey the heads…";

/// Draws what stands in the place of a survey: how it is being made or read, why it is refused, and the way to make one.
pub(super) fn offer_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let survey = &state.heads.survey;
    if survey.making.is_loading() {
        ui.label(
            RichText::new("Surveying the heads; progress stands in the job strip").color(secondary),
        );
        return;
    }
    if let Load::Failed(why) = &survey.making {
        failure_line(ui, "The survey failed", why);
    }
    match &survey.load {
        Load::Failed(why) => {
            ui.horizontal_top(|ui| {
                ui.label(theme::icon(icons::WARNING).color(Theme::from_ui(ui).warning));
                ui.add(Label::new(why.as_str()).wrap());
            });
        }
        Load::Loading => {
            ui.label(RichText::new("Reading the survey…").color(secondary));
            return;
        }
        Load::Absent | Load::Ready(_) => {
            let words = "A survey reads text once and measures what every head attends to: previous, first and duplicate tokens, induction, and more.";
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        }
    }
    ui.horizontal_wrapped(|ui| {
        if ui.button(ASK).clicked() {
            commands.send(Command::Ask);
        }
        if state.sentence().is_some() {
            let words = "until then, the map shows the sentence in Prompt alone";
            ui.label(caption(words).color(secondary));
        }
    });
    ui.add_space(space::CONTROL);
}

/// Draws the text of the survey, and the way to a new one.
pub(super) fn about_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let Some(kept) = state.heads.survey.load.ready() else {
        return;
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    let tokens = number::count(kept.survey.tokens);
    let mut words = format!("Surveyed on {tokens} tokens of {}", kept.text);
    if let Some(causal) = kept.survey.causal {
        let rows = number::count(causal.rows);
        words = format!("{words}; each head ablated on {rows} rows");
    }
    ui.add(Label::new(caption(words).color(secondary)).wrap());
    if state.heads.survey.making.is_loading() {
        ui.label(caption("surveying anew…").color(secondary));
    } else if ui.button("Survey again…").clicked() {
        commands.send(Command::Ask);
    }
    if let Load::Failed(why) = &state.heads.survey.making {
        failure_line(ui, "The new survey failed", why);
    }
}
