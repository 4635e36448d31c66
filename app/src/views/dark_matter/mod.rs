//! The dark matter lab: the part of each activation that the dictionary leaves unexplained.

mod largest;
mod panels;
mod profile;
#[cfg(test)]
mod tests;
mod text;

use egui::{Button, RichText, ScrollArea, Ui};

use super::missing::misfit_ui;
use super::view::View;
use crate::state::catalogue::Dictionary;
use crate::state::dark_matter::{Key, Passage};
use crate::state::requests::{Commands, dark_matter, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icons, space};
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::grid::Selection;
use crate::widgets::scroll::scroll_ui;

/// Width from which the table of the largest errors stands beside the text.
const BESIDE: f32 = 1000.0;

/// Width of that table.
const LARGEST: f32 = 360.0;

/// Rows of that table without scrolling at least.
const LEAST: f32 = 10.0;

/// Norm that colours the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    /// ‖x − x̂‖.
    #[default]
    Total,
    /// The part that the probe predicts.
    Linear,
    /// The rest.
    Nonlinear,
}

/// The dark matter lab: the part of each activation that the dictionary leaves unexplained.
#[derive(Debug, Default)]
pub(crate) struct DarkMatterView {
    part: Part,
    token: Option<usize>,
    /// The row of the table of largest errors.
    largest: Selection,
}

impl View for DarkMatterView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let Some(dictionary) = state.dictionary() else {
            let sentence = "This screen shows a dictionary's error token by token, and how much of it is linear.";
            if empty_state(ui, icons::PLANET, sentence, Some("Open a dictionary")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
            return;
        };
        if let Some(why) = state.misfit() {
            return misfit_ui(ui, state, &format!("{why}."), commands);
        }
        if let Some(sentence) = missing(state, dictionary) {
            ui.label(RichText::new(sentence).color(Theme::from_ui(ui).ink.secondary));
            return;
        }
        ask(state, dictionary, commands);
        let area = ScrollArea::vertical().auto_shrink(false);
        scroll_ui(ui, "dark matter", area, |ui| {
            probe_ui(ui, state, dictionary, commands);
            ui.add_space(space::GROUP);
            text::text_ui(ui, state, commands);
            ui.add_space(space::CONTROL);
            self.errors_ui(ui, state, commands);
        });
    }

    fn least(&self) -> egui::Vec2 {
        egui::vec2(400.0, 160.0) // it scrolls by itself
    }
}

impl DarkMatterView {
    fn errors_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let lab = &state.dark_matter;
        match &lab.errors {
            Load::Absent => {}
            Load::Loading => {
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.label(RichText::new("Reading the text…").color(secondary));
            }
            Load::Failed(why) => failure_line(ui, "Could not decompose the error", why),
            Load::Ready(errors) => {
                let sentence = lab.held_out_row.is_none();
                let token = if sentence {
                    state.selection.token
                } else {
                    self.token
                };
                let split = lab.errors_of.as_ref().is_some_and(|key| key.split);
                let shown = text::Shown {
                    errors,
                    split,
                    token: token.filter(|token| *token < errors.texts.len()),
                };
                let chosen = self.split_ui(ui, &shown);
                if let Some(token) = chosen {
                    if sentence {
                        commands.send(navigation::Command::SelectToken(Some(token)));
                    } else {
                        self.token = Some(token);
                    }
                }
            }
        }
    }
}

impl DarkMatterView {
    /// Text and, where there is room, the table of the largest errors beside it; returns the token that was chosen.
    fn split_ui(&mut self, ui: &mut Ui, shown: &text::Shown<'_>) -> Option<usize> {
        let all = ui.available_width();
        if all < BESIDE {
            return text::errors_ui(ui, shown, &mut self.part);
        }
        let height = ui.clip_rect().bottom() - ui.cursor().top() - 2.0 * space::CONTROL_ROW;
        let height = height.max(LEAST * space::TABLE_ROW);
        let mut chosen = None;
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            ui.vertical(|ui| {
                ui.set_width(all - LARGEST - space::GROUP);
                chosen = text::errors_ui(ui, shown, &mut self.part);
            });
            ui.vertical(|ui| {
                ui.set_width(LARGEST);
                ui.label(body_strong("Largest errors"));
                let place = (&mut self.largest, height);
                chosen = largest::largest_ui(ui, shown, self.part, place).or(chosen);
            });
        });
        chosen
    }
}

/// Names what the lab waits for, if anything.
fn missing(state: &AppState, dictionary: &Dictionary) -> Option<String> {
    match (&state.catalogue.model, &dictionary.load) {
        (Load::Ready(_), Load::Ready(_)) => None,
        (Load::Failed(why), _) => Some(format!("The model did not load: {why}")),
        (_, Load::Failed(why)) => Some(format!("{} did not load: {why}", dictionary.name)),
        (Load::Absent, _) if state.catalogue.model_path.is_none() => {
            Some("Open the model of this dictionary in Library".to_owned())
        }
        _ => Some("Loading…".to_owned()),
    }
}

/// Asks for everything that the screen shows and that was not requested yet.
fn ask(state: &AppState, dictionary: &Dictionary, commands: &mut Commands) {
    let lab = &state.dark_matter;
    if lab.probe_of != Some(dictionary.id) {
        commands.send(dark_matter::Command::Look(dictionary.id));
        return;
    }
    if lab.held_out_row.is_some() && lab.held_out.is_absent() {
        commands.send(dark_matter::Command::ReadHeldOut);
    }
    if let Some(key) = wanted(state, dictionary)
        && lab.errors_of.as_ref() != Some(&key)
        && !lab.probe.is_loading()
    {
        commands.send(dark_matter::Command::TakeApart(key));
    }
}

/// Returns the passage to decompose.
fn wanted(state: &AppState, dictionary: &Dictionary) -> Option<Key> {
    let lab = &state.dark_matter;
    let passage = match lab.held_out_row {
        Some(row) => {
            lab.held_out.ready()?;
            Passage::HeldOut(row)
        }
        None => Passage::Sentence(state.prompt.input()?),
    };
    Some(Key {
        dictionary: dictionary.id,
        passage,
        split: lab.probe.ready().is_some(),
    })
}

/// The figures of the probe, or what there is instead.
fn probe_ui(ui: &mut Ui, state: &AppState, dictionary: &Dictionary, commands: &mut Commands) {
    let lab = &state.dark_matter;
    let secondary = Theme::from_ui(ui).ink.secondary;
    let fit = |ui: &mut Ui, commands: &mut Commands, words: &str| {
        let help = "Predicts the error from the activation by least squares on the training text, measures on held-out text, and saves the result with the project";
        if ui.add(Button::new(words)).on_hover_text(help).clicked() {
            commands.send(dark_matter::Command::Fit(dictionary.id));
        }
    };
    match &lab.probe {
        Load::Ready(probe) => {
            panels::panels_ui(ui, probe, dictionary.evaluation.ready());
            ui.horizontal_wrapped(|ui| {
                ui.label(caption(panels::basis(probe)).color(secondary));
                fit(ui, commands, "Fit again");
            });
        }
        Load::Loading => {
            ui.label(RichText::new("Fitting the probe…").color(secondary));
        }
        Load::Absent => {
            let sentence = "No linear probe is fitted for this dictionary yet, so only the total error is known.";
            ui.label(RichText::new(sentence).color(secondary));
            fit(ui, commands, "Fit probe");
        }
        Load::Failed(why) => {
            failure_line(ui, "The probe cannot be used", why);
            fit(ui, commands, "Fit probe");
        }
    }
}
