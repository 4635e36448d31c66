//! The form: model, text, hook, and the settings built from the core's table.

use egui::{Align, Button, CollapsingHeader, Layout, RichText, Ui, vec2};
use umbra_core::train::{SETTINGS, Setting};

use super::also::also_ui;
use super::fields::{FIRST, hook_ui, name_ui, setting_ui};
use crate::state::catalogue::name_of;
use crate::state::opening::Kind as Opened;
use crate::state::requests::training::Command;
use crate::state::requests::{Commands, opening};
use crate::state::training::line::line;
use crate::state::training::plan::{self, Plan};
use crate::state::training::{CHECKPOINT_MINUTES, Draft, Form};
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icons, space};
use crate::widgets::number;
use crate::widgets::settings_form::{Field, Kind, LABELS};

/// Height of a line of what the run will need.
const NEED: f32 = 18.0;

/// Entry of the source's list that asks for a text.
const CHOOSE: &str = "Choose a file…";

/// Entry of the source's list that asks for a store.
const CHOOSE_STORE: &str = "Choose an activation store…";

/// Entry of the source's list for the project's training text.
const PROJECT: &str = "Project's text";

/// Entry of the list of beginnings for none.
const RANDOM: &str = "Random";

/// Entry of the list of beginnings that asks for a folder.
const CHOOSE_FOLDER: &str = "Choose a folder…";

/// Draws the form, the preflight and the start button.
pub(super) fn form_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    ui.spacing_mut().item_spacing.y = 4.0;
    let title = if plan.also.is_empty() {
        "New dictionary"
    } else {
        "New dictionaries"
    };
    ui.label(crate::theme::panel_title(title));
    ui.add_space(space::CHIP);
    model_ui(ui, state, commands);
    source_ui(ui, state, plan, commands);
    start_from_ui(ui, state, plan, commands);
    let form = &state.training.form;
    if let Some(draft) = first_ui(ui, state, plan, commands) {
        fill(commands, form.with_first(draft));
    }
    ui.add_space(space::GROUP);
    also_ui(ui, state, plan, commands);
    ui.add_space(space::GROUP);
    needs_ui(ui, state, plan, commands);
    ui.add_space(space::CONTROL);
    start_ui(ui, state, plan, commands);
}

/// The fields of the dictionary; what it is after a change.
fn first_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) -> Option<Draft> {
    let (form, planned) = (&state.training.form, &plan.first);
    let draft = form.first();
    let mut changed = hook_ui(ui, state, planned, &draft);
    changed = name_ui(ui, planned, &draft).or(changed);
    ui.add_space(space::CONTROL);
    let all = || SETTINGS.iter().filter(|s| s.counts_for(&planned.spec));
    for setting in all().filter(|s| FIRST.contains(&s.key)) {
        if form.from.is_some() && setting.key == "features" {
            its_features_ui(ui, state, setting);
            continue;
        }
        let origin = if form.from.is_some() && ["variant", "k"].contains(&setting.key) {
            "its own"
        } else {
            "default"
        };
        changed = setting_ui(ui, (planned, origin), &draft, setting).or(changed);
    }
    let more = |s: &&Setting| !FIRST.contains(&s.key);
    let wrong = |key: &str| planned.errors.contains_key(key);
    let open = wrong("checkpoint") || all().filter(more).any(|s| wrong(s.key));
    CollapsingHeader::new("More settings")
        .open(open.then_some(true))
        .show_unindented(ui, |ui| {
            checkpoint_ui(ui, state, plan, commands);
            for setting in all().filter(more) {
                changed = setting_ui(ui, (planned, "default"), &draft, setting).or(changed.take());
            }
        });
    changed
}

/// Draws the fixed number of features of the dictionary to continue from.
fn its_features_ui(ui: &mut Ui, state: &AppState, setting: &Setting) {
    let Some(start) = plan::start(state) else {
        return;
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| {
        label_cell(ui, RichText::new(setting.label), space::CONTROL_ROW);
        ui.label(crate::theme::mono(number::count(start.features() as u64)));
        ui.label(caption(format!("those of {}", start.name)).color(secondary));
    });
}

fn model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    ui.horizontal(|ui| {
        label_cell(ui, RichText::new("Model"), space::CONTROL_ROW);
        match &state.catalogue.model {
            Load::Ready(loaded) => {
                let config = loaded.model.config();
                ui.label(body_strong(loaded.model.name()));
                let shape = format!("{} layers, width {}", config.layers, config.d_model);
                ui.label(caption(shape).color(theme.ink.secondary));
            }
            Load::Loading => {
                ui.label(RichText::new("Loading…").color(theme.ink.secondary));
            }
            Load::Failed(why) => {
                let words = format!("{} did not load", icons::WARNING_CIRCLE);
                ui.label(RichText::new(words).color(theme.failure))
                    .on_hover_text(why);
            }
            Load::Absent if state.training.form.store.is_some() => {
                let words = "a store needs no model";
                ui.label(RichText::new(words).color(theme.ink.secondary));
            }
            Load::Absent => {
                if ui.button("Open a model…").clicked() {
                    commands.send(opening::Command::Show(Opened::Model));
                }
            }
        }
    });
}

/// A label as wide as those of the settings.
fn label_cell(ui: &mut Ui, text: RichText, height: f32) {
    ui.spacing_mut().item_spacing.x = space::CONTROL;
    let size = vec2(LABELS, height);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_width(LABELS);
        ui.label(text);
    });
}

fn source_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    let chosen = form.store.as_ref().or(form.text.as_ref());
    let chosen = chosen.map(|path| name_of(path));
    let mut options = vec![PROJECT.to_owned()];
    options.extend(chosen.clone());
    options.extend([CHOOSE, CHOOSE_STORE].map(str::to_owned));
    let field = Field {
        key: "text",
        label: "Source",
        unit: "",
        help: "The text that the model reads: the project's training text, or a file of which 5 % of the documents are held out. Or activations captured earlier, which need no model",
        default: PROJECT,
        origin: "default",
        kind: Kind::Choice(&options),
        error: plan.first.errors.get("text").map(String::as_str),
    };
    let value = chosen.as_deref().unwrap_or(PROJECT);
    match field.ui(ui, value).as_deref() {
        Some(CHOOSE) => commands.send(Command::PickText),
        Some(CHOOSE_STORE) => commands.send(Command::PickStore),
        Some(PROJECT) => {
            let (text, store) = (None, None);
            fill(
                commands,
                Form {
                    text,
                    store,
                    ..form.clone()
                },
            );
        }
        _ => {}
    }
}

/// Draws the choice of the initial weights.
fn start_from_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    let open = &state.catalogue.dictionaries;
    let chosen = form.from.as_deref().map(name_of);
    let mut options = vec![RANDOM.to_owned()];
    options.extend(open.iter().map(|dictionary| dictionary.name.clone()));
    options.extend(chosen.clone().filter(|name| !options.contains(name)));
    options.push(CHOOSE_FOLDER.to_owned());
    let field = Field {
        key: "from",
        label: "Start from",
        unit: "",
        help: "Random directions, or a dictionary to continue from: its features, weights, biases and thresholds are the start, and its variant and k apply unless you choose others",
        default: RANDOM,
        origin: "default",
        kind: Kind::Choice(&options),
        error: plan.first.errors.get("from").map(String::as_str),
    };
    let value = chosen.as_deref().unwrap_or(RANDOM);
    match field.ui(ui, value).as_deref() {
        Some(CHOOSE_FOLDER) => commands.send(Command::PickStart),
        Some(RANDOM) => {
            let form = Form {
                from: None,
                ..form.clone()
            };
            fill(commands, form);
        }
        Some(name) => {
            if let Some(dictionary) = open.iter().find(|there| there.name == name) {
                let (folder, hook) = (dictionary.folder.clone(), dictionary.hook());
                fill(commands, form.going_on_from(folder, hook));
            }
        }
        None => {}
    }
}

fn checkpoint_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    let field = Field {
        key: "checkpoint",
        label: "Checkpoint every",
        unit: "min",
        help: "Writes a checkpoint beside the dictionary; 0: only when the run is stopped. A stopped or failed run resumes exactly where the checkpoint left off",
        default: CHECKPOINT_MINUTES,
        origin: "default",
        kind: Kind::Number,
        error: plan.first.errors.get("checkpoint").map(String::as_str),
    };
    if let Some(checkpoint) = field.ui(ui, &form.checkpoint) {
        let form = Form {
            checkpoint,
            ..form.clone()
        };
        fill(commands, form);
    }
}

fn needs_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = NEED;
        for need in plan::needs(state, plan) {
            let row = ui.horizontal(|ui| {
                label_cell(ui, caption(need.label).color(secondary), NEED);
                ui.label(crate::theme::mono_caption(&need.value));
            });
            row.response.on_hover_text(need.definition);
        }
    });
    if state.training.text.is_loading() {
        ui.label(caption("Counting the text…").color(secondary));
    }
    measure_ui(ui, state, plan, commands);
}

/// Draws the button that measures a step, where no past run gives the speed.
fn measure_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let known = plan::speed(state, &plan.first.spec);
    let (None, Some(sizes)) = (known, plan::sizes(state, plan)) else {
        return;
    };
    let measured = state.training.measured.as_ref();
    let measured = measured.filter(|(then, _)| *then == sizes);
    let load = measured.map(|(_, load)| load);
    if load.is_some_and(|load| load.ready().is_some()) {
        return;
    }
    ui.horizontal(|ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        label_cell(ui, caption("Time").color(secondary), space::CONTROL_ROW);
        if load.is_some_and(Load::is_loading) {
            ui.label(caption("Measuring…").color(secondary));
            return;
        }
        let busy = state.training.running().is_some();
        let help = "Runs a few steps of these sizes on random activations for some seconds: the training step only, without the model";
        if ui
            .add_enabled(!busy, Button::new("Measure speed"))
            .on_hover_text(help)
            .clicked()
        {
            commands.send(Command::Measure(sizes));
        }
    });
    if let Some(why) = load.and_then(Load::failure) {
        let text = caption(why).color(Theme::from_ui(ui).failure);
        ui.add(egui::Label::new(text).wrap());
    }
}

fn start_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let words = format!("{}  Start training", icons::PLAY);
    let button = Button::new(words).min_size(vec2(160.0, 32.0));
    let ready = plan.refusal.is_none();
    let response = ui.add_enabled(ready, button);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, ready, "Start training"));
    if response.clicked() {
        commands.send(Command::Start);
    }
    let button = ui.add_enabled(ready, Button::new("Copy for the command line"));
    let help = "Copy an `umbra train` command that trains the same dictionaries";
    if button.on_hover_text(help).clicked() {
        match line(state) {
            Ok(line) => ui.ctx().copy_text(line),
            Err(why) => commands.send(Command::NoLine(why)),
        }
    }
    if let Some(why) = &plan.refusal {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(egui::Label::new(caption(why).color(secondary)).wrap());
    }
}

pub(super) fn fill(commands: &mut Commands, form: Form) {
    commands.send(Command::Fill(form));
}
