//! The form: model, text, hook, and the settings built from the core's table.

use egui::{Align, Button, CollapsingHeader, Layout, RichText, Ui, vec2};
use umbra_core::ids::Site;
use umbra_core::train::{Range, SETTINGS, Setting, Spec};

use super::plan::{self, Plan};
use crate::commands::training::{Command, sites};
use crate::commands::{Commands, opening};
use crate::state::catalogue::name_of;
use crate::state::training::{CHECKPOINT_MINUTES, Form};
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icons, space};
use crate::widgets::settings_form::{Field, Kind, LABELS};

/// Settings that stand in the form; the others are under "More settings".
const FIRST: [&str; 5] = ["variant", "features", "k", "tokens", "seed"];

/// Entry of the source's list that asks for a text.
const CHOOSE: &str = "Choose a file…";

/// Entry of the source's list that asks for a store.
const CHOOSE_STORE: &str = "Choose an activation store…";

/// Entry of the source's list for the project's training text.
const PROJECT: &str = "Project's training text";

/// Draws the form, the preflight and the start button.
pub(super) fn form_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    ui.spacing_mut().item_spacing.y = 4.0;
    ui.label(crate::theme::panel_title("New dictionary"));
    ui.add_space(space::CHIP);
    model_ui(ui, state, commands);
    source_ui(ui, state, plan, commands);
    hook_ui(ui, state, plan, commands);
    name_ui(ui, state, plan, commands);
    ui.add_space(space::CONTROL);
    let variant = plan.variant;
    let counts = |s: &&Setting| s.counts_for(variant);
    let all = || SETTINGS.iter().filter(counts);
    for setting in all().filter(|s| FIRST.contains(&s.key)) {
        setting_ui(ui, state, plan, setting, commands);
    }
    let wrong = |s: &&Setting| !FIRST.contains(&s.key) && plan.errors.contains_key(s.key);
    let wrong = all().any(|s| wrong(&s)) || plan.errors.contains_key("checkpoint");
    let open = wrong.then_some(true);
    CollapsingHeader::new("More settings")
        .open(open)
        .show_unindented(ui, |ui| {
            checkpoint_ui(ui, state, plan, commands);
            for setting in all().filter(|s| !FIRST.contains(&s.key)) {
                setting_ui(ui, state, plan, setting, commands);
            }
        });
    ui.add_space(space::CONTROL);
    needs_ui(ui, state, plan, commands);
    ui.add_space(space::CONTROL);
    start_ui(ui, plan, commands);
}

fn model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let theme = Theme::of(ui);
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
                let words = "none is needed for a store";
                ui.label(RichText::new(words).color(theme.ink.secondary));
            }
            Load::Absent => {
                if ui.button("Open a model…").clicked() {
                    commands.send(opening::Command::Show(true));
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
        help: "What the model reads: the project's training text, or a file of which 5 % of the documents are left out for measuring. Or activations that were captured before, of which no model is needed",
        default: PROJECT,
        kind: Kind::Choice(&options),
        error: plan.errors.get("text").map(String::as_str),
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

fn hook_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    let layers = plan::layers(state);
    let options: Vec<String> = (0..layers).map(|layer| layer.to_string()).collect();
    let field = Field {
        key: "layer",
        label: "Layer",
        unit: "",
        help: "Which block of the model, counted from 0",
        default: "",
        kind: Kind::Choice(&options),
        error: plan.errors.get("layer").map(String::as_str),
    };
    let layer = field.ui(ui, &form.layer.to_string());
    if let Some(layer) = layer.and_then(|layer| layer.parse().ok()) {
        let form = Form {
            layer,
            ..form.clone()
        };
        fill(commands, form);
    }
    let options: Vec<String> = sites().map(site_label).collect();
    let field = Field {
        key: "site",
        label: "Place",
        unit: "",
        help: "Which activation of the block the dictionary reads; attn.hook_z holds what the heads mixed, before the output projection",
        default: "",
        kind: Kind::Choice(&options),
        error: None,
    };
    if let Some(label) = field.ui(ui, &site_label(form.site))
        && let Some(site) = sites().find(|site| site_label(*site) == label)
    {
        let form = Form {
            site,
            ..form.clone()
        };
        fill(commands, form);
    }
}

fn site_label(site: Site) -> String {
    site.name().to_owned()
}

fn name_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    let made = plan::made_name(state);
    let field = Field {
        key: "name",
        label: "Name",
        unit: "",
        help: "Its folder within the project's saes",
        default: &made,
        kind: Kind::Text,
        error: plan.errors.get("name").map(String::as_str),
    };
    if let Some(name) = field.ui(ui, &plan.name) {
        let name = (name != made).then_some(name);
        let form = Form {
            name,
            ..form.clone()
        };
        fill(commands, form);
    }
}

fn checkpoint_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    let field = Field {
        key: "checkpoint",
        label: "Checkpoint every",
        unit: "min",
        help: "Writes what the run needs to go on beside its dictionary; 0: only when it is stopped. A run that was stopped or failed goes on as if it had never ended",
        default: CHECKPOINT_MINUTES,
        kind: Kind::Number,
        error: plan.errors.get("checkpoint").map(String::as_str),
    };
    if let Some(checkpoint) = field.ui(ui, &form.checkpoint) {
        let form = Form {
            checkpoint,
            ..form.clone()
        };
        fill(commands, form);
    }
}

fn setting_ui(
    ui: &mut Ui,
    state: &AppState,
    plan: &Plan,
    setting: &Setting,
    commands: &mut Commands,
) {
    let form = &state.training.form;
    let default = Spec::default_for(form.hook())
        .get(setting.key)
        .unwrap_or_default();
    let help = match setting.auto {
        Some(auto) => format!("{}; auto: {auto}", setting.help),
        None => setting.help.to_owned(),
    };
    let options: Vec<String> = match setting.range {
        Range::Choice(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        _ => Vec::new(),
    };
    let field = Field {
        key: setting.key,
        label: setting.label,
        unit: setting.unit,
        help: &help,
        default: &default,
        kind: match setting.range {
            Range::Switch => Kind::Switch,
            Range::Choice(_) => Kind::Choice(&options),
            Range::Whole { .. } | Range::Real { .. } => Kind::Number,
            Range::Hook => Kind::Text,
        },
        error: plan.errors.get(setting.key).map(String::as_str),
    };
    let value = form.settings.get(setting.key).unwrap_or(&default);
    if let Some(value) = field.ui(ui, value) {
        let mut form = form.clone();
        if value == default {
            form.settings.remove(setting.key);
        } else {
            form.settings.insert(setting.key.to_owned(), value);
        }
        fill(commands, form);
    }
}

fn needs_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let secondary = Theme::of(ui).ink.secondary;
    for need in plan::needs(state, plan) {
        let row = ui.horizontal(|ui| {
            label_cell(ui, caption(need.label).color(secondary), 18.0);
            ui.label(crate::theme::mono_caption(&need.value));
        });
        row.response.on_hover_text(need.definition);
    }
    if state.training.text.is_loading() {
        ui.label(caption("Counting the text…").color(secondary));
    }
    measure_ui(ui, state, plan, commands);
}

/// Where no run tells how long this one takes, its step can be measured.
fn measure_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let known = plan.spec.as_ref().and_then(|spec| plan::speed(state, spec));
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
        let secondary = Theme::of(ui).ink.secondary;
        label_cell(ui, caption("Time").color(secondary), space::CONTROL_ROW);
        if load.is_some_and(Load::is_loading) {
            ui.label(caption("Measuring…").color(secondary));
            return;
        }
        let busy = state.training.running().is_some();
        let help = "Takes a few steps of these sizes on made-up activations, some seconds long: the training step alone, without the model";
        if ui
            .add_enabled(!busy, Button::new("Measure speed"))
            .on_hover_text(help)
            .clicked()
        {
            commands.send(Command::Measure(sizes));
        }
    });
    if let Some(why) = load.and_then(Load::failure) {
        let text = caption(why).color(Theme::of(ui).failure);
        ui.add(egui::Label::new(text).wrap());
    }
}

fn start_ui(ui: &mut Ui, plan: &Plan, commands: &mut Commands) {
    let words = format!("{}  Start training", icons::PLAY);
    let button = Button::new(words).min_size(vec2(160.0, 32.0));
    let ready = plan.refusal.is_none();
    let response = ui.add_enabled(ready, button);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, ready, "Start training"));
    if response.clicked() {
        commands.send(Command::Start);
    }
    if let Some(why) = &plan.refusal {
        let secondary = Theme::of(ui).ink.secondary;
        ui.add(egui::Label::new(caption(why).color(secondary)).wrap());
    }
}

fn fill(commands: &mut Commands, form: Form) {
    commands.send(Command::Fill(form));
}
