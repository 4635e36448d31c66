//! Try a sentence: the sentence of Prompt, with this feature's activation on its tokens. What is typed here is read as in Prompt, and the labs work on it too.

use std::ops::Range;

use egui::{Label, RichText, Ui};
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use crate::state::AppState;
use crate::state::requests::{Commands, opening, prompt};
use crate::theme::{Theme, caption, mono, mono_caption, panel_title, space};
use crate::views::prompt::editor::tinted;
use crate::widgets::empty_state::failure_line;
use crate::widgets::legend;
use crate::widgets::number::{number, percent};
use crate::widgets::token_editor::{Piece, TokenEditor, carry};
use crate::widgets::token_strip::Scale;

/// Explains what is read.
const HELP: &str = "The model reads the sentence, and the dictionary its activation at the hook: the colours are this feature's activation on each token, on the \
                    scale of the index's text. The sentence is the one in Prompt";

/// Greatest height of the text.
const HEIGHT: f32 = 168.0;

/// Draws the field, whose tokens have the feature's colours, and how strong it gets.
pub(super) fn sentence_ui(
    ui: &mut Ui,
    state: &AppState,
    feature: FeatureId,
    commands: &mut Commands,
) {
    ui.label(panel_title("Try a sentence")).on_hover_text(HELP);
    if state.model().is_none() {
        return without_model_ui(ui, state, "read a sentence", commands);
    }
    let reading = state.reading().filter(|_| state.prompt.input().is_some());
    let read = reading.map(|reading| Read::new(state, reading, feature));
    field_ui(ui, state, read.as_ref(), commands);
    if let Some(left) = state.prompt.pause_left() {
        ui.request_repaint_after(left);
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    if let Some(why) = state.prompt.reading.failure() {
        failure_line(ui, "The sentence could not be read", why);
    } else if let Some(read) = &read {
        largest_ui(ui, state, (read, feature));
        legend::activation(ui, read.scale);
    } else if state.prompt.input().is_some() {
        ui.label(caption("Reading…").color(secondary));
    } else {
        ui.label(caption("Type a sentence to see where the feature fires").color(secondary));
    }
}

/// The feature's activation on every token of a reading.
struct Read<'a> {
    reading: &'a Reading,
    values: Vec<f32>,
    /// Where it is largest in size over the tokens that count.
    peak: Option<(usize, f32)>,
    scale: Scale,
}

impl<'a> Read<'a> {
    fn new(state: &AppState, reading: &'a Reading, feature: FeatureId) -> Self {
        let rows = 0..reading.latents.rows();
        let values: Vec<f32> = rows.map(|t| reading.latents.get(t, feature)).collect();
        let peak = peak(&values, &reading.counts);
        Self {
            reading,
            values,
            peak,
            scale: scale(state, feature, peak),
        }
    }

    /// The tokens where they stand in `text`, with their tints.
    fn pieces(&self, theme: &Theme, text: &str) -> Vec<Piece> {
        let read = (self.reading.text.as_str(), self.reading.spans.as_slice());
        pieces(theme, read, text, (&self.values, self.scale))
    }
}

/// The tokens of a text that was read where they stand in `text`, which is being typed, with the tints of their values.
pub(crate) fn pieces(
    theme: &Theme,
    (read, spans): (&str, &[Range<usize>]),
    text: &str,
    (values, scale): (&[f32], Scale),
) -> Vec<Piece> {
    let spans = carry(read, text, spans);
    let values = values.iter().chain(std::iter::repeat(&0.0));
    let piece = |(span, value): (Range<usize>, &f32)| Piece {
        span,
        tint: tinted(theme, *value, scale),
        negative: *value < -0.02 * scale.most,
        ..Piece::default()
    };
    spans.into_iter().zip(values).map(piece).collect()
}

/// Says that a model is missing, and how to get one.
pub(crate) fn without_model_ui(
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

fn field_ui(ui: &mut Ui, state: &AppState, read: Option<&Read<'_>>, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    // Of a chat, the text that its template wrote; typing makes a sentence of it.
    let of_chat = read.filter(|_| state.prompt.chat().is_some());
    let text = of_chat.map_or(state.prompt.text.as_str(), |read| &read.reading.text);
    let pieces = read.map_or_else(Vec::new, |read| read.pieces(theme, text));
    let spans = read.map_or(&[][..], |read| read.reading.spans.as_slice());
    let mut card = |ui: &mut Ui, at: usize| {
        if let Some(read) = read {
            card_ui(ui, read, at);
        }
    };
    let reply = TokenEditor {
        name: "Try a sentence",
        text,
        pieces: &pieces,
        tokens: read.map_or(&[], |read| &read.reading.texts),
        before: spans.iter().take_while(|span| span.is_empty()).count(),
        selected: read.and_then(|read| Some(read.peak?.0)),
        reveal: None,
        pointed: None,
        height: HEIGHT,
        card: &mut card,
    }
    .show(ui);
    if let Some(text) = reply.typed {
        commands.send(prompt::Command::Typed(text));
    }
}

fn card_ui(ui: &mut Ui, read: &Read<'_>, at: usize) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let reading = read.reading;
    let (Some(text), Some(act)) = (reading.texts.get(at), read.values.get(at)) else {
        return;
    };
    let text = text.replace('\n', "⏎");
    ui.label(mono_caption(format!("“{text}”  position {at}")));
    let act = format!("activation {}", number(f64::from(*act)));
    ui.label(caption(act));
    if reading.counts.get(at) == Some(&false) {
        let words =
            "Row starts and special tokens do not count: dictionaries are trained without them";
        ui.label(caption(words).color(secondary));
    }
}

/// Where activations are largest in size, over the tokens that count.
fn peak(values: &[f32], counts: &[bool]) -> Option<(usize, f32)> {
    let counted = values.iter().copied().zip(counts).enumerate();
    let active = counted.filter(|(_, (act, counts))| **counts && *act != 0.0);
    let active = active.map(|(at, (act, _))| (at, act));
    active.max_by(|(t, a), (u, b)| a.abs().total_cmp(&b.abs()).then(u.cmp(t)))
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
fn largest_ui(ui: &mut Ui, state: &AppState, (read, feature): (&Read<'_>, FeatureId)) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some((at, act)) = read.peak else {
        ui.label(caption("Not active on this sentence").color(secondary));
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::CHIP;
        ui.label(caption("Largest").color(secondary));
        ui.label(mono(number(f64::from(act))));
        let text = read.reading.texts[at].replace('\n', "⏎");
        ui.label(caption("on").color(secondary));
        ui.label(mono_caption(format!("“{text}”")));
        if let Some(most) = known_most(state, feature) {
            let words = against(act, most, read.scale.signed);
            let help = "Against the activation of largest size on the index's text";
            ui.label(caption(words).color(secondary))
                .on_hover_text(help);
        }
    });
}

/// An activation against the largest size in the index; a share only where it is one.
fn against(act: f32, most: f32, signed: bool) -> String {
    let known = number(f64::from(most));
    if act.abs() > most {
        return format!("above its largest in the index, {known}");
    }
    let share = percent(f64::from(act.abs() / most));
    let what = if signed { "largest size" } else { "maximum" };
    format!("{share} of the feature's {what}, {known}")
}

#[cfg(test)]
mod tests {
    use super::{against, peak};

    #[test]
    fn more_than_the_index_has_is_no_share() {
        let words = |act| against(act, 4.0, false).replace('\u{202F}', " ");
        assert_eq!(words(2.0), "50.0 % of the feature's maximum, 4.00");
        assert_eq!(words(-4.2), "above its largest in the index, 4.00");
    }

    #[test]
    fn the_largest_activation_is_by_size_over_tokens_that_count() {
        let counts = [false, true, true, true];
        assert_eq!(peak(&[9.0, 1.0, -3.0, 2.0], &counts), Some((2, -3.0)));
        assert_eq!(
            peak(&[9.0, 2.0, 0.0, 2.0], &counts),
            Some((1, 2.0)),
            "the first"
        );
        assert_eq!(peak(&[9.0, 0.0, 0.0, 0.0], &counts), None);
        assert_eq!(peak(&[], &[]), None);
    }
}
