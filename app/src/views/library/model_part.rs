//! The model in a few lines: its name and its shape; how the loader read it, facts, notes and verification folded below the table.

use egui::{Label, RichText, Ui};
use umbra_core::hub;
use umbra_core::models::Config;
use umbra_core::workbench::overview::ReadAs;

use super::{Raised, failed_ui, link_ui, notes_ui, part, recent_ui, verification};
use crate::state::catalogue::LoadedModel;
use crate::state::opening::Kind;
use crate::state::requests::{Commands, opening};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme};
use crate::views::actions::recent_models;
use crate::widgets::number;
use crate::widgets::parts::fact_ui;
use crate::words;

/// Draws the part.
pub(super) fn part_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) -> Raised {
    part(ui, "Model", |ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        match &state.catalogue.model {
            Load::Ready(loaded) => loaded_ui(ui, state, loaded),
            Load::Failed(sentence) => failed_ui(ui, sentence),
            Load::Absent | Load::Loading if state.catalogue.model_path.is_some() => {
                ui.label(RichText::new("Loading…").color(secondary));
            }
            Load::Absent | Load::Loading => {
                let sentence = "No model yet. Open a HuggingFace folder, a GGUF file or a name on the hub, or drop a file or folder on this window.";
                ui.add(Label::new(RichText::new(sentence).color(secondary)).wrap());
            }
        }
        ui.horizontal_wrapped(|ui| {
            if ui.button("Open a model…").clicked() {
                commands.send(opening::Command::Show(Kind::Model));
            }
        });
        recent_ui(ui, "Recent models", recent_models(state), commands);
    })
}

fn loaded_ui(ui: &mut Ui, state: &AppState, loaded: &LoadedModel) {
    let model = &loaded.model;
    let title = ui.add(Label::new(theme::panel_title(model.name())).truncate());
    title.on_hover_text(model.path().display().to_string());
    let sentences = ReadAs::from(&**model).sentences();
    let shape = sentences.first().map_or("", String::as_str);
    ui.add(Label::new(format!("{shape}.")).wrap())
        .on_hover_text(read_as(&sentences));
    verification::verdict_ui(ui, state);
}

/// How the loader read the model, as one paragraph.
fn read_as(sentences: &[String]) -> String {
    format!("{}.", sentences.join(". "))
}

/// Draws how the loader read the model, its facts, notes and verification.
pub(super) fn details_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let Some(loaded) = state.catalogue.model.ready() else {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(RichText::new("No model is loaded").color(secondary));
        return;
    };
    let model = &loaded.model;
    ui.add(Label::new(read_as(&ReadAs::from(&**model).sentences())).wrap());
    if let Some(page) = hub::page_of(model.path()) {
        link_ui(ui, "Open its page on the hub", &page);
    }
    for (label, value, definition) in facts(model.config()) {
        fact_ui(ui, label, &value, definition);
    }
    let size = number::bytes(loaded.size_bytes);
    fact_ui(ui, "Files", &size, "Size of its files");
    let ends = model.ends();
    let shown: Vec<_> = (ends.ids.iter())
        .map(|id| model.codec().display(*id))
        .collect();
    let shown = if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(", ")
    };
    let why = format!("Tokens that end its text: {}", ends.why);
    fact_ui(ui, "EOS", &shown, &why);
    let bos = model.codec().bos();
    let shown = bos
        .id
        .map_or_else(|| "none".to_owned(), |id| model.codec().display(id));
    let why = format!("Token before every text: {}", words::said(&bos.why));
    fact_ui(ui, "BOS", &shown, &why);
    notes_ui(ui, &loaded.notes, "model notes");
    verification::verification_ui(ui, state, commands);
}

/// Label, value and definition of what the sentences leave out.
fn facts(config: &Config) -> Vec<(&'static str, String, &'static str)> {
    let count = |value: usize| number::count(value as u64);
    vec![
        ("Parameters", count(config.parameters), "Number of weights"),
        (
            "Vocabulary",
            count(config.vocab),
            "Tokens in its vocabulary",
        ),
        (
            "Context",
            count(config.context),
            "Longest text that it reads, in tokens",
        ),
        ("MLP width", count(config.d_mlp), "Neurons of a block"),
    ]
}
