//! The sentence beside a second text: tokens aligned, and the features that change between them.

use std::sync::Arc;

use egui::{
    FontId, Galley, Rect, RichText, ScrollArea, Sense, TextEdit, Ui, WidgetInfo, pos2, vec2,
};
use umbra_core::ids::FeatureId;
use umbra_core::prompt::{Difference, Step};

use super::rows;
use crate::state::requests::{Commands, navigation, texts};
use crate::state::texts::Beside;
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, caption, icons, panel_title, size, space};
use crate::views::missing::without_dictionary_ui;
use crate::widgets::csv::{self, Value};
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::legend;
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::number::{count, number, signed};
use crate::widgets::scroll::scroll_ui;

/// Features listed before a button shows more.
const FEATURES: usize = 30;

/// Height of a token.
const TOKEN: f32 = 22.0;

/// Definition of the tints.
const CHANGE: &str = "Size of the change at a token: the norm of the difference of all activations between the two texts. A token that the other text lacks is compared with no activation; tokens that do not count are left out";

/// The panel.
#[derive(Debug, Default)]
pub(super) struct BesideSide {
    /// Whether the tokens are coloured by the selected feature.
    by_feature: bool,
    all: bool,
}

impl BesideSide {
    /// Draws the second text, both token by token and what changes.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let still = "texts cannot be compared by features";
        without_dictionary_ui(ui, state, still, commands);
        if state.sae().is_none() {
            return;
        }
        scroll_ui(ui, "prompt beside", ScrollArea::vertical(), |ui| {
            second_ui(ui, state, commands);
            ui.add_space(space::CONTROL);
            self.pair_ui(ui, state, commands);
        });
    }

    fn pair_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let Some(key) = state.pair_key() else {
            let words = "Type a second text to see which features change, token by token.";
            empty_state(ui, icons::CURSOR_TEXT, words, None);
            return;
        };
        let beside = &state.texts.beside;
        let asked = beside.of.as_ref() == Some(&key);
        if !asked && state.prompt.pause_left().is_none() {
            commands.send(texts::Command::Align);
        }
        match &beside.load {
            Load::Failed(why) if asked => {
                failure_line(ui, "The texts could not be aligned", why);
                return;
            }
            Load::Absent if asked => {
                let words = "Reading the texts was stopped.";
                if empty_state(ui, icons::CURSOR_TEXT, words, Some("Read them")) {
                    commands.send(texts::Command::Align);
                }
                return;
            }
            _ => {}
        }
        let Some(beside) = beside.shown(&key) else {
            ui.label(RichText::new("Reading both texts…").color(secondary));
            return;
        };
        self.colours_ui(ui, state, beside);
        self.tokens_ui(ui, state, beside, commands);
        ui.add_space(space::GROUP);
        self.features_ui(ui, state, beside, commands);
    }

    /// The selected feature, if the tokens are coloured by it.
    fn feature(&self, state: &AppState) -> Option<FeatureId> {
        state.selection.feature.filter(|_| self.by_feature)
    }

    fn colours_ui(&mut self, ui: &mut Ui, state: &AppState, beside: &Beside) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.horizontal_wrapped(|ui| {
            let title = egui::Label::new(panel_title("Token by token"));
            let title = ui.add(title.sense(Sense::click()));
            let csv = || steps_csv(beside, self.feature(state));
            meaning::menu(&title, &Meaning::new("Two texts", CHANGE).csv(&csv));
            ui.label(caption("Colour by").color(secondary));
            let by_change = self.feature(state).is_none();
            let change = ui.selectable_label(by_change, "Change");
            if change.on_hover_text(CHANGE).clicked() {
                self.by_feature = false;
            }
            if let Some(feature) = state.selection.feature {
                let help = "Colours the tokens of both texts by the selected feature's activation";
                let chosen = ui.selectable_label(!by_change, format!("#{feature}"));
                if chosen.on_hover_text(help).clicked() {
                    self.by_feature = true;
                }
            }
            let most = f64::from(most(beside, self.feature(state)));
            let what = if by_change { "change" } else { "activation" };
            legend::sequential(ui, what, Hue::Activation, most);
        });
    }

    fn tokens_ui(&self, ui: &mut Ui, state: &AppState, beside: &Beside, commands: &mut Commands) {
        let feature = self.feature(state);
        let most = most(beside, feature);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(2.0, space::CONTROL);
            for (number, step) in beside.aligned.steps.iter().enumerate() {
                let values = values(beside, (number, *step), feature);
                let shares = values.map(|value| value / most);
                let selected = step.one.is_some() && step.one == state.selection.token;
                if step_ui(ui, beside, (number, *step), (shares, selected)) {
                    commands.send(navigation::Command::SelectToken(step.one));
                }
            }
        });
    }

    fn features_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        beside: &Beside,
        commands: &mut Commands,
    ) {
        let features = &beside.aligned.features;
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.horizontal_wrapped(|ui| {
            ui.label(panel_title("Features that change"));
            let words = format!(
                "{}, the second text less the first",
                count(features.len() as u64)
            );
            ui.label(caption(words).color(secondary));
        });
        let Some(first) = features.first() else {
            let words = "No activation differs between the two texts.";
            ui.label(RichText::new(words).color(secondary));
            return;
        };
        let titles = [
            (
                "change",
                "Largest change of the activation at a step, the second text less the first; a token that the other text lacks counts as 0 there",
            ),
            ("first", "Largest activation in size in the first text"),
            ("second", "Largest activation in size in the second text"),
        ];
        rows::heads_ui(ui, &titles);
        ui.spacing_mut().item_spacing.y = 2.0;
        let most = first.change.abs();
        let shown = if self.all { features.len() } else { FEATURES };
        for one in features.iter().take(shown) {
            let figures = [
                signed(f64::from(one.change)),
                number(f64::from(one.one)),
                number(f64::from(one.other)),
            ];
            let row = (one.feature, one.change / most, figures.as_slice());
            if rows::feature_ui(ui, state, commands, row, "Colour both texts by") {
                self.by_feature = true;
                commands.send(navigation::Command::SelectFeature(Some(one.feature)));
                let step = beside.aligned.steps[one.step];
                if step.one.is_some() {
                    commands.send(navigation::Command::SelectToken(step.one));
                }
            }
        }
        if features.len() > FEATURES {
            let words = if self.all { "Show fewer" } else { "Show all" };
            if ui.button(words).clicked() {
                self.all = !self.all;
            }
        }
    }
}

/// Draws the field of the second text.
fn second_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let mut second = state.texts.beside.text.clone();
    let first = &state.prompt.text;
    let label = ui
        .horizontal_wrapped(|ui| {
            ui.set_min_height(space::CONTROL_ROW);
            let label = ui.label("Second text");
            let copied = second != *first && ui.button("Start from the sentence").clicked();
            if copied {
                commands.send(texts::Command::Second(first.clone()));
            }
            label
        })
        .inner;
    let edit = TextEdit::multiline(&mut second)
        .desired_rows(1)
        .desired_width(f32::INFINITY)
        .hint_text("The sentence with a word changed");
    if ui.add(edit).labelled_by(label.id).changed() {
        commands.send(texts::Command::Second(second));
    }
}

/// Values of a step's two tokens: the activation of a feature, or the change.
fn values(beside: &Beside, (number, step): (usize, Step), feature: Option<FeatureId>) -> [f32; 2] {
    let Some(feature) = feature else {
        return [beside.aligned.changes[number]; 2];
    };
    let act = |side: usize, at: Option<usize>| {
        at.map_or(0.0, |t| beside.readings[side].latents.get(t, feature))
    };
    [act(0, step.one), act(1, step.other)]
}

/// Largest value in size among the tokens that count; 1 where all are 0.
fn most(beside: &Beside, feature: Option<FeatureId>) -> f32 {
    let counts = |side: usize, at: Option<usize>| {
        at.is_some_and(|t| beside.readings[side].counts.get(t) == Some(&true))
    };
    let steps = beside.aligned.steps.iter().enumerate();
    let most = steps.fold(0.0_f32, |most, (number, step)| {
        let [one, other] = values(beside, (number, *step), feature);
        let one = if counts(0, step.one) { one.abs() } else { 0.0 };
        let other = if counts(1, step.other) {
            other.abs()
        } else {
            0.0
        };
        most.max(one).max(other)
    });
    if most > 0.0 { most } else { 1.0 }
}

/// Draws a step: the token of the first text above that of the second; whether it was clicked.
fn step_ui(
    ui: &mut Ui,
    beside: &Beside,
    (number, step): (usize, Step),
    (shares, selected): ([f32; 2], bool),
) -> bool {
    let theme = Theme::from_ui(ui);
    let text = |side: usize, at: Option<usize>| {
        let text = at.and_then(|t| beside.readings[side].texts.get(t));
        text.map(|text| text.replace('\n', "⏎").replace('\t', "⇥"))
    };
    let texts = [text(0, step.one), text(1, step.other)];
    let galley = |text: &Option<String>, share: f32| -> Arc<Galley> {
        let ink = match text {
            Some(_) if share > 0.0 => theme.tint(Hue::Activation, share).ink,
            Some(_) => theme.ink.primary,
            None => theme.ink.disabled,
        };
        let text = text.clone().unwrap_or_else(|| "·".to_owned());
        ui.painter()
            .layout_no_wrap(text, FontId::monospace(size::BODY), ink)
    };
    let galleys = [galley(&texts[0], shares[0]), galley(&texts[1], shares[1])];
    let wide = galleys
        .iter()
        .map(|galley| galley.size().x)
        .fold(0.0, f32::max)
        + 8.0;
    let (rect, response) = ui.allocate_exact_size(vec2(wide, 2.0 * TOKEN), Sense::click());
    let words = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    response.widget_info(|| {
        let name = format!(
            "Step {number}: {} beside {}",
            words(&texts[0]).trim(),
            words(&texts[1]).trim()
        );
        WidgetInfo::selected(egui::Role::ListItem, true, selected, name)
    });
    if ui.is_rect_visible(rect) {
        let painter = ui.painter();
        for (side, galley) in galleys.into_iter().enumerate() {
            let top = rect.top() + side as f32 * TOKEN;
            let place = Rect::from_min_size(pos2(rect.left(), top), vec2(wide, TOKEN - 1.0));
            if texts[side].is_some() && shares[side] > 0.0 {
                let fill = theme.tint(Hue::Activation, shares[side].min(1.0)).fill;
                painter.rect_filled(place, space::CORNER, fill);
            }
            let at = pos2(place.left() + 4.0, place.center().y - galley.size().y / 2.0);
            painter.galley(at, galley, theme.ink.primary);
        }
        if texts[0] != texts[1] {
            let line = egui::Stroke::new(1.5, theme.ink.secondary);
            painter.hline(rect.x_range().shrink(2.0), rect.bottom() - 0.5, line);
        }
        if selected || response.hovered() || response.has_focus() {
            let ink = if selected {
                theme.ink.primary
            } else {
                theme.ink.secondary
            };
            let stroke = egui::Stroke::new(1.0, ink);
            let inside = egui::StrokeKind::Inside;
            painter.rect_stroke(rect, space::CORNER, stroke, inside);
        }
    }
    let clicked = response.clicked();
    response.on_hover_ui(|ui| step_card_ui(ui, beside, (number, step)));
    clicked
}

/// Draws what changes most at a step.
fn step_card_ui(ui: &mut Ui, beside: &Beside, (number, step): (usize, Step)) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let change = crate::widgets::number::number(f64::from(beside.aligned.changes[number]));
    ui.label(caption(format!("Step {number}, change {change}")).color(secondary));
    let here = |one: &&Difference| one.step == number;
    for one in beside.aligned.features.iter().filter(here).take(5) {
        let [first, second] = values(beside, (number, step), Some(one.feature));
        let words = format!(
            "#{}: {} to {}",
            one.feature,
            crate::widgets::number::number(f64::from(first)),
            crate::widgets::number::number(f64::from(second))
        );
        ui.label(caption(words));
    }
}

fn steps_csv(beside: &Beside, feature: Option<FeatureId>) -> String {
    let titles = [
        "Step",
        "First position",
        "First token",
        "Second position",
        "Second token",
        "First value",
        "Second value",
    ];
    let steps = beside.aligned.steps.iter().enumerate();
    let position = |at: Option<usize>| at.map_or(Value::Nothing, |t| Value::Count(t as u64));
    let token = |side: usize, at: Option<usize>| {
        at.map_or(Value::Nothing, |t| {
            beside.readings[side].texts[t].as_str().into()
        })
    };
    let lines = steps.map(|(number, step)| {
        let [first, second] = values(beside, (number, *step), feature);
        [
            Value::Count(number as u64),
            position(step.one),
            token(0, step.one),
            position(step.other),
            token(1, step.other),
            Value::Single(first),
            Value::Single(second),
        ]
    });
    csv::table(&titles, lines)
}
