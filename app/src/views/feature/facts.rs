//! Facts of a feature beside its examples: scalars with their definitions, histogram, promoted and suppressed tokens, heads, neighbours.

use egui::{Label, Ui, vec2};
use umbra_core::features::{Detail, TokenEffect};
use umbra_core::ids::{FeatureId, Head};

use super::chips::chip_ui;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, caption, icons, mono, panel_title, space};
use crate::widgets::bars::{Bar, Bars, BarsReply, Fill};
use crate::widgets::empty_state::failure_line;
use crate::widgets::histogram::{HistogramPlot, Of};
use crate::widgets::number::{count, number, percent, signed};

/// Promoted tokens that are shown at once, and suppressed ones.
const FIRST: usize = 10;

/// Explains the histogram of sizes.
const SIZES: &str = "Counts of active tokens by the logarithm to base 10 of the activation's size, in bins of equal ratio: weak activations have bins of their own here";

/// Explains what the effect on logits leaves out.
const WITHOUT_SCALE: &str = "Change of the logit per unit of activation: the feature's direction, centred and weighted by the final norm, \
                             times the unembedding, minus the mean over the vocabulary unless marked raw. The norm's run-time factor 1/σ is excluded, so compare values within a feature, not between features.";

/// The histogram; `mark` is the activation of the example under the pointer.
pub(super) fn histogram_ui(ui: &mut Ui, detail: &Detail, mark: Option<f64>, state: &AppState) {
    ui.label(panel_title("Activations")).on_hover_text(
        "Counts of active tokens by activation. The axis is logarithmic where counts span decades.",
    );
    let size = vec2(ui.available_width(), 138.0);
    HistogramPlot::new(
        "Activations",
        &detail.histogram.edges,
        &detail.histogram.counts,
    )
    .mark(mark)
    .size(size)
    .show(ui);
    let words = silent(
        detail,
        state.features.index.as_ref().map(|i| i.about.tokens),
    );
    ui.add(Label::new(caption(words).color(Theme::from_ui(ui).ink.secondary)).wrap())
        .on_hover_text("The zero bin is left out of the bars");
    sizes_ui(ui, detail);
}

/// Histogram of the sizes of activations in bins of equal ratio, folded, where the index has it.
fn sizes_ui(ui: &mut Ui, detail: &Detail) {
    let sizes = &detail.log_histogram;
    if sizes.counts.is_empty() {
        return;
    }
    egui::CollapsingHeader::new(caption("By order of magnitude"))
        .id_salt("log histogram")
        .show(ui, |ui| {
            let edges: Vec<f64> = sizes.edges.iter().map(|edge| edge.log10()).collect();
            HistogramPlot::new("Activations by order of magnitude", &edges, &sizes.counts)
                .of(Of {
                    quantity: "log10 of the activation",
                    counted: ["active token", "active tokens"],
                    definition: SIZES,
                })
                .size(vec2(ui.available_width(), 138.0))
                .show(ui);
        })
        .header_response
        .on_hover_text(SIZES);
}

/// Tells the bin at zero: tokens on which the feature is not active.
fn silent(detail: &Detail, tokens: Option<u64>) -> String {
    let share = percent((1.0 - detail.summary.density).max(0.0));
    let active: u64 = detail.histogram.counts.iter().sum();
    match tokens.and_then(|tokens| tokens.checked_sub(active)) {
        Some(zero) => format!("Zero on {} tokens ({share})", count(zero)),
        None => format!("Zero on {share} of tokens"),
    }
}

/// Promoted and suppressed tokens.
pub(super) fn effects_ui(ui: &mut Ui, detail: &Detail, state: &AppState) {
    if detail.promoted.is_empty() && detail.suppressed.is_empty() {
        return;
    }
    let most = detail
        .promoted
        .iter()
        .chain(&detail.suppressed)
        .fold(0.0, |most: f64, e| most.max(f64::from(e.effect.abs())));
    for (name, effects) in [
        ("Promoted tokens", &detail.promoted),
        ("Suppressed tokens", &detail.suppressed),
    ] {
        ui.label(panel_title(name)).on_hover_text(WITHOUT_SCALE);
        let (first, rest) = effects.split_at(effects.len().min(FIRST));
        let list_ui = |ui: &mut Ui, name: &str, effects: &[TokenEffect]| {
            let bars: Vec<Bar> = effects.iter().map(effect_bar).collect();
            Bars::new(name, &bars, Fill::Signed)
                .tokens()
                .most(most)
                .label_width(120.0)
                .definition(WITHOUT_SCALE)
                .show(ui);
        };
        list_ui(ui, name, first);
        if !rest.is_empty() {
            let more = format!("{} more {}", rest.len(), name.to_lowercase());
            egui::CollapsingHeader::new(caption(&more))
                .id_salt(&more)
                .show(ui, |ui| list_ui(ui, &more, rest));
        }
        ui.add_space(space::CONTROL);
    }
    let note = "logit per unit of activation, without the final norm’s run-time 1/σ";
    ui.add(Label::new(caption(note).color(Theme::from_ui(ui).ink.secondary)).wrap())
        .on_hover_text(WITHOUT_SCALE);
    if let Some(index) = &state.features.index {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let words = caption(index.about.logit_effects()).color(secondary);
        ui.add(Label::new(words).wrap())
            .on_hover_text(WITHOUT_SCALE);
    }
}

/// Histogram of the feature's effects on all logits, where the index has it.
pub(super) fn logits_ui(ui: &mut Ui, detail: &Detail) {
    if detail.logits.counts.is_empty() {
        return;
    }
    ui.add_space(space::GROUP);
    ui.label(panel_title("All tokens")).on_hover_text(
        "Counts of vocabulary tokens by the feature’s effect on their logit. The axis is logarithmic where counts span decades.",
    );
    HistogramPlot::new("All tokens", &detail.logits.edges, &detail.logits.counts)
        .of_logits()
        .size(vec2(ui.available_width(), 138.0))
        .show(ui);
}

fn effect_bar(effect: &TokenEffect) -> Bar {
    let value = f64::from(effect.effect);
    Bar::new(effect.text.as_str(), value)
        .text(signed(value))
        .hover(format!("Token {}", effect.id))
}

/// Head shares of a `hook_z` feature; a click opens Heads at the head.
pub(super) fn heads_ui(ui: &mut Ui, detail: &Detail, state: &AppState, commands: &mut Commands) {
    if detail.head_shares.is_empty() {
        return;
    }
    ui.label(panel_title("Heads")).on_hover_text(
        "Share of the decoder row's norm that lies in each head's part of z; the shares sum to 1. Click to open the head.",
    );
    let shares = detail.head_shares.iter().enumerate();
    let bar = |(head, share): (usize, &f32)| {
        let share = f64::from(*share);
        Bar::new(format!("head {head}"), share).text(percent(share))
    };
    let bars: Vec<Bar> = shares.map(bar).collect();
    let reply = Bars::new("Head shares", &bars, Fill::Hue(Hue::Activation))
        .clickable()
        .label_width(60.0)
        .show(ui);
    let attributed = attributed_ui(ui, detail);
    let reply = if attributed == BarsReply::default() {
        reply
    } else {
        attributed
    };
    let layer = state.dictionary().and_then(|d| d.hook()?.layer());
    if let (Some(head), Some(layer)) = (reply.clicked.or(reply.beside), layer) {
        commands.send(navigation::Command::SelectHead(layer, Head::from(head)));
        let go = if reply.beside.is_some() {
            navigation::Command::Beside(ViewId::Heads)
        } else {
            navigation::Command::Go(ViewId::Heads)
        };
        commands.send(go);
    }
}

/// Shares of the heads in the attribution of the strongest examples, where the index has them.
fn attributed_ui(ui: &mut Ui, detail: &Detail) -> BarsReply {
    if detail.head_attribution.is_empty() {
        return BarsReply::default();
    }
    ui.add_space(space::CONTROL);
    let help = "Share of each head in the sum over the strongest examples of the size of what it adds to the pre-activation; the shares sum to 1. Click to open the head.";
    ui.label(caption("By attribution at the strongest examples"))
        .on_hover_text(help);
    let shares = detail.head_attribution.iter().enumerate();
    let bar = |(head, share): (usize, &f32)| {
        let share = f64::from(*share);
        Bar::new(format!("head {head}"), share).text(percent(share))
    };
    let bars: Vec<Bar> = shares.map(bar).collect();
    Bars::new("Head shares by attribution", &bars, Fill::Hue(Hue::Model))
        .clickable()
        .label_width(60.0)
        .definition(help)
        .show(ui)
}

/// The nearest features by decoder cosine.
pub(super) fn neighbours_ui(
    ui: &mut Ui,
    state: &AppState,
    feature: FeatureId,
    commands: &mut Commands,
) {
    let Some(dictionary) = state.dictionary() else {
        return;
    };
    ui.label(panel_title("Neighbours")).on_hover_text(
        "The ten features whose decoder rows have the largest cosine with this one's",
    );
    match state.features.neighbours(dictionary.id, feature) {
        Load::Ready(nearest) => {
            for (other, cosine) in nearest.iter() {
                let width = (ui.available_width() - 70.0).max(90.0);
                ui.horizontal(|ui| {
                    chip_ui(ui, state, commands, *other, (cosine.abs(), width));
                    let right = egui::Layout::right_to_left(egui::Align::Center);
                    ui.with_layout(right, |ui| {
                        ui.label(mono(number(f64::from(*cosine))))
                            .on_hover_text("Cosine of the decoder rows");
                    });
                });
            }
        }
        Load::Failed(why) => failure_line(ui, "No neighbours", why),
        Load::Loading | Load::Absent => {
            ui.label(caption("…").color(Theme::from_ui(ui).ink.secondary));
        }
    }
}

/// Said where the index never saw the feature.
pub(super) fn silent_ui(ui: &mut Ui) {
    let theme = Theme::from_ui(ui);
    ui.horizontal(|ui| {
        ui.label(crate::theme::icon(icons::INFO).color(theme.ink.secondary));
        let sentence = "This feature is never active on the index's text.";
        ui.label(egui::RichText::new(sentence).color(theme.ink.secondary));
    });
}
