//! The choice of a feature: those that fire on the sentence as chips, strongest first.

use egui::{Button, Label, Ui};
use umbra_core::heads::Firing;

use super::choose;
use super::subject::Asked;
use crate::state::AppState;
use crate::state::requests::heads::attribution::Command;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, caption};
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::number;

/// Chips shown at most.
const MOST: usize = 8;

/// Widest chip.
const WIDTH: f32 = 220.0;

/// Draws the chips, and says why the one that is shown is.
pub(super) fn choice_ui(ui: &mut Ui, state: &AppState, asked: &Asked<'_>, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let all = &asked.read.firing;
    let of_head = |firing: &&Firing| asked.of_head.contains(&firing.feature);
    let some_of_head = all.iter().any(|firing| of_head(&firing));
    let of_all = state.heads.attribution.all || !some_of_head;
    let listed: Vec<&Firing> = all
        .iter()
        .filter(|firing| of_all || of_head(firing))
        .collect();
    ui.horizontal_wrapped(|ui| {
        ui.label(caption("Fires on the sentence, strongest first").color(secondary));
        if some_of_head {
            for (words, wanted) in [("Head's features", false), ("All features", true)] {
                let button = Button::selectable(of_all == wanted, caption(words));
                if ui.add(button).clicked() && of_all != wanted {
                    commands.send(Command::All(wanted));
                }
            }
        }
    });
    let most = listed.first().map_or(1.0, |firing| firing.act.abs());
    ui.horizontal_wrapped(|ui| {
        for firing in listed.iter().take(MOST) {
            chip_ui(ui, state, (asked, **firing, most), commands);
        }
        if listed.len() > MOST {
            let words = format!("and {} more", listed.len() - MOST);
            ui.label(caption(words).color(secondary))
                .on_hover_text("Every feature of a token is listed in Prompt");
        }
    });
    if let Some(silent) = asked.silent {
        ui.horizontal_wrapped(|ui| {
            let words = format!("#{silent}, which is selected, is silent on this sentence.");
            ui.label(caption(words).color(secondary));
            let button = Button::new(format!("Attribute #{silent} anyway")).small();
            if ui.add(button).clicked() {
                let last = asked.read.reading.tokens.len().saturating_sub(1);
                let counts = |at: &usize| asked.read.reading.counts.get(*at) == Some(&true);
                let at = state.selection.token.filter(counts).unwrap_or(last);
                choose(&asked.key, (silent, at), commands);
            }
        });
    }
    if let Some(why) = &asked.why {
        let words = format!("{why}. Click another chip or token");
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
}

fn chip_ui(
    ui: &mut Ui,
    state: &AppState,
    (asked, firing, most): (&Asked<'_>, Firing, f32),
    commands: &mut Commands,
) {
    let Firing { feature, at, act } = firing;
    let dictionary = asked.key.dictionary;
    let text = asked.read.reading.texts.get(at);
    let text = text.map_or("", String::as_str).replace('\n', "⏎");
    let chip = FeatureChip::new(feature, state.name_of(dictionary, feature))
        .strength(act.abs() / most.max(f32::MIN_POSITIVE))
        .selected(feature == asked.key.feature)
        .max_width(WIDTH.min(ui.max_rect().width()));
    let reply = chip.show(ui, |ui| {
        let act = number::number(f64::from(act));
        ui.label(format!("Activation {act} at “{text}”, token {at}"));
        ui.label(caption(
            "Click to attribute it there, middle click to open its page",
        ));
    });
    if reply.open {
        choose(&asked.key, (feature, at), commands);
    }
    if reply.beside {
        commands.send(navigation::Command::FollowDictionary(dictionary));
        commands.send(navigation::Command::Feature {
            feature,
            beside: true,
        });
    }
}
