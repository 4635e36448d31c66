//! Which feature at which token the circuit traces: the one that the attribution explains, unless a person asks for the selected feature of a dictionary that
//! attribution cannot explain.

use egui::{Button, Ui};
use umbra_core::heads::circuit;
use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::heads::attribution::Key as Target;
use crate::state::heads::step::Tab;
use crate::state::requests::heads::{self, attribution};
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, caption, icons, mono};
use crate::views::heads::why::attribution::subject::Asked;
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::number;

/// Features that may be chosen in the menu.
const MOST: usize = 8;

/// Returns the selected feature of the dictionary in use where that reads the residual stream or an output, at the selected token or where it is strongest.
pub(super) fn selected(state: &AppState) -> Option<Target> {
    let used = state.dictionary()?;
    let model = &state.pair(used.id)?.model;
    let is_traced = circuit::check(model, state.sae_of(used.id)?).is_ok();
    let hook = used.hook().filter(|hook| is_traced && !hook.is_z());
    let feature = state.selection.feature.filter(|_| hook.is_some())?;
    Some(Target {
        dictionary: used.id,
        feature,
        input: state.prompt.input()?,
        at: state
            .selection
            .token
            .or_else(|| strongest(state, feature))?,
    })
}

/// Position at which a feature of the dictionary in use is strongest on the sentence.
fn strongest(state: &AppState, feature: FeatureId) -> Option<usize> {
    let reading = state.prompt.reading.ready()?;
    let of = (&reading.latents, reading.counts.as_slice());
    umbra_core::heads::strongest(of, &[feature], None).map(|(_, at)| at)
}

/// Describes a feature at a token in one line.
fn words(state: &AppState, target: &Target, texts: &[String]) -> String {
    let Target { feature, at, .. } = *target;
    let name = state.name_of(target.dictionary, feature);
    let known = name.label.or(name.token).unwrap_or_default();
    let token = texts.get(at).map_or("", String::as_str);
    format!("#{feature} {known} at token {at} “{token}”").replace('\n', "⏎")
}

/// Says which feature is traced at which token, with a menu of others.
pub(super) fn traces_ui(
    ui: &mut Ui,
    state: &AppState,
    target: &Target,
    (shared, own): (Option<&Asked<'_>>, Option<&Target>),
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let read = state.prompt.reading.ready();
    let texts = shared.map(|shared| shared.read.reading.texts.as_slice());
    let texts = texts.or_else(|| read.map(|read| read.texts.as_slice()));
    let texts = texts.unwrap_or_default();
    ui.horizontal_wrapped(|ui| {
        ui.label("Traces");
        let name = state.name_of(target.dictionary, target.feature);
        let width = 220_f32.min(ui.max_rect().width());
        let chip = FeatureChip::new(target.feature, name).max_width(width);
        let reply = chip.show(ui, |ui| {
            ui.label("Opens the feature's page");
        });
        if reply.open || reply.beside {
            let id = target.dictionary;
            commands.send(navigation::Command::FollowDictionary(id));
            commands.send(navigation::Command::Feature {
                feature: target.feature,
                beside: reply.beside,
            });
        }
        let dictionary = state.catalogue.get(target.dictionary);
        let of = dictionary.map_or("", |dictionary| dictionary.name.as_str());
        let place = format!("of {of} at token {}", target.at);
        ui.label(caption(place).color(secondary));
        let token = texts.get(target.at).map_or("", String::as_str);
        ui.label(mono(format!("“{}”", token.replace('\n', "⏎"))));
        let menu = ui.menu_button(format!("Trace another {}", icons::CARET_DOWN), |ui| {
            others_ui(ui, state, (target, texts), (shared, own), commands);
        });
        let name = || egui::WidgetInfo::labeled(egui::Role::Button, true, "Trace another");
        menu.response.widget_info(name);
    });
}

/// Lists what may be traced instead: features that fire on the sentence, and the selected one.
fn others_ui(
    ui: &mut Ui,
    state: &AppState,
    (target, texts): (&Target, &[String]),
    (shared, own): (Option<&Asked<'_>>, Option<&Target>),
    commands: &mut Commands,
) {
    if let Some(own) = own {
        let words = format!("{}, which is selected", words(state, own, texts));
        let button = Button::selectable(target == own, words);
        if ui.add(button).clicked() {
            commands.send(heads::circuit::Command::Own(true));
        }
        ui.separator();
    }
    if let Some(shared) = shared {
        for firing in shared.read.firing.iter().take(MOST) {
            let key = Target {
                feature: firing.feature,
                at: firing.at,
                ..shared.key.clone()
            };
            let act = number::number(f64::from(firing.act));
            let words = format!("{}, activation {act}", words(state, &key, texts));
            let button = Button::selectable(target == &key, words);
            if ui.add(button).clicked() {
                commands.send(heads::circuit::Command::Own(false));
                commands.send(attribution::Command::Choose(key));
            }
        }
        ui.separator();
    }
    let button = ui.button("Choose feature and token in Attribution");
    if button.clicked() {
        commands.send(heads::circuit::Command::Own(false));
        commands.send(heads::Command::Tab(Tab::Attribution));
    }
}
