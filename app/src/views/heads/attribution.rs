//! Where a feature's pre-activation at one token came from: by source token, by head, and whether the parts sum to it.

use egui::{RichText, Ui};
use umbra_core::heads::Attribution;
use umbra_core::ids::FeatureId;

use crate::state::catalogue::Dictionary;
use crate::state::heads::Key;
use crate::state::requests::{Commands, heads, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icons, mono, panel_title, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::empty_state::failure_line;
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{legend, number};

/// Width from which the bars stand beside the text.
const BESIDE: f32 = 640.0;

/// Definition of a source token's attribution.
const BY_TOKEN: &str = "Part of the feature's pre-activation that comes through attention from each source token, summed over heads; below 0 it holds the feature down";

/// A request for an attribution, or the sentence that says what is missing.
enum Question<'a> {
    Asked(Key),
    /// A feature, and a text without a chosen token.
    NoToken(&'a Dictionary, FeatureId),
    Missing(&'static str),
    NoSentence,
}

/// Draws the attribution of the chosen feature at the chosen token.
pub(super) fn attribution_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.label(panel_title("Attribution on the sentence in Prompt"));
    let secondary = Theme::from_ui(ui).ink.secondary;
    match question(state) {
        Question::Missing(words) => {
            ui.label(RichText::new(words).color(secondary));
        }
        Question::NoSentence => {
            ui.horizontal(|ui| {
                ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
                if ui.button("Type a sentence").clicked() {
                    commands.send(navigation::Command::Go(ViewId::Prompt));
                }
            });
        }
        Question::NoToken(dictionary, feature) => {
            let words = format!(
                "Click a token to see the sources of #{feature} of {} there",
                dictionary.name
            );
            ui.label(RichText::new(words).color(secondary));
            if let Some(texts) = texts(state) {
                strip_ui(ui, (texts, &[], 1.0), None, commands);
            }
        }
        Question::Asked(key) => asked_ui(ui, state, &key, commands),
    }
}

fn question(state: &AppState) -> Question<'_> {
    let Some(dictionary) = state.dictionary().filter(|_| state.sae().is_some()) else {
        return Question::Missing(
            "Attribution needs a dictionary on attn.hook_z: select a feature of a head",
        );
    };
    let Some(feature) = state.selection.feature else {
        return Question::Missing("Select a feature of a head");
    };
    if !dictionary
        .hook()
        .is_some_and(umbra_core::ids::HookPoint::is_z)
    {
        return Question::Missing(
            "The selected dictionary does not read attn.hook_z: select a feature of a head",
        );
    }
    let Some(input) = state.prompt.input() else {
        return Question::NoSentence;
    };
    let Some(at) = state.selection.token else {
        return Question::NoToken(dictionary, feature);
    };
    Question::Asked(Key {
        dictionary: dictionary.id,
        feature,
        input,
        at,
    })
}

/// The sentence's tokens, as far as they are known.
fn texts(state: &AppState) -> Option<&[String]> {
    let reading = state.prompt.reading.ready()?;
    let of = state.prompt.reading_of.as_ref()?;
    (Some(&of.1) == state.prompt.input().as_ref()).then_some(reading.texts.as_slice())
}

fn asked_ui(ui: &mut Ui, state: &AppState, key: &Key, commands: &mut Commands) {
    let known = state.heads.attribution_of.as_ref() == Some(key);
    let at = key.at;
    if !known {
        commands.send(heads::Command::Attribute(key.clone()));
    }
    match &state.heads.attribution {
        Load::Ready(found) if known => {
            found_ui(ui, found, key, commands);
            silent_ui(ui, state, found, key);
        }
        Load::Failed(why) if known => {
            failure_line(ui, "Could not attribute the feature", why);
            if let Some(texts) = texts(state) {
                strip_ui(ui, (texts, &[], 1.0), Some(at), commands);
            }
        }
        _ => {
            if let Some(texts) = texts(state) {
                strip_ui(ui, (texts, &[], 1.0), Some(at), commands);
            }
        }
    }
}

fn found_ui(ui: &mut Ui, found: &Attribution, key: &Key, commands: &mut Commands) {
    sum_ui(ui, found, key);
    let by_source = found.by_source();
    let by_head = found.by_head();
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let most = largest(&by_source).max(f64::MIN_POSITIVE);
    let values: Vec<f32> = by_source.iter().map(|v| *v as f32).collect();
    let text = |ui: &mut Ui, commands: &mut Commands| {
        ui.label(body_strong("By source token"));
        legend::diverging(ui, "attribution", most);
        strip_ui(
            ui,
            (&found.texts, &values, most as f32),
            Some(key.at),
            commands,
        );
    };
    let bars = |ui: &mut Ui| {
        ui.label(body_strong("By head"));
        let bars: Vec<Bar> = by_head
            .iter()
            .enumerate()
            .map(|(head, value)| {
                let help =
                    "z of this head times the feature's encoder row, summed over source tokens";
                Bar::new(format!("Head {head}"), *value)
                    .text(number::signed(*value))
                    .hover(help)
            })
            .collect();
        Bars::new("Attribution by head", &bars, Fill::Signed).show(ui);
    };
    if ui.available_width() >= BESIDE {
        let width = ui.available_width();
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            ui.vertical(|ui| {
                ui.set_width(width * 0.6 - space::GROUP);
                text(ui, commands);
            });
            ui.vertical(|ui| {
                ui.set_width(width * 0.4);
                bars(ui);
            });
        });
    } else {
        text(ui, commands);
        ui.add_space(space::CONTROL);
        bars(ui);
    }
}

/// The identity: the parts sum to the pre-activation and its bias terms.
fn sum_ui(ui: &mut Ui, found: &Attribution, key: &Key) {
    let theme = Theme::from_ui(ui);
    let sum: f64 = found.by_head().iter().sum();
    let line = format!(
        "#{} at token {}: Σ {} = pre-activation {} + w·b_dec {} − b_enc {}",
        key.feature,
        key.at,
        number::number(sum),
        number::number(found.pre_activation),
        number::number(found.decoder_bias),
        number::number(found.encoder_bias),
    );
    ui.horizontal_wrapped(|ui| {
        ui.label(mono(line));
        let (icon, words, colour) = if found.sums_up() {
            (icons::CHECK_CIRCLE, "adds up", theme.promoted)
        } else {
            (icons::WARNING, "does not add up", theme.warning)
        };
        let residue = number::number(found.residue());
        ui.label(RichText::new(format!("{icon} {words}, residue {residue}")).color(colour))
            .on_hover_text("Sum of all attributions, minus the pre-activation, the decoder bias term and the encoder bias: 0 except for rounding");
    });
}

/// Said where no rule without signs lets the feature fire.
fn silent_ui(ui: &mut Ui, state: &AppState, found: &Attribution, key: &Key) {
    let loaded = state.catalogue.get(key.dictionary).map(|d| &d.load);
    let signed = loaded
        .and_then(Load::ready)
        .is_some_and(|loaded| loaded.sae.selection.is_signed());
    if found.pre_activation <= 0.0 && !signed {
        let words = "The pre-activation is not positive, so the feature is silent here";
        ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
    }
}

fn strip_ui(
    ui: &mut Ui,
    (texts, values, most): (&[String], &[f32], f32),
    at: Option<usize>,
    commands: &mut Commands,
) {
    let mut card = |ui: &mut Ui, token: usize| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(mono(format!("{:?}", texts[token])));
        ui.label(caption(format!("position {token}")).color(secondary));
        if let Some(value) = values.get(token) {
            ui.label(format!("attribution {}", number::signed(f64::from(*value))));
        }
    };
    let at = at.filter(|at| *at < texts.len());
    let reply = TokenStrip::new("Attribution by source token", texts)
        .values(values, most)
        .tint(Tint::Diverging)
        .definition(BY_TOKEN)
        .selected(at.map(|at| at..=at))
        .card(&mut card)
        .show(ui);
    if let Some(token) = reply.chosen {
        commands.send(navigation::Command::SelectToken(Some(token)));
    }
}
