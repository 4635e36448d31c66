//! The right inspector: what the selection is, wherever it was made.

use egui::{Frame, Margin, RichText, ScrollArea, Ui};
use umbra_core::ids::{FeatureId, Head, Layer};

use super::views::Views;
use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::requests::{Commands, navigation};
use crate::state::selection::Focus;
use crate::state::view::ViewId;
use crate::theme::{self, Theme, icons, space};
use crate::views::heads::Figure;
use crate::widgets::feature_chip::quoted;
use crate::widgets::number;
use crate::widgets::parts::fact_ui;

/// Strongest features shown of a token.
const FEATURES: usize = 10;

/// Draws the inspector.
pub(super) fn inspector_ui(
    ui: &mut Ui,
    state: &AppState,
    views: &mut Views,
    view: ViewId,
    commands: &mut Commands,
) {
    let frame = Frame::new()
        .fill(Theme::from_ui(ui).surface.window)
        .inner_margin(Margin::same(space::PANEL as i8));
    egui::Panel::right("inspector")
        .default_size(248.0)
        .size_range(200.0..=400.0)
        .frame(frame)
        .show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                if !views.get(view).inspector_ui(ui, state, commands) {
                    selection_ui(ui, state, commands);
                }
            });
        });
}

fn selection_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let selection = &state.selection;
    match selection.focus {
        Focus::Feature if selection.feature.is_some() => {
            let feature = selection.feature.unwrap_or_default();
            feature_ui(ui, state, feature, commands);
        }
        Focus::Token if selection.token.is_some() => {
            token_ui(ui, state, selection.token.unwrap_or_default(), commands);
        }
        Focus::Head if selection.head.is_some() => {
            let (layer, head) = selection.head.unwrap_or_default();
            head_ui(ui, state, (layer, head), commands);
        }
        _ => {
            if let Some(dictionary) = state.dictionary() {
                dictionary_ui(ui, dictionary);
            }
        }
    }
    if selection.focus == Focus::Nothing {
        ui.add_space(space::CONTROL);
        let hint = "Select a feature, a token or a head to see it here";
        ui.label(theme::caption(hint).color(Theme::from_ui(ui).ink.secondary));
    }
}

fn dictionary_ui(ui: &mut Ui, dictionary: &Dictionary) {
    title_ui(ui, icons::STACK, "Dictionary");
    ui.label(theme::panel_title(&dictionary.name));
    let Some(loaded) = dictionary.load.ready() else {
        return;
    };
    let sae = &loaded.sae;
    if let Some(hook) = sae.provenance.hook {
        ui.label(theme::mono_caption(hook.to_string()));
    }
    fact_ui(
        ui,
        "Features",
        &number::count(sae.features() as u64),
        "Rows of the encoder and the decoder",
    );
    fact_ui(
        ui,
        "Width",
        &number::count(sae.width() as u64),
        "Width of the hook's activations",
    );
    if let Some(evaluation) = dictionary.evaluation.ready() {
        let figures = &evaluation.figures;
        fact_ui(
            ui,
            "L0",
            &number::number(figures.l0),
            "Mean active features per token",
        );
        fact_ui(
            ui,
            "FVU",
            &number::number(figures.fvu),
            "Fraction of variance unexplained: Σ‖x − x̂‖² / Σ‖x − mean‖²",
        );
    }
}

fn feature_ui(ui: &mut Ui, state: &AppState, feature: FeatureId, commands: &mut Commands) {
    title_ui(ui, icons::DIAMOND, "Feature");
    ui.label(theme::panel_title(format!("#{feature}")));
    if let Some(label) = state.label(feature) {
        ui.add(egui::Label::new(label).wrap());
    }
    let table = state.features.table.ready();
    let table = table.filter(|table| Some(table.dictionary) == state.selection.dictionary);
    if let Some(summary) = table.and_then(|table| table.summaries.get(feature.index())) {
        fact_ui(
            ui,
            "Density",
            &number::percent(summary.density),
            "Share of tokens of the index's text on which it is active",
        );
        fact_ui(
            ui,
            "Mean",
            &number::number(summary.mean),
            "Mean activation where it is active",
        );
        fact_ui(
            ui,
            "Max",
            &number::number(summary.strongest()),
            "Activation of largest magnitude",
        );
    }
    let of = state
        .selection
        .dictionary
        .map(|dictionary| (dictionary, feature));
    if let Some(detail) = state
        .features
        .detail
        .ready()
        .filter(|_| state.features.detail_of == of)
    {
        effects_ui(ui, "Promotes", &detail.promoted);
        effects_ui(ui, "Suppresses", &detail.suppressed);
    }
    ui.add_space(space::CONTROL);
    ui.horizontal_wrapped(|ui| {
        if ui.button("Open page").clicked() {
            commands.send(navigation::Command::Feature {
                feature,
                beside: false,
            });
        }
        if ui.button("Steer").clicked() {
            commands.send(navigation::Command::Go(ViewId::Steering));
        }
    });
}

fn effects_ui(ui: &mut Ui, what: &str, effects: &[umbra_core::features::TokenEffect]) {
    if effects.is_empty() {
        return;
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add_space(space::CONTROL);
    ui.label(theme::caption(what).color(secondary));
    for effect in effects.iter().take(5) {
        fact_ui(
            ui,
            &quoted(&effect.text),
            &number::signed(f64::from(effect.effect)),
            "Change of the logit per unit of activation, without the final norm's run-time 1/σ",
        );
    }
}

fn token_ui(ui: &mut Ui, state: &AppState, at: usize, commands: &mut Commands) {
    title_ui(ui, icons::CURSOR_TEXT, "Token");
    let Some(reading) = state.prompt.reading.ready() else {
        return;
    };
    let (Some(text), Some(id)) = (reading.texts.get(at), reading.tokens.get(at)) else {
        return;
    };
    ui.label(theme::mono(quoted(text)));
    fact_ui(
        ui,
        "Position",
        &at.to_string(),
        "Counted from 0, the beginning-of-sequence token included",
    );
    fact_ui(
        ui,
        "Token id",
        &id.to_string(),
        "Index in the model's vocabulary",
    );
    if state.sae().is_none() {
        return;
    }
    ui.add_space(space::CONTROL);
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(theme::caption("Strongest features").color(secondary));
    for (feature, activation) in reading.strongest(at, FEATURES) {
        ui.horizontal(|ui| {
            let label = state.label(feature).unwrap_or_default();
            let words = format!("#{feature} {label}");
            let link = ui.add(
                egui::Button::new(RichText::new(words.trim_end()))
                    .frame(false)
                    .truncate(),
            );
            let beside = link.clicked_by(egui::PointerButton::Middle);
            if link.clicked() || beside {
                commands.send(navigation::Command::Feature { feature, beside });
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.label(theme::mono(number::number(f64::from(activation))));
            });
        });
    }
}

fn head_ui(ui: &mut Ui, state: &AppState, (layer, head): (Layer, Head), commands: &mut Commands) {
    title_ui(ui, icons::GRID_NINE, "Head");
    ui.label(theme::panel_title(format!("Layer {layer}, head {head}")));
    let dictionary = state.z_dictionary(layer);
    let kept = dictionary.and_then(|of| state.heads.figures.get(&of.id));
    let figures = kept.and_then(|kept| kept.load.ready());
    if let Some(figures) = figures.and_then(|all| all.iter().find(|f| f.head == head)) {
        let jaccard = figures.jaccard.map_or("–".to_owned(), number::number);
        let values = [
            (Figure::Spread, number::number(figures.spread)),
            (Figure::Cosine, number::number(figures.cosine)),
            (Figure::Jaccard, jaccard),
        ];
        for (figure, value) in values {
            fact_ui(ui, figure.title(), &value, figure.definition());
        }
    }
    ui.add_space(space::CONTROL);
    if ui.button("Open Heads").clicked() {
        commands.send(navigation::Command::Go(ViewId::Heads));
    }
}

fn title_ui(ui: &mut Ui, icon: &str, what: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(theme::icon(icon).color(secondary));
        ui.label(theme::caption(what).color(secondary));
    });
}
