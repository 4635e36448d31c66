//! Where a feature's pre-activation at one token came from: by source token, by head, and whether the parts sum to it.

use egui::{Label, RichText, Ui};
use umbra_core::heads::{Attribution, strongest};
use umbra_core::ids::{FeatureId, Head, Layer};
use umbra_core::prompt::{Input, Reading};

use crate::state::catalogue::DictionaryId;
use crate::state::heads::attribution::Key;
use crate::state::requests::{Commands, heads, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icons, mono, panel_title, space};
use crate::views::heads::map;
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::empty_state::failure_line;
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{legend, number};

/// Width from which the bars stand beside the text.
const BESIDE: f32 = 640.0;

/// Definition of a source token's attribution.
const BY_TOKEN: &str = "Part of the feature's pre-activation that comes through attention from each source token, summed over heads; below 0 it holds the feature down";

/// A request for an attribution, or the sentence that says what is missing.
enum Question {
    /// The attribution, and why it is this one where no person asked for it.
    Asked(Key, Option<String>),
    /// The sentence has to be read with a dictionary first.
    Read(DictionaryId, Input),
    /// A sentence, and whether the tokens are shown below it.
    Missing(String, bool),
    NoSentence,
}

/// Draws the attribution of the chosen feature at the chosen token; without them, that of the strongest feature of `head` on the sentence.
pub(super) fn attribution_ui(
    ui: &mut Ui,
    state: &AppState,
    head: Option<(Layer, Head)>,
    commands: &mut Commands,
) {
    ui.label(panel_title("Attribution on the sentence in Prompt"));
    let secondary = Theme::from_ui(ui).ink.secondary;
    match question(state, head) {
        Question::Missing(words, tokens) => {
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
            if let Some(texts) = texts(state).filter(|_| tokens) {
                strip_ui(ui, (texts, &[], 1.0), state.selection.token, commands);
            }
        }
        Question::NoSentence => {
            ui.horizontal(|ui| {
                ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
                if ui.button("Type a sentence").clicked() {
                    commands.send(navigation::Command::Go(ViewId::Prompt));
                }
            });
        }
        Question::Read(dictionary, input) => {
            ui.label(RichText::new("Reading the sentence…").color(secondary));
            let of = (dictionary, input);
            if state.heads.attribution.reading_of.as_ref() != Some(&of) {
                commands.send(heads::attribution::Command::Read(of.0, of.1));
            }
        }
        Question::Asked(key, why) => {
            if let Some(why) = why {
                ui.add(Label::new(caption(why).color(secondary)).wrap());
            }
            asked_ui(ui, state, &key, commands);
        }
    }
}

/// The dictionary in use with its selected feature, unless a person chose a head of another layer than it reads; else that of `head` with its features.
fn candidates(
    state: &AppState,
    head: Option<(Layer, Head)>,
) -> Result<(DictionaryId, Vec<FeatureId>, bool), &'static str> {
    let used = state.dictionary().filter(|_| state.sae().is_some());
    let layer = state.selection.head.map(|(layer, _)| layer);
    let used = used.filter(|used| {
        let hook = used.hook().filter(|hook| hook.is_z());
        hook.is_some_and(|hook| layer.is_none() || hook.layer() == layer)
    });
    if let (Some(used), Some(feature)) = (used, state.selection.feature) {
        return Ok((used.id, vec![feature], true));
    }
    let of_head = head.and_then(|head| map::features_of(state, head));
    let (dictionary, features) =
        of_head.ok_or("Attribution needs a dictionary on attn.hook_z and one of its features")?;
    Ok((dictionary, features, false))
}

fn question(state: &AppState, head: Option<(Layer, Head)>) -> Question {
    let (dictionary, features, chosen) = match candidates(state, head) {
        Ok(candidates) => candidates,
        Err(why) => return Question::Missing(why.to_owned(), false),
    };
    let Some(input) = state.prompt.input() else {
        return Question::NoSentence;
    };
    let at = state.selection.token;
    let key = |feature, input, at| Key {
        dictionary,
        feature,
        input,
        at,
    };
    if let (true, Some(at)) = (chosen, at) {
        return Question::Asked(key(features[0], input, at), None);
    }
    let Some(reading) = reading(state, dictionary, &input) else {
        return match &state.heads.attribution.reading {
            Load::Failed(why)
                if state.heads.attribution.reading_of == Some((dictionary, input.clone())) =>
            {
                Question::Missing(format!("The sentence could not be read: {why}"), false)
            }
            _ => Question::Read(dictionary, input),
        };
    };
    let reading = (&reading.latents, reading.counts.as_slice());
    let counts = |at: &usize| reading.1.get(*at).copied().unwrap_or(true);
    let left_out = at.is_some_and(|at| !counts(&at));
    let at = at.filter(counts);
    let found = at.and_then(|at| strongest(reading, &features, Some(at)));
    let Some((feature, token)) = found.or_else(|| strongest(reading, &features, None)) else {
        let words = if chosen {
            format!(
                "#{} is silent on this sentence. Click a token to see the sources of its pre-activation there",
                features[0]
            )
        } else {
            "The features of this head are silent on this sentence. Choose one above and a token below".to_owned()
        };
        return Question::Missing(words, true);
    };
    let name = state
        .catalogue
        .get(dictionary)
        .map_or("", |d| d.name.as_str());
    let why = if chosen {
        format!("#{feature} of {name} where it is strongest on the sentence; click another token")
    } else {
        format!(
            "#{feature} of {name}, the strongest of the head's features on the sentence; choose another above, or click another token"
        )
    };
    let why = if left_out {
        format!("{why} (the first position and special tokens are excluded)")
    } else {
        why
    };
    Question::Asked(key(feature, input, token), Some(why))
}

/// The sentence as a dictionary reads it, if that is known.
fn reading<'a>(
    state: &'a AppState,
    dictionary: DictionaryId,
    input: &Input,
) -> Option<&'a Reading> {
    let prompt = &state.prompt;
    let of = prompt.reading_of.as_ref();
    let in_use = of.is_some_and(|(reader, read)| *reader == Some(dictionary) && read == input);
    if let Some(reading) = prompt.reading.ready().filter(|_| in_use) {
        return Some(reading);
    }
    let of = state.heads.attribution.reading_of.as_ref();
    let own = of.is_some_and(|(id, read)| *id == dictionary && read == input);
    let reading = state.heads.attribution.reading.ready().filter(|_| own)?;
    Some(reading)
}

/// The sentence's tokens, as far as they are known.
fn texts(state: &AppState) -> Option<&[String]> {
    let reading = state.prompt.reading.ready()?;
    let of = state.prompt.reading_of.as_ref()?;
    (Some(&of.1) == state.prompt.input().as_ref()).then_some(reading.texts.as_slice())
}

fn asked_ui(ui: &mut Ui, state: &AppState, key: &Key, commands: &mut Commands) {
    let known = state.heads.attribution.of.as_ref() == Some(key);
    let at = key.at;
    if !known {
        commands.send(heads::attribution::Command::Attribute(key.clone()));
    }
    match &state.heads.attribution.load {
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
        "#{} at token {}: pre-activation {} = heads {} {} (−w·b_dec) {} (b_enc)",
        key.feature,
        key.at,
        number::number(found.pre_activation),
        number::number(sum),
        number::term(-found.decoder_bias),
        number::term(found.encoder_bias),
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
