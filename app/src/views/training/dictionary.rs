//! The form: model, text, hook, and the settings built from the core's table.

use std::path::Path;

use egui::{Label, RichText, Ui};
use umbra_core::sae::ErrorPart;
use umbra_core::train::{SETTINGS, Setting};

use super::also::also_ui;
use super::fields::{FIRST, hook_ui, name_ui, setting_ui};
use crate::state::catalogue::{Dictionary, name_of};
use crate::state::dark_matter::train::part_label;
use crate::state::opening::Kind as Opened;
use crate::state::requests::training::Command;
use crate::state::requests::{Commands, opening, shell};
use crate::state::training::line::line;
use crate::state::training::plan::{self, Plan, Planned};
use crate::state::training::{CHECKPOINT_MINUTES, Draft, Form};
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icons, space};
use crate::widgets::form::{self, Row};
use crate::widgets::number;
use crate::widgets::settings_form::{Field, Kind};

/// Name of the part with further settings.
const MORE: &str = "training settings";

/// Name of the field for the time between two checkpoints.
const CHECKPOINT_LABEL: &str = "Checkpoint every";

/// Entry of the source's list that asks for a text.
const CHOOSE: &str = "Choose a file…";

/// Entry of the source's list that asks for a store.
const CHOOSE_STORE: &str = "Choose an activation store…";

/// Entry of the source's list for the project's training text.
const PROJECT: &str = "Project's text";

/// Entry of the list of what is trained on for the activation itself.
const ACTIVATION: &str = "Activation";

/// Entry of the list of beginnings for none.
const RANDOM: &str = "Random";

/// Entry of the list of beginnings that asks for a folder.
const CHOOSE_FOLDER: &str = "Choose a folder…";

/// Draws the form.
pub(super) fn form_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    ui.spacing_mut().item_spacing.y = space::CHIP;
    let title = if plan.also.is_empty() {
        "New dictionary"
    } else {
        "New dictionaries"
    };
    ui.label(crate::theme::panel_title(title));
    ui.add_space(space::CHIP);
    model_ui(ui, state, commands);
    source_ui(ui, state, plan, commands);
    train_on_ui(ui, state, plan, commands);
    start_from_ui(ui, state, plan, commands);
    let form = &state.training.form;
    if let Some(draft) = first_ui(ui, state, plan, commands) {
        fill(commands, form.with_first(draft));
    }
    ui.add_space(space::CONTROL);
    also_ui(ui, state, plan, commands);
}

/// The fields of the dictionary; what it is after a change.
fn first_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) -> Option<Draft> {
    let (form, planned) = (&state.training.form, &plan.first);
    let draft = form.first();
    let mut changed = match &form.parent {
        Some(parent) => {
            its_hook_ui(ui, &name_of(&parent.folder), planned);
            None
        }
        None => hook_ui(ui, state, planned, &draft),
    };
    changed = name_ui(ui, planned, &draft).or(changed);
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
    let more: Vec<&Setting> = all().filter(|s| !FIRST.contains(&s.key)).collect();
    let is_wrong = planned.errors.contains_key("checkpoint");
    let mut own: Vec<&str> = if form.checkpoint == CHECKPOINT_MINUTES {
        Vec::new()
    } else {
        vec![CHECKPOINT_LABEL]
    };
    own.extend(changed_of(&more, &draft));
    if more_ui(ui, state, (planned, is_wrong), (&more, &own), commands) {
        checkpoint_ui(ui, state, plan, commands);
        for setting in more {
            changed = setting_ui(ui, (planned, "default"), &draft, setting).or(changed.take());
        }
    }
    changed
}

/// Labels of the settings that `draft` changes.
pub(super) fn changed_of<'a>(settings: &[&'a Setting], draft: &Draft) -> Vec<&'a str> {
    let own = settings
        .iter()
        .filter(|s| draft.settings.contains_key(s.key));
    own.map(|setting| setting.label).collect()
}

/// Draws the line that folds `settings` away, which says which of them are changed. Whether they are unfolded: an error among them unfolds them.
pub(super) fn more_ui(
    ui: &mut Ui,
    state: &AppState,
    (planned, is_wrong): (&Planned, bool),
    (settings, own): (&[&Setting], &[&str]),
    commands: &mut Commands,
) -> bool {
    let wrong = is_wrong || settings.iter().any(|s| planned.errors.contains_key(s.key));
    let open = wrong || state.settings.unfolded.contains(MORE);
    let summary = if own.is_empty() {
        format!("{} at their defaults", settings.len())
    } else {
        format!("changed: {}", own.join(", "))
    };
    if form::fold(ui, open, "More settings", &summary) && !wrong {
        commands.send(shell::Command::Unfold(MORE, !open));
    }
    open
}

/// Draws the fixed number of features of the dictionary to continue from.
fn its_features_ui(ui: &mut Ui, state: &AppState, setting: &Setting) {
    let Some(start) = plan::start(state) else {
        return;
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    let row = Row {
        label: setting.label,
        help: setting.help,
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, _| {
        let features = ui.label(crate::theme::mono(number::count(start.features() as u64)));
        ui.add(Label::new(caption(format!("those of {}", start.name)).color(secondary)).truncate());
        features
    });
}

/// Draws the hook of a dictionary of an error, which is that of its parent.
fn its_hook_ui(ui: &mut Ui, parent: &str, planned: &Planned) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let row = Row {
        label: "Hook",
        help: "Activation whose error is read: the one that the parent reads",
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, _| {
        let hook = ui.label(crate::theme::mono(planned.spec.hook.to_string()));
        ui.add(Label::new(caption(format!("that of {parent}")).color(secondary)).truncate());
        hook
    });
}

/// Draws the choice between the activation and a part of the error of one of the project's dictionaries, and the choice of that dictionary.
fn train_on_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    let open = &state.catalogue.dictionaries;
    if open.is_empty() && form.parent.is_none() {
        return;
    }
    let parts = ErrorPart::ALL.map(part_label);
    let mut options = vec![ACTIVATION.to_owned()];
    options.extend(parts.map(str::to_owned));
    let field = Field {
        key: "on",
        label: "Train on",
        unit: "",
        help: "The activation, or what another dictionary leaves of it: its whole error, the part of the error that a linear map predicts from the activation, or the rest",
        default: ACTIVATION,
        origin: "default",
        kind: Kind::Choice(&options),
        error: plan.first.errors.get("on").map(String::as_str),
    };
    let value = form
        .parent
        .as_ref()
        .map_or(ACTIVATION, |parent| part_label(parent.part));
    if let Some(chosen) = field.ui(ui, value) {
        let part = ErrorPart::ALL
            .into_iter()
            .find(|part| part_label(*part) == chosen);
        let own = form.parent.as_ref().map(|parent| parent.folder.as_path());
        let folder = own.or_else(|| Some(chosen_first(state)?.folder.as_path()));
        match (part, folder) {
            (Some(part), Some(folder)) => fill(commands, on_error(state, part, folder)),
            _ => fill(
                commands,
                Form {
                    parent: None,
                    ..form.clone()
                },
            ),
        }
    }
    let Some(parent) = &form.parent else { return };
    let names: Vec<String> = open.iter().map(|there| there.name.clone()).collect();
    let value = name_of(&parent.folder);
    let field = Field {
        key: "of",
        label: "Error of",
        unit: "",
        help: "Dictionary whose error is trained on; the new dictionary's files name it as their parent",
        default: &value,
        origin: "chosen",
        kind: Kind::Choice(&names),
        error: None,
    };
    if let Some(chosen) = field.ui(ui, &value)
        && let Some(there) = open.iter().find(|there| there.name == chosen)
    {
        fill(commands, on_error(state, parent.part, &there.folder));
    }
}

/// The dictionary whose error is offered first: the selected one, else the first of the project.
fn chosen_first(state: &AppState) -> Option<&Dictionary> {
    let selected = state
        .selection
        .dictionary
        .and_then(|id| state.catalogue.get(id));
    selected.or_else(|| state.catalogue.dictionaries.first())
}

/// The form on a part of the error of the dictionary in `folder`.
fn on_error(state: &AppState, part: ErrorPart, folder: &Path) -> Form {
    let hook = state.catalogue.by_folder(folder).and_then(Dictionary::hook);
    state
        .training
        .form
        .on_error(part, folder.to_path_buf(), hook)
}

fn model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    let row = Row {
        label: "Model",
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, _| match &state.catalogue.model {
        Load::Ready(loaded) => {
            let config = loaded.model.config();
            let name = ui.add(Label::new(body_strong(loaded.model.name())).truncate());
            let shape = format!(
                "{}, width {}",
                number::counted(config.layers as u64, "layer"),
                config.d_model
            );
            ui.add(Label::new(caption(shape).color(theme.ink.secondary)).truncate());
            name
        }
        Load::Loading => ui.label(RichText::new("Loading…").color(theme.ink.secondary)),
        Load::Failed(why) => {
            let words = format!("{} did not load", icons::WARNING_CIRCLE);
            let words = ui.label(RichText::new(words).color(theme.failure));
            words.on_hover_text(why)
        }
        Load::Absent if state.training.form.store.is_some() => {
            let words = "a store needs no model";
            ui.label(RichText::new(words).color(theme.ink.secondary))
        }
        Load::Absent => {
            let open = ui.button("Open a model…");
            if open.clicked() {
                commands.send(opening::Command::Show(Opened::Model));
            }
            open
        }
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
        label: CHECKPOINT_LABEL,
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

/// Draws what the form is for: it starts the run, or says why it cannot.
pub(super) fn footer_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let ready = plan.refusal.is_none();
    if form::main_button(ui, ready, icons::PLAY, "Start training").clicked() {
        commands.send(Command::Start);
    }
    let button = form::side_button(ui, ready, "Copy for the command line");
    let help = "Copy an `umbra train` command that trains the same dictionaries";
    if button.on_hover_text(help).clicked() {
        match line(state) {
            Ok(line) => ui.ctx().copy_text(line),
            Err(why) => commands.send(Command::NoLine(why)),
        }
    }
    // What is half written may become right.
    let unread = form::is_typing(ui) && plan.specs().is_none();
    if let Some(why) = plan.refusal.as_ref().filter(|_| !unread) {
        form::reason(ui, why);
    }
}

pub(super) fn fill(commands: &mut Commands, form: Form) {
    commands.send(Command::Fill(form));
}
