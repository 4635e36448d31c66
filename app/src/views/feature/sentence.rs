//! Try a sentence: the sentence of Prompt, with this feature's activation on its tokens. What is typed here is read as in Prompt, and the labs work on it too.

use egui::{Label, RichText, TextEdit, Ui};
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use crate::state::AppState;
use crate::state::requests::{Commands, navigation, opening, prompt};
use crate::state::view::ViewId;
use crate::theme::{Theme, caption, mono, mono_caption, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::legend;
use crate::widgets::number::{number, percent};
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Explains what is read.
const HELP: &str = "The model reads the sentence, and the dictionary its activation at the hook: the colours are this feature's activation on each token, on the \
                    scale of the index's text. The sentence is the one in Prompt";

/// Draws the field and the coloured tokens.
pub(super) fn sentence_ui(
    ui: &mut Ui,
    state: &AppState,
    feature: FeatureId,
    commands: &mut Commands,
) {
    let title = ui.label(panel_title("Try a sentence")).on_hover_text(HELP);
    let secondary = Theme::from_ui(ui).ink.secondary;
    if state.model().is_none() {
        return without_model_ui(ui, state, "read a sentence", commands);
    }
    field_ui(ui, state, title.id, commands);
    if let Some(left) = state.prompt.pause_left() {
        ui.request_repaint_after(left);
    }
    if state.prompt.input().is_none() {
        ui.label(caption("Type a sentence to see where the feature fires").color(secondary));
        return;
    }
    if let Some(why) = state.prompt.reading.failure() {
        failure_line(ui, "The sentence could not be read", why);
        return;
    }
    match shown(state) {
        Some(reading) => reading_ui(ui, state, (reading, feature), commands),
        None => drop(ui.label(caption("Reading…").color(secondary))),
    }
}

/// Says that a model is missing, and how to get one.
pub(super) fn without_model_ui(
    ui: &mut Ui,
    state: &AppState,
    to_do: &str,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    if state.catalogue.model.is_loading() {
        ui.label(caption("The model is loading").color(secondary));
        return;
    }
    if let Some(why) = state.catalogue.model.failure() {
        failure_line(ui, "The model did not load", why);
    } else {
        let words = format!("A model is needed to {to_do}");
        ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
    }
    if ui.button("Open a model…").clicked() {
        let kind = crate::state::opening::Kind::Model;
        commands.send(opening::Command::Show(kind));
    }
}

fn field_ui(ui: &mut Ui, state: &AppState, title: egui::Id, commands: &mut Commands) {
    let mut text = state.prompt.text.clone();
    let width = ui.available_width();
    let edit = TextEdit::multiline(&mut text)
        .hint_text("Type a sentence")
        .desired_rows(2)
        .desired_width(width)
        .return_key(None);
    let response = ui.add(edit).labelled_by(title);
    response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Try a sentence");
        info.current_text_value = Some(state.prompt.text.clone());
        info
    });
    if response.changed() {
        commands.send(prompt::Command::Typed(text));
    }
}

/// The reading of this dictionary, or its last one while the next is on its way.
fn shown(state: &AppState) -> Option<&Reading> {
    let reader = state.reader()?;
    reader?;
    let (of, last) = state.prompt.last.as_ref()?;
    (*of == reader).then_some(&**last)
}

/// Where the feature is strongest in a reading, over the tokens that count: its token and activation.
pub(super) fn peak(reading: &Reading, feature: FeatureId) -> Option<(usize, f32)> {
    let at = |t: usize| (t, reading.latents.get(t, feature));
    let counted = (0..reading.latents.rows()).filter(|t| reading.counts[*t]);
    let active = counted.map(at).filter(|(_, act)| *act != 0.0);
    active.max_by(|(t, a), (u, b)| a.abs().total_cmp(&b.abs()).then(u.cmp(t)))
}

fn reading_ui(
    ui: &mut Ui,
    state: &AppState,
    (reading, feature): (&Reading, FeatureId),
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    let values: Vec<f32> = (0..reading.latents.rows())
        .map(|t| reading.latents.get(t, feature))
        .collect();
    let peak = peak(reading, feature);
    let scale = scale(state, feature, peak);
    let mut card = |ui: &mut Ui, at: usize| {
        let text = reading.texts[at].replace('\n', "⏎");
        ui.label(mono_caption(format!("“{text}”  position {at}")));
        let act = f64::from(values[at]);
        ui.label(caption(format!("activation {}", number(act))));
        if !reading.counts[at] {
            let words =
                "Row starts and special tokens do not count: dictionaries are trained without them";
            ui.label(caption(words).color(theme.ink.secondary));
        }
        ui.label(caption("Click to see its other features in Prompt").color(theme.ink.secondary));
    };
    let mut strip = TokenStrip::new("Tokens of the sentence", &reading.texts)
        .activations(&values, scale)
        .card(&mut card);
    if let Some((at, _)) = peak {
        strip = strip.peak(at);
    }
    let reply = strip.show(ui);
    if let Some(token) = reply.chosen {
        commands.send(navigation::Command::SelectToken(Some(token)));
        commands.send(navigation::Command::Go(ViewId::Prompt));
    }
    ui.add_space(space::CHIP);
    largest_ui(ui, state, (reading, feature), peak);
    legend::activation(ui, scale);
}

/// The scale of the index's text, widened where the sentence exceeds it.
fn scale(state: &AppState, feature: FeatureId, peak: Option<(usize, f32)>) -> Scale {
    let here = peak.map_or(0.0, |(_, act)| act.abs());
    let most = known_most(state, feature).unwrap_or(0.0).max(here);
    Scale {
        most: if most > 0.0 { most } else { 1.0 },
        signed: state.sae().is_some_and(|sae| sae.selection.is_signed()),
    }
}

/// Size of the feature's strongest activation on the index's text.
fn known_most(state: &AppState, feature: FeatureId) -> Option<f32> {
    let of = state.selection.dictionary?;
    let detail = state.features.detail(of, feature).ready();
    let most = detail.map(|detail| detail.summary.strongest().abs() as f32);
    most.filter(|most| *most > 0.0)
}

/// Says the largest activation of the sentence against the feature's maximum.
fn largest_ui(
    ui: &mut Ui,
    state: &AppState,
    (reading, feature): (&Reading, FeatureId),
    peak: Option<(usize, f32)>,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some((at, act)) = peak else {
        ui.label(caption("Not active on this sentence").color(secondary));
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::CHIP;
        ui.label(caption("Largest").color(secondary));
        ui.label(mono(number(f64::from(act))));
        let text = reading.texts[at].replace('\n', "⏎");
        ui.label(caption("on").color(secondary));
        ui.label(mono_caption(format!("“{text}”")));
        if let Some(most) = known_most(state, feature) {
            let share = percent(f64::from(act.abs() / most));
            let words = format!("{share} of its largest, {}", number(f64::from(most)));
            let help = "Against the activation of largest size on the index's text";
            ui.label(caption(words).color(secondary))
                .on_hover_text(help);
        }
    });
}
