//! One head: its figures and its ten features.

use egui::{RichText, Role, Ui, WidgetInfo};
use umbra_core::heads::{HeadFigures, PER_HEAD};
use umbra_core::ids::{FeatureId, Head, Layer};

use super::Shown;
use super::model::{self, Figure};
use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::prompt::Side;
use crate::state::requests::{Commands, navigation, prompt, steering};
use crate::state::view::ViewId;
use crate::theme::{Theme, caption, mono, panel_title};
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::{meaning, number};

/// Room right of a chip: bar, share, button.
const RIGHT: f32 = 230.0;

/// Draws the chosen head, or the one that stands for it until a person chooses one.
pub(super) fn head_ui(ui: &mut Ui, state: &AppState, shown: Shown, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some((layer, head)) = shown.head else {
        ui.label(panel_title("A head"));
        let words = format!(
            "Click a head to see its attention and the {PER_HEAD} features with the largest share in it"
        );
        ui.label(RichText::new(words).color(secondary));
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(panel_title(format!("Head {layer}.{head}")));
        if let Some(figure) = shown.by {
            let words = format!(
                "shown first for the largest {}; click another in the grid",
                figure.scale().to_lowercase()
            );
            ui.label(caption(words).color(secondary));
        }
    });
    looks_ui(ui, state, (layer, head), commands);
    let Some(dictionary) = state.z_dictionary(layer) else {
        let words = format!("No dictionary reads attn.hook_z of layer {layer}");
        ui.label(RichText::new(words).color(secondary));
        return;
    };
    let kept = state.heads.figures.get(&dictionary.id);
    let figures = kept.and_then(|kept| kept.load.ready());
    let Some(figures) = figures.and_then(|all| all.iter().find(|f| f.head == head)) else {
        ui.label(RichText::new("Measuring…").color(secondary));
        return;
    };
    figures_ui(ui, figures);
    let words = format!(
        "Features of {} with the largest share of their decoder in this head",
        dictionary.name
    );
    ui.label(caption(words).color(secondary));
    ui.label(caption(figures.among.describe()).color(secondary));
    features_ui(ui, state, (dictionary, head), figures, commands);
}

/// Draws the head's attention on the sentence in Prompt, with buttons to its pattern and to silence it.
fn looks_ui(ui: &mut Ui, state: &AppState, (layer, head): (Layer, Head), commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    if let Some(glance) = model::glance(state, layer, head) {
        ui.horizontal_wrapped(|ui| {
            for figure in [Figure::Previous, Figure::First, Figure::Entropy] {
                let value = figure
                    .of_glance(glance)
                    .map_or_else(String::new, number::number);
                let help = figure.definition();
                ui.label(caption(figure.title()).color(secondary))
                    .on_hover_text(help);
                let number = ui.label(mono(&value));
                meaning::figure(&number, figure.title(), help, &value);
                number.on_hover_text(help);
            }
        });
    }
    ui.horizontal_wrapped(|ui| {
        if ui.button("Show its attention pattern").clicked() {
            commands.send(prompt::Command::Show(Side::Attention));
            commands.send(navigation::Command::Go(ViewId::Prompt));
        }
        let help = "Adds an edit in Steering that sets this head's output to zero";
        if ui
            .button("Silence this head in Steering")
            .on_hover_text(help)
            .clicked()
        {
            commands.send(steering::Command::Silence(layer, head));
        }
    });
}

fn figures_ui(ui: &mut Ui, figures: &HeadFigures) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let jaccard = figures.jaccard.map_or("–".to_owned(), number::number);
    let values = [
        (Figure::Spread, number::number(figures.spread)),
        (Figure::Cosine, number::number(figures.cosine)),
        (Figure::Jaccard, jaccard),
    ];
    ui.horizontal_wrapped(|ui| {
        for (figure, value) in values {
            let help = figure.definition();
            ui.label(caption(figure.title()).color(secondary))
                .on_hover_text(help);
            let number = ui.label(mono(&value));
            meaning::figure(&number, figure.title(), help, &value);
            number.on_hover_text(help);
        }
    });
}

fn features_ui(
    ui: &mut Ui,
    state: &AppState,
    (dictionary, head): (&Dictionary, Head),
    figures: &HeadFigures,
    commands: &mut Commands,
) {
    let here = state.selection.dictionary == Some(dictionary.id);
    for (feature, share) in &figures.features {
        ui.horizontal(|ui| {
            let selected = here && state.selection.feature == Some(*feature);
            let room = ui.available_width() - RIGHT;
            let name = state.name_of(dictionary.id, *feature);
            let chip = FeatureChip::new(*feature, name)
                .strength(*share)
                .selected(selected)
                .max_width(room.max(80.0));
            let percent = number::percent(f64::from(*share));
            let reply = chip.show(ui, |ui| {
                ui.label(format!(
                    "{percent} of the decoder row's norm is in head {head}"
                ));
            });
            if reply.open || reply.beside {
                let (feature, beside) = (*feature, reply.beside);
                commands.send(navigation::Command::FollowDictionary(dictionary.id));
                commands.send(navigation::Command::Feature { feature, beside });
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                attribute_ui(ui, dictionary, (*feature, selected), commands);
                ui.label(mono(percent));
                share_bar(ui, *share);
            });
        });
    }
}

/// Chooses a feature for the attribution below, without leaving the screen.
fn attribute_ui(
    ui: &mut Ui,
    dictionary: &Dictionary,
    (feature, selected): (FeatureId, bool),
    commands: &mut Commands,
) {
    let button = egui::Button::new("Attribute").selected(selected);
    let response = ui.add(button);
    let name = format!("Attribute feature {feature}");
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, &name));
    let help = format!(
        "Shows the sources of its activation on the sentence in Prompt below, and selects {}",
        dictionary.name
    );
    if response.on_hover_text(help).clicked() {
        commands.send(navigation::Command::FollowDictionary(dictionary.id));
        commands.send(navigation::Command::SelectFeature(Some(feature)));
    }
}

/// A bar of 60 pixels.
fn share_bar(ui: &mut Ui, share: f32) {
    let theme = Theme::from_ui(ui);
    let (rect, _) = ui.allocate_exact_size(egui::vec2(60.0, 6.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 2.0, theme.surface.hover);
    let mut filled = rect;
    filled.set_width(rect.width() * share.clamp(0.0, 1.0));
    ui.painter().rect_filled(filled, 2.0, theme.activation);
}
