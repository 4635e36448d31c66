//! Facts about the feature, measured over text, each with precision and recall; a click takes one as the label.

use egui::{Label, Ui};
use umbra_core::features::facts::{DEFINITIONS, Fact};
use umbra_core::workbench::labels::from_fact;

use super::Page;
use crate::state::requests::{Commands, labels};
use crate::theme::{Theme, caption, mono_caption, panel_title, space};
use crate::widgets::meaning;
use crate::widgets::number::{count, percent};

const HELP: &str = "Statements about where the feature fires, measured over text: best first, by how much of the uncertainty about its firing each removes";

/// Draws the facts, where they were measured.
pub(super) fn offered_ui(ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
    let (id, feature) = (page.dictionary.id, page.feature);
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(panel_title("Facts")).on_hover_text(HELP);
    let Some(own) = page.state.features.facts(id, feature) else {
        ui.horizontal_wrapped(|ui| {
            ui.label(caption("Not measured in this index").color(secondary));
            let help = "Measures statements about every feature of this dictionary on held-out text, and keeps them in its index";
            if page.state.misfit().is_none()
                && ui.small_button("Measure facts").on_hover_text(help).clicked()
            {
                commands.send(labels::Command::MeasureFacts(id));
            }
        });
        ask_ui(ui, page, commands);
        ui.add_space(space::GROUP);
        return;
    };
    let index = page.state.index_of(id);
    if let Some(words) = index.and_then(|index| index.facts_elsewhere.as_deref()) {
        ui.label(caption(meaning::sentence(words)).color(secondary));
    }
    if own.is_empty() {
        let words = "No fact describes where this feature fires";
        ui.label(caption(words).color(secondary));
    }
    let label = page.state.label(feature).unwrap_or_default();
    for fact in own.iter() {
        if fact_ui(ui, fact, label) {
            let given = from_fact(fact);
            commands.send(labels::Command::Accept { feature, given });
        }
    }
    ask_ui(ui, page, commands);
    ui.add_space(space::GROUP);
}

/// Opens the dialog that asks a language model for a label.
fn ask_ui(ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
    let help = "Asks a language model at an endpoint of yours for a label. The prompt is shown before anything is sent";
    let button = ui.small_button("Ask a model…").on_hover_text(help);
    if button.clicked() {
        let question = labels::Command::Question(page.dictionary.id, page.feature);
        commands.send(question);
    }
}

/// One fact with its figures; true when a person takes it as the label.
fn fact_ui(ui: &mut Ui, fact: &Fact, label: &str) -> bool {
    let mut taken = false;
    let theme = Theme::from_ui(ui);
    let said = fact.said();
    ui.add_space(space::CHIP);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::CONTROL;
        let ink = if fact.is_clear() {
            theme.ink.primary
        } else {
            theme.ink.secondary
        };
        ui.add(Label::new(egui::RichText::new(&said).color(ink)).wrap());
        if label == said {
            ui.label(caption("is the label").color(theme.ink.secondary));
        } else {
            let button = ui.small_button("Use as label");
            let help = format!("Labels this feature “{said}”");
            taken = button.on_hover_text(help).clicked();
        }
    });
    let recall = fact.recall.map(percent);
    let figures = [
        ("precision", Some(percent(fact.precision))),
        ("recall", recall),
        ("score", (fact.score > 0.0).then(|| percent(fact.score))),
    ];
    ui.horizontal_wrapped(|ui| {
        for (name, value) in figures {
            let Some(value) = value else { continue };
            let words = mono_caption(format!("{name} {value}")).color(theme.ink.secondary);
            ui.label(words).on_hover_text(definition(name));
        }
        let tokens = format!(
            "{} of {} active, {} in all",
            count(fact.both),
            count(fact.active),
            count(fact.holding)
        );
        if !fact.kind.is_context() {
            ui.label(mono_caption(tokens).color(theme.ink.disabled))
                .on_hover_text("Active tokens at which the fact holds, of all active tokens; tokens at which it holds, active or not");
        }
    });
    taken
}

fn definition(name: &str) -> String {
    let found = DEFINITIONS.iter().find(|(key, _)| *key == name);
    found.map_or_else(String::new, |(_, words)| meaning::sentence(words))
}
