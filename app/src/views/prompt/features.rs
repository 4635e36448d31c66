//! The sentence's tokens, coloured by features; the chosen token's features and what the model expects next.

use std::sync::Arc;

use egui::{Align, Layout, ScrollArea, Ui, UiBuilder};
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use super::token;
use crate::memo::Memo;
use crate::state::requests::{Commands, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, mono_caption, space};
use crate::views::feature::chips;
use crate::views::missing::without_dictionary_ui;
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::legend;
use crate::widgets::number::number;
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Width from which the token's panel is at the right.
const TWO_COLUMNS: f32 = 640.0;

/// Meaning of the tints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ColourBy {
    /// The activation of any feature that is largest in size.
    #[default]
    Strongest,
    /// One feature.
    Feature,
}

/// Tints of one reading.
#[derive(Debug, Default)]
pub(super) struct Tints {
    pub(super) values: Vec<f32>,
    pub(super) scale: Scale,
}

/// Inputs of the tints.
#[derive(Debug, PartialEq)]
struct TintsKey {
    reading: usize,
    feature: Option<FeatureId>,
    scale: Option<u32>,
}

/// The features panel of Prompt.
#[derive(Debug, Default)]
pub(super) struct FeaturesSide {
    colour_by: ColourBy,
    /// The selection that the colouring followed last.
    followed: Option<FeatureId>,
    tints: Memo<TintsKey, Tints>,
}

/// The reading to show: the present one, or the last one of this dictionary while the next is on its way.
fn shown(state: &AppState) -> Option<Arc<Reading>> {
    if let Load::Ready(reading) = &state.prompt.reading {
        return Some(Arc::clone(reading));
    }
    let (of, reading) = state.prompt.last.as_ref()?;
    (Some(*of) == state.reader()).then(|| Arc::clone(reading))
}

/// The selected token, else the last one.
fn position(state: &AppState, reading: &Reading) -> usize {
    let last = reading.tokens.len().saturating_sub(1);
    state.selection.token.map_or(last, |at| at.min(last))
}

impl FeaturesSide {
    /// Draws tokens and panel.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        if state.reader().is_none() {
            let sentence = "Loading the dictionary…";
            empty_state(ui, icons::CURSOR_TEXT, sentence, None);
            return;
        }
        let still = "tokens, predictions, the logit lens and attention are shown";
        without_dictionary_ui(ui, state, still, commands);
        if let Load::Failed(why) = &state.prompt.reading {
            failure_line(ui, "The sentence could not be read", why);
            return;
        }
        let Some(reading) = shown(state) else { return };
        self.follow_selection(state);
        let at = position(state, &reading);
        if ui.available_width() < TWO_COLUMNS {
            ScrollArea::vertical().show(ui, |ui| {
                self.strip_ui(ui, state, &reading, commands);
                ui.add_space(space::GROUP);
                self.token_ui(ui, state, (&reading, at), commands);
            });
            return;
        }
        self.columns_ui(ui, state, (&reading, at), commands);
    }

    /// Choosing another feature anywhere colours by it.
    fn follow_selection(&mut self, state: &AppState) {
        let feature = state.selection.feature;
        if self.followed != feature {
            self.followed = feature;
            self.colour_by = if feature.is_some() {
                ColourBy::Feature
            } else {
                ColourBy::Strongest
            };
        }
    }

    fn columns_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        reading: (&Reading, usize),
        commands: &mut Commands,
    ) {
        let area = ui.available_rect_before_wrap();
        let side = (area.width() * 0.42).clamp(280.0, 420.0);
        let left = area.with_max_x(area.right() - side - space::GROUP);
        let right = area.with_min_x(area.right() - side);
        let column = |rect| {
            UiBuilder::new()
                .max_rect(rect)
                .layout(Layout::top_down(Align::Min))
        };
        ui.scope_builder(column(left), |ui| {
            ScrollArea::vertical()
                .id_salt("tokens")
                .auto_shrink(false)
                .show(ui, |ui| {
                    ui.set_width(left.width() - space::CONTROL);
                    self.strip_ui(ui, state, reading.0, commands);
                });
        });
        let line = egui::Stroke::new(1.0, Theme::from_ui(ui).line.hair);
        let x = left.right() + space::GROUP / 2.0;
        ui.painter().vline(x, area.y_range(), line);
        ui.scope_builder(column(right), |ui| {
            ScrollArea::vertical()
                .id_salt("token")
                .auto_shrink(false)
                .show(ui, |ui| {
                    ui.set_width(side - space::CONTROL);
                    self.token_ui(ui, state, reading, commands);
                });
        });
    }

    fn token_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        reading: (&Reading, usize),
        commands: &mut Commands,
    ) {
        if let Some(feature) = token::token_ui(ui, state, reading, commands) {
            self.colour_by = ColourBy::Feature;
            commands.send(navigation::Command::SelectFeature(Some(feature)));
        }
    }

    fn strip_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        reading: &Reading,
        commands: &mut Commands,
    ) {
        let feature = self.colour_ui(ui, state);
        let scale = feature.and_then(|feature| {
            let table = state.features.table_for(state.selection.dictionary?)?;
            Some(table.most(feature) as f32)
        });
        let key = TintsKey {
            reading: std::ptr::from_ref(reading) as usize,
            feature,
            scale: scale.map(f32::to_bits),
        };
        let signed = state.sae().is_some_and(|sae| sae.selection.is_signed());
        let tints = self
            .tints
            .get(key, |_| tints(reading, feature, scale, signed));
        if state.sae().is_some() {
            ui.horizontal(|ui| {
                legend::activation(ui, tints.scale);
            });
        }
        let mut card = |ui: &mut Ui, at: usize| card_ui(ui, state, reading, at);
        let at = state
            .selection
            .token
            .filter(|at| *at < reading.tokens.len());
        let reply = TokenStrip::new("Tokens of the sentence", &reading.texts)
            .activations(&tints.values, tints.scale)
            .selected(at.map(|at| at..=at))
            .card(&mut card)
            .show(ui);
        if let Some(token) = reply.chosen {
            commands.send(navigation::Command::SelectToken(Some(token)));
        }
    }

    /// Draws the choice of tints; returns the feature if one is chosen.
    fn colour_ui(&mut self, ui: &mut Ui, state: &AppState) -> Option<FeatureId> {
        state.sae()?;
        let feature = state.selection.feature;
        ui.horizontal_wrapped(|ui| {
            ui.label(caption("Colour by").color(Theme::from_ui(ui).ink.secondary));
            let strongest = self.colour_by == ColourBy::Strongest || feature.is_none();
            let help = "Colours each token by its strongest feature activation";
            if ui
                .selectable_label(strongest, "Strongest feature")
                .on_hover_text(help)
                .clicked()
            {
                self.colour_by = ColourBy::Strongest;
            }
            if let Some(feature) = feature {
                let title = chips::title(state, feature);
                let help = "Colours each token by this feature, on its scale over the index's text";
                if ui
                    .selectable_label(!strongest, title)
                    .on_hover_text(help)
                    .clicked()
                {
                    self.colour_by = ColourBy::Feature;
                }
            }
        });
        feature.filter(|_| self.colour_by == ColourBy::Feature)
    }
}

/// Values and scale of the tints: one feature on the scale of the index, or the strongest of each token. Row starts and special tokens are left out of
/// the scale, since dictionaries are trained without them.
pub(super) fn tints(
    reading: &Reading,
    feature: Option<FeatureId>,
    scale: Option<f32>,
    signed: bool,
) -> Tints {
    let value = |t: usize| match feature {
        Some(feature) => reading.latents.get(t, feature),
        None => reading.strongest(t, 1).first().map_or(0.0, |(_, act)| *act),
    };
    let values: Vec<f32> = (0..reading.latents.rows()).map(value).collect();
    let counted = values.iter().zip(&reading.counts);
    let counted = counted.filter(|(_, counts)| **counts);
    let here = counted.fold(0.0_f32, |most, (v, _)| most.max(v.abs()));
    let most = match scale {
        Some(scale) => scale.max(here),
        None => here,
    };
    let most = if most > 0.0 { most } else { 1.0 };
    let scale = Scale { most, signed };
    Tints { values, scale }
}

/// Token, id, position, its three strongest features.
fn card_ui(ui: &mut Ui, state: &AppState, reading: &Reading, at: usize) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let text = reading.texts[at].replace('\n', "⏎");
    ui.label(mono_caption(format!("“{text}”")));
    let place = format!("id {}, position {at}", reading.tokens[at]);
    ui.label(caption(place).color(secondary));
    for (feature, act) in reading.strongest(at, 3) {
        ui.horizontal(|ui| {
            ui.label(caption(chips::title(state, feature)));
            ui.label(mono_caption(number(f64::from(act))).color(secondary));
        });
    }
}
