//! Where a feature's pre-activation at one token comes from: by source token, by head, by both, and whether the parts sum to it.

mod choice;
mod parts;
pub(super) mod subject;
#[cfg(test)]
mod tests;

use egui::{Label, RichText, Ui};
use umbra_core::heads::Attribution;
use umbra_core::ids::{FeatureId, Head, Layer};

use self::subject::{Asked, Subject};
use crate::state::heads::attribution::Key;
use crate::state::requests::heads::attribution::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, mono, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::{meaning, number};

/// Says what the panel shows.
const INTRODUCTION: &str = "A feature of attn.hook_z reads what the heads bring from earlier tokens: attention weight × value × encoder row. These parts sum to its pre-activation.";

/// Definition of the residue.
const RESIDUE: &str = "Sum of all parts, minus the pre-activation, the decoder bias term and the encoder bias: 0 except for rounding";

/// Draws the attribution of the chosen feature at the chosen token; without them, that of a feature that fires on the sentence.
pub(super) fn attribution_ui(
    ui: &mut Ui,
    state: &AppState,
    head: Option<(Layer, Head)>,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(panel_title("Attribution on the sentence in Prompt"));
    ui.add(Label::new(caption(INTRODUCTION).color(secondary)).wrap());
    ui.add_space(space::CHIP);
    match Subject::new(state, head) {
        Subject::Missing(words, texts) => {
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
            if let Some(texts) = texts {
                parts::plain_ui(ui, texts, state.selection.token, commands);
            }
        }
        Subject::NoSentence => {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
                if ui.button("Type a sentence").clicked() {
                    commands.send(navigation::Command::Go(ViewId::Prompt));
                }
            });
        }
        Subject::Read(dictionary, input) => {
            ui.label(RichText::new("Reading the sentence…").color(secondary));
            let of = (dictionary, input);
            if state.heads.attribution.reading_of.as_ref() != Some(&of) {
                commands.send(Command::Read(of.0, of.1));
            }
        }
        Subject::Asked(asked) => asked_ui(ui, state, &asked, commands),
    }
}

fn asked_ui(ui: &mut Ui, state: &AppState, asked: &Asked<'_>, commands: &mut Commands) {
    let key = &asked.key;
    choice::choice_ui(ui, state, asked, commands);
    let known = state.heads.attribution.of.as_ref() == Some(key);
    if !known {
        commands.send(Command::Attribute(key.clone()));
    }
    match &state.heads.attribution.load {
        Load::Ready(found) if known => {
            explained_ui(ui, found);
            sum_ui(ui, found);
            ui.add_space(space::CONTROL);
            parts::parts_ui(ui, state, (found, key), commands);
        }
        Load::Failed(why) if known => {
            failure_line(ui, "Could not attribute the feature", why);
            parts::texts_ui(ui, &asked.read.reading.texts, key, commands);
        }
        _ => parts::texts_ui(ui, &asked.read.reading.texts, key, commands),
    }
}

/// Says what is explained: the pre-activation or a gate, and how it stands to the cut-off.
fn explained_ui(ui: &mut Ui, found: &Attribution) {
    let theme = Theme::from_ui(ui);
    ui.horizontal_wrapped(|ui| {
        let token = found.texts[found.at].replace('\n', "⏎");
        ui.label(mono(format!("#{} at “{token}”", found.feature)));
        let act = number::number(found.activation);
        let (icon, words, colour) = match (found.active, found.cut_off) {
            (true, _) => (icons::CHECK_CIRCLE, format!("fires with {act}"), theme.ink.primary),
            (false, Some(cut_off)) if found.is_below_cut_off() => {
                let cut_off = number::number(cut_off);
                let words = format!("silent: below the cut-off {cut_off}");
                (icons::WARNING, words, theme.warning)
            }
            (false, _) => (icons::WARNING, "silent".to_owned(), theme.warning),
        };
        let help = "The least pre-activation with which the feature fires at this token: its threshold, or the least that the dictionary's rule kept";
        ui.label(RichText::new(format!("{icon} {words}")).color(colour))
            .on_hover_text(help);
    });
    let words = caption(&found.explained).color(theme.ink.secondary);
    ui.add(Label::new(words).wrap());
}

/// The identity: the parts sum to the pre-activation and its bias terms.
fn sum_ui(ui: &mut Ui, found: &Attribution) {
    let theme = Theme::from_ui(ui);
    let line = format!(
        "pre-activation {} = heads {} {} (−w·b_dec) {} (b_enc)",
        number::number(found.pre_activation),
        number::number(found.sum()),
        number::term(-found.decoder_bias),
        number::term(found.encoder_bias),
    );
    ui.horizontal_wrapped(|ui| {
        let label = ui.label(mono(line));
        let value = found.pre_activation.to_string();
        meaning::figure(&label, "Pre-activation", RESIDUE, &value);
        let (icon, words, colour) = if found.sums_up() {
            (icons::CHECK_CIRCLE, "adds up", theme.promoted)
        } else {
            (icons::WARNING, "does not add up", theme.warning)
        };
        let residue = number::number(found.residue());
        ui.label(RichText::new(format!("{icon} {words}, residue {residue}")).color(colour))
            .on_hover_text(RESIDUE);
    });
}

/// Asks to explain a feature at a token, even one that is silent there.
fn choose(key: &Key, (feature, at): (FeatureId, usize), commands: &mut Commands) {
    commands.send(Command::Choose(Key {
        feature,
        at,
        ..key.clone()
    }));
}
