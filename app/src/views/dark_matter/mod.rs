//! The dark matter lab: the part of each activation that the dictionary leaves unexplained, one question a panel.

mod back;
mod cost;
mod depth;
mod fit;
mod ladder;
mod linear;
mod missing;
pub(crate) mod panel;
mod panels;
mod places;
mod questions;
mod self_test;
mod settings;
#[cfg(test)]
mod tests;

use egui::{Label, RichText, ScrollArea, Ui};

use self::questions::Answered;
use super::missing::misfit_ui;
use super::view::View;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::dark_matter::question::Question;
use crate::state::dark_matter::study::Study;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, icons, panel_title, space};
use crate::widgets::empty_state::empty_state;
use crate::widgets::scroll::scroll_ui;

/// Width from which the questions stand beside the panel.
const BESIDE: f32 = 820.0;

/// The dark matter lab: the part of each activation that the dictionary leaves unexplained.
#[derive(Debug, Default)]
pub(crate) struct DarkMatterView {
    places: places::Panel,
    ladder: ladder::Panel,
}

impl View for DarkMatterView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let Some(dictionary) = state.dictionary() else {
            let sentence = "This screen takes apart what a dictionary leaves unexplained: how much it is, where, why, and what it costs.";
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
        let id = dictionary.id;
        ask(state, id, commands);
        let questions = Question::ALL.map(|question| (question, answer(state, id, question)));
        let shown = state.selection.question;
        let unanswered = Question::ALL.map(|question| unanswered(state, question));
        if ui.available_width() < BESIDE {
            questions::tabs_ui(ui, &questions, shown, commands);
            ui.add_space(space::CONTROL);
            return self.panel_ui(ui, state, (id, &questions), commands);
        }
        let height = ui.available_height();
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            ui.vertical(|ui| {
                ui.set_width(questions::LIST);
                ui.set_height(height);
                let area = ScrollArea::vertical().auto_shrink([false, true]);
                scroll_ui(ui, "dark matter questions", area, |ui| {
                    questions::list_ui(ui, (&questions, &unanswered), shown, commands);
                });
            });
            ui.vertical(|ui| {
                ui.set_height(height);
                self.panel_ui(ui, state, (id, &questions), commands);
            });
        });
    }

    fn least(&self) -> egui::Vec2 {
        egui::vec2(400.0, 160.0) // it scrolls by itself
    }
}

impl DarkMatterView {
    /// Draws the panel of the question that is shown: its title, its answer, and what the answer rests on.
    fn panel_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (id, questions): (DictionaryId, &[Answered]),
        commands: &mut Commands,
    ) {
        let shown = state.selection.question;
        let answer = questions.iter().find(|(question, _)| *question == shown);
        let area = ScrollArea::vertical().id_salt(shown.title());
        scroll_ui(ui, shown.title(), area.auto_shrink(false), |ui| {
            ui.label(panel_title(shown.title()));
            if let Some((_, Some(answer))) = answer {
                ui.add(Label::new(answer).wrap().selectable(true));
            }
            ui.add_space(space::CONTROL);
            match shown {
                Question::Missing => missing::missing_ui(ui, state, id, commands),
                Question::Places => self.places.ui(ui, state, commands),
                Question::Linear => linear::linear_ui(ui, state, id, commands),
                Question::Ladder => self.ladder.ui(ui, state, id, commands),
                Question::Cost => cost::splice_ui(ui, state, id, commands),
                Question::Back => back::back_ui(ui, state, id, commands),
            }
        });
    }
}

/// Asks for everything that is kept with the project.
fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    fit::ask(state, id, commands);
    depth::ask(state, commands);
    places::offer::ask(state, id, commands);
    ladder::ask(state, id, commands);
    cost::ask(state, id, commands);
    self_test::ask(state, id, commands);
    back::ask(state, id, commands);
}

/// Says why a question has no answer yet.
fn unanswered(state: &AppState, question: Question) -> &'static str {
    let lab = &state.dark_matter;
    let standing = |is_computing: bool, is_sought: bool| {
        if is_computing {
            "Computing…"
        } else if is_sought {
            panel::LOOKING
        } else {
            "Not computed yet"
        }
    };
    match question {
        Question::Missing | Question::Linear => {
            let is_fitting = fit::is_fitting(state);
            let is_asked = lab.fit.of.is_some() || !panel::can_keep(state);
            standing(is_fitting, lab.fit.probe.is_loading() || !is_asked)
        }
        Question::Places => study(state, &lab.places.study, standing),
        Question::Ladder => study(state, &lab.ladder.study, standing),
        Question::Cost => study(state, &lab.splice.study, standing),
        Question::Back => {
            let [pursuit, predict] = [&lab.pursuit.study.making, &lab.predict.study.making];
            let is_computing = pursuit.is_loading() || predict.is_loading();
            let is_sought = panel::is_sought(state, &lab.pursuit.study)
                || panel::is_sought(state, &lab.predict.study);
            standing(is_computing, is_sought)
        }
    }
}

fn study<T>(
    state: &AppState,
    study: &Study<T>,
    standing: impl Fn(bool, bool) -> &'static str,
) -> &'static str {
    standing(study.making.is_loading(), panel::is_sought(state, study))
}

/// Returns the answer to a question in one sentence, once it is known.
fn answer(state: &AppState, id: DictionaryId, question: Question) -> Option<String> {
    let answer = match question {
        Question::Missing => missing::answer(state, id),
        Question::Places => places::answer(state, id),
        Question::Linear => linear::answer(state, id),
        Question::Ladder => ladder::answer(state, id),
        Question::Cost => cost::answer(state, id),
        Question::Back => back::answer(state, id),
    };
    answer.map(|words| words.replace(" %", "\u{202F}%")) // no line begins with a percent sign
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
