//! A task with a known answer: how far the features of dictionaries approximate, control and explain the model on sentences with two names.

mod approximate;
mod control;
mod form;
mod inspector;
mod meaning;

use egui::{Label, RichText, Ui};
use umbra_core::tasks::test::{DEFINITIONS, Evaluation, Tested};
use umbra_core::workbench::answer_key;
use umbra_core::workbench::evaluate::task as core;

use crate::state::evaluation::task::{self, JOB};
use crate::state::jobs::Job;
use crate::state::requests::evaluation::task::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icons, space};
use crate::views::dark_matter::panel::LOOKING;
use crate::views::report;
use crate::widgets::empty_state::{empty_state, failure_line, failure_state};
use crate::widgets::form::{Part, main_button, reason, side_button, with_footer};

/// Said before there is a result.
const WHAT: &str = "“When Mary and John went to the garden, John gave a letter to” must go on with “ Mary”. Because the answer is known, three tests say what features are worth. Approximate: what is left of the answer with only the features in place, and with them taken out? Control: do a few exchanged features change the answer as another name would? Interpret: do single features mean one name or one order? Each dictionary stands beside one that was made from the right answers, the best that features can do.";

/// The panel: what is shown of the result.
#[derive(Debug, Default)]
pub(super) struct Panel {
    control: control::Choice,
    meaning: meaning::Choice,
    inspector: inspector::Choice,
}

impl Panel {
    /// Draws the panel.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        if !has_model_ui(ui, state, commands) {
            return;
        }
        let key = task::key(state);
        let area = &state.evaluation.task;
        if state.project.open().is_some() && area.study.of != key && !is_loading(state) {
            commands.send(Command::Look);
        }
        let mut draft = area.form.clone();
        let asked = task::chosen(state);
        with_footer(ui, "evaluation task", |ui, part| match part {
            Part::Content => {
                self.content_ui(ui, state, commands);
                ui.add_space(space::GROUP);
                form::form_ui(ui, state, &mut draft, commands);
            }
            Part::Footer => footer_ui(ui, state, asked.is_empty(), commands),
        });
        if draft != area.form {
            commands.send(Command::Form(Box::new(draft)));
        }
    }

    /// Draws the result, or says what there will be.
    fn content_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let study = &state.evaluation.task.study;
        if let Some(why) = study.making.failure() {
            failure_line(ui, "The last run failed", why);
        } else if study.is_stopped {
            let words = "The last run was stopped; nothing of it was kept.";
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        }
        let Some(found) = state.evaluation.task.result(state) else {
            let words = match &study.found {
                Load::Loading => LOOKING,
                Load::Failed(why) => {
                    return failure_line(ui, "The kept result cannot be used", why);
                }
                Load::Absent | Load::Ready(_) => WHAT,
            };
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
            return;
        };
        self.found_ui(ui, state, found, commands);
    }

    fn found_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Evaluation,
        commands: &mut Commands,
    ) {
        let theme = Theme::from_ui(ui);
        let baselines = task::baselines(state);
        let first = found.attributes.first().map_or("io", String::as_str);
        let conclusion = answer_key::conclusion(found, first, &baselines);
        let first = Label::new(body_strong(unbroken(&conclusion)));
        ui.add(first.wrap().selectable(true));
        let ability = unbroken(&core::ability(found));
        ui.add(Label::new(ability).wrap().selectable(true));
        for note in answer_key::notes(found) {
            let note = caption(format!("{}  {note}.", icons::WARNING)).color(theme.warning);
            ui.add(Label::new(note).wrap());
        }
        section(
            ui,
            "1  Approximate: how much of the answer do the features carry?",
        );
        approximate::bars_ui(ui, state, found, commands);
        section(
            ui,
            "2  Control: do a few exchanged features change the answer?",
        );
        self.control.ui(ui, state, found, commands);
        section(ui, "3  Interpret: do single features mean one thing?");
        self.meaning.ui(ui, state, found, commands);
        section(ui, "One edit, step by step");
        self.inspector.ui(ui, state, found, commands);
        ui.add_space(space::GROUP);
        let basis = caption(answer_key::basis(found)).color(theme.ink.secondary);
        ui.add(Label::new(basis).wrap());
        report::add_ui(ui, commands, || {
            let mut section = core::section(found);
            section.sentences.insert(0, conclusion);
            section
        });
    }
}

/// Whether the model is there; else says what is missing.
fn has_model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) -> bool {
    let go = navigation::Command::Go(ViewId::Library);
    match &state.catalogue.model {
        Load::Ready(_) => return true,
        Load::Failed(why) => {
            if failure_state(ui, "The model did not load", why, Some("Open the Library")) {
                commands.send(go);
            }
        }
        Load::Absent | Load::Loading if state.catalogue.model_path.is_some() => {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(RichText::new("Loading…").color(secondary));
        }
        Load::Absent | Load::Loading => {
            if empty_state(ui, icons::GAUGE, WHAT, Some("Open a model")) {
                commands.send(go);
            }
        }
    }
    false
}

/// Whether dictionaries are still being loaded, so that a kept result cannot be judged.
fn is_loading(state: &AppState) -> bool {
    let mut all = state.catalogue.dictionaries.iter();
    all.any(|one| one.load.is_loading() || one.load.is_absent())
}

fn footer_ui(ui: &mut Ui, state: &AppState, nothing: bool, commands: &mut Commands) {
    let area = &state.evaluation.task;
    if area.study.making.is_loading() {
        if side_button(ui, true, "Stop").clicked() {
            commands.send(Command::Stop);
        }
        let mut running = state.jobs.running();
        let standing = running.find(|job| job.name == JOB).and_then(Job::standing);
        reason(ui, &standing.unwrap_or_else(|| "Running…".to_owned()));
        return;
    }
    let refused = if state.project.open().is_none() {
        Some("Open or create a project first: the result is kept with it".to_owned())
    } else {
        area.form.request().err()
    };
    let words = if area.result(state).is_some() {
        "Run again"
    } else {
        "Run"
    };
    if main_button(ui, refused.is_none(), icons::PLAY, words).clicked() {
        commands.send(Command::Run);
    }
    if let Some(why) = refused {
        reason(ui, &why);
    } else if nothing {
        reason(
            ui,
            "No dictionary is chosen: only those made from the right answers are tested",
        );
    } else {
        let many = crate::widgets::number::counted(area.form.prompts as u64, "prompt");
        reason(
            ui,
            &format!("{many}: one half builds, the other half tests"),
        );
    }
}

fn section(ui: &mut Ui, title: &str) {
    ui.add_space(space::GROUP);
    ui.add(Label::new(body_strong(title)).wrap());
}

/// Keeps a percent sign on the line of its number.
fn unbroken(words: &str) -> String {
    words.replace(" %", "\u{202F}%")
}

/// Returns the definition of a figure.
fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}

/// Kind of a tested dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Made from the attributes of the prompts.
    Supervised,
    /// A dictionary of the project.
    Own,
    /// A baseline: random directions, a classical method.
    Baseline,
}

impl Role {
    /// All, in the order drawn.
    const ALL: [Self; 3] = [Self::Supervised, Self::Own, Self::Baseline];

    fn new(tested: &Tested, baselines: &[&str]) -> Self {
        if tested.supervised {
            Self::Supervised
        } else if baselines.contains(&tested.name.as_str()) {
            Self::Baseline
        } else {
            Self::Own
        }
    }

    /// Its name on screen.
    const fn title(self) -> &'static str {
        match self {
            Self::Supervised => "supervised",
            Self::Own => "dictionary",
            Self::Baseline => "baseline",
        }
    }
}
