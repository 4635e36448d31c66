//! The model's card: its shape, where it is, what the loader decided.

use egui::{RichText, Ui};
use umbra_core::hub;
use umbra_core::models::{Config, NormKind};

use super::{card, failed_ui, link_ui, notes_ui, project_card, verification};
use crate::state::catalogue::LoadedModel;
use crate::state::opening::Kind;
use crate::state::requests::{Commands, opening};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme};
use crate::views::actions::recent_models;
use crate::widgets::number;
use crate::widgets::parts::fact_ui;
use crate::words;

/// Draws the card.
pub(super) fn card_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    card(ui, |ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(theme::caption("Model").color(secondary));
        match &state.catalogue.model {
            Load::Ready(loaded) => {
                loaded_ui(ui, loaded);
                verification::verification_ui(ui, state, commands);
            }
            Load::Failed(sentence) => failed_ui(ui, sentence),
            Load::Absent | Load::Loading if state.catalogue.model_path.is_some() => {
                ui.label(RichText::new("Loading…").color(secondary));
            }
            Load::Absent | Load::Loading => {
                let sentence = "No model yet. Open a HuggingFace folder, a GGUF file or a name on the hub, or drop a file or folder on this window.";
                ui.label(RichText::new(sentence).color(secondary));
            }
        }
        ui.horizontal_wrapped(|ui| {
            if ui.button("Open a model…").clicked() {
                commands.send(opening::Command::Show(Kind::Model));
            }
        });
        let recent = recent_models(state);
        project_card::list_ui(ui, "Recent models", recent, commands);
    });
}

fn loaded_ui(ui: &mut Ui, loaded: &LoadedModel) {
    let model = &loaded.model;
    let title = ui.label(theme::panel_title(model.name()));
    title.on_hover_text(model.path().display().to_string());
    if let Some(page) = hub::page_of(model.path()) {
        link_ui(ui, "Open its page on the hub", &page);
    }
    for (label, value, definition) in facts(model.config()) {
        fact_ui(ui, label, &value, definition);
    }
    let footprint = model.footprint();
    let kinds: Vec<_> = footprint.stored.iter().map(|(kind, _)| *kind).collect();
    let size = number::bytes(loaded.size_bytes);
    fact_ui(
        ui,
        "Files",
        &format!("{size} of {}", kinds.join(", ")),
        "Size of its files, and the types of its weights",
    );
    let memory = number::bytes(footprint.memory_bytes);
    fact_ui(
        ui,
        "Memory",
        &format!("{memory} {}", number::held(footprint.form)),
        "Memory of its weights, and their type in memory",
    );
    let ends = model.ends();
    let shown: Vec<_> = (ends.ids.iter())
        .map(|id| model.codec().display(*id))
        .collect();
    let shown = if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(", ")
    };
    fact_ui(
        ui,
        "EOS",
        &shown,
        &format!("Tokens that end its text: {}", ends.why),
    );
    let bos = model.codec().bos();
    let shown = bos
        .id
        .map_or_else(|| "none".to_owned(), |id| model.codec().display(id));
    fact_ui(
        ui,
        "BOS",
        &shown,
        &format!("Token before every text: {}", words::said(&bos.why)),
    );
    let secondary = Theme::from_ui(ui).ink.secondary;
    for fact in model.facts() {
        ui.add(egui::Label::new(theme::caption(fact).color(secondary)).wrap());
    }
    notes_ui(ui, &loaded.notes, "model notes");
}

/// Label, value and definition of what a model is.
fn facts(config: &Config) -> Vec<(&'static str, String, &'static str)> {
    let count = |value: usize| number::count(value as u64);
    let norm = match config.norm {
        NormKind::LayerNorm => "LayerNorm",
        NormKind::RmsNorm => "RMSNorm",
    };
    let heads = if config.kv_heads == config.heads {
        format!("{} × {}", config.heads, config.d_head)
    } else {
        format!(
            "{} × {} ({} kv)",
            config.heads, config.d_head, config.kv_heads
        )
    };
    vec![
        (
            "Family",
            format!("{} · {norm}", config.family),
            "Architecture named in its config, and its normalisation",
        ),
        ("Parameters", count(config.parameters), "Number of weights"),
        (
            "Layers × width",
            format!("{} × {}", config.layers, config.d_model),
            "Transformer blocks, and width of the residual stream",
        ),
        (
            "Heads × width",
            heads,
            "Attention heads of a block, and width of a head",
        ),
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
    ]
}
