//! A small steering run on the page: how strongly the feature's decoder row is added, and both continuations of the sentence side by side.

use egui::{Button, DragValue, Slider, Ui};
use umbra_core::ids::FeatureId;
use umbra_core::models::Sampling;
use umbra_core::steer::{EditSpec, Vector, What};

use super::sentence::without_model_ui;
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::{Commands, steering};
use crate::state::steering::{Place, Request, STRENGTH, STRENGTHS};
use crate::theme::{Theme, caption, icons, panel_title, space};
use crate::views::steering::form::Following;
use crate::views::steering::run::{Shown, trial_ui};

/// Tokens of each continuation.
const TOKENS: usize = 24;

/// Strength before anybody moves the slider, as in Steering.
const INITIAL: f32 = 8.0;

/// Opacity of texts of another strength or sentence.
const STALE: f32 = 0.35;

/// The strength that a person chose for the page's steering.
#[derive(Debug)]
pub(super) struct Trial {
    strength: f32,
    following: Following,
    seen: Shown,
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            strength: INITIAL,
            following: Following::default(),
            seen: Shown::default(),
        }
    }
}

impl Trial {
    /// Draws strength, *Run* and both texts.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        feature: FeatureId,
        commands: &mut Commands,
    ) {
        ui.label(panel_title("Steer"))
            .on_hover_text("Continues the sentence while the feature's decoder row is added");
        if state.model().is_none() {
            return without_model_ui(ui, state, "steer", commands);
        }
        let moved = self.strength_ui(ui);
        let asked = self.request(state, feature);
        let live = asked.as_ref().map(|asked| state.steering.live(asked).on);
        let live = live.unwrap_or(false);
        let of = state.selection.dictionary;
        self.actions_ui(ui, &asked, (of, feature), commands);
        let shown = state.steering.shown(Place::Page);
        let of_this = |request: &Request| {
            let here = What::Add(Vector::Feature(feature), 0.0);
            let same = |edit: &EditSpec| without_strength(&edit.what) == here;
            request.dictionaries.first() == state.selection.dictionary.as_ref()
                && request.edits.iter().all(same)
        };
        let Some(run) = shown.filter(|run| of_this(&run.request)) else {
            if let (true, true, Ok(request)) = (moved, live, asked) {
                commands.send(steering::Command::Try(request));
            }
            return;
        };
        let follows = (&asked, Some(run), live);
        let is_stale = self.following.is_stale(ui, follows, |request| {
            commands.send(steering::Command::Try(request));
        });
        ui.add_space(space::CHIP);
        if is_stale {
            let words = "Written for another sentence or strength";
            ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
        }
        ui.scope(|ui| {
            ui.multiply_opacity(if is_stale { STALE } else { 1.0 });
            trial_ui(ui, state, run, &mut self.seen);
        });
    }

    /// The run that strength and sentence describe; an error says what is missing.
    fn request(&self, state: &AppState, feature: FeatureId) -> Result<Request, String> {
        let dictionary = state.reader().flatten();
        let dictionary = dictionary.ok_or("The dictionary is not loaded")?;
        let prompt = state.prompt.asked();
        if prompt.is_blank() {
            return Err("Type a sentence first".to_owned());
        }
        let row = Vector::Feature(feature);
        let sampling = Sampling {
            tokens: TOKENS,
            ..state.steering.draft.sampling.clone()
        };
        Ok(Request {
            dictionaries: vec![dictionary],
            edits: vec![EditSpec::new(What::Add(row, self.strength))],
            prompt,
            sampling,
            samples: 1,
            dial: Some(0),
        })
    }

    /// Draws the slider; whether it moved.
    fn strength_ui(&mut self, ui: &mut Ui) -> bool {
        let before = self.strength;
        ui.horizontal(|ui| {
            let label = ui
                .label(caption("Strength").color(Theme::from_ui(ui).ink.secondary))
                .on_hover_text(STRENGTH);
            ui.spacing_mut().slider_width = (ui.available_width() - 64.0).clamp(80.0, 240.0);
            let slider = Slider::new(&mut self.strength, STRENGTHS)
                .clamping(egui::SliderClamping::Never)
                .show_value(false);
            let slider = ui.scope(|ui| {
                ui.visuals_mut().selection.bg_fill = Theme::from_ui(ui).edit;
                ui.add(slider).labelled_by(label.id)
            });
            let slider = slider.inner;
            slider.widget_info(|| {
                egui::WidgetInfo::slider(true, f64::from(before), "Steering strength")
            });
            let number = DragValue::new(&mut self.strength)
                .speed(0.1)
                .fixed_decimals(1);
            ui.add(number)
                .labelled_by(label.id)
                .on_hover_text("Decoder rows added; a number beyond the slider can be written");
        });
        self.strength.to_bits() != before.to_bits()
    }

    fn actions_ui(
        &self,
        ui: &mut Ui,
        asked: &Result<Request, String>,
        (of, feature): (Option<DictionaryId>, FeatureId),
        commands: &mut Commands,
    ) {
        ui.horizontal_wrapped(|ui| {
            let run = Button::new(format!("{}  Run", icons::PLAY));
            let response = ui.add_enabled(asked.is_ok(), run);
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, asked.is_ok(), "Run")
            });
            let help =
                format!("Continues the sentence by {TOKENS} tokens, without and with the edit");
            let clicked = response.on_hover_text(help).clicked();
            if let (true, Ok(request)) = (clicked, asked) {
                commands.send(steering::Command::Try(request.clone()));
            }
            let open = ui.button("Open in Steering");
            let help = "Puts this edit into Steering's stack, where it can be combined with others";
            if open.on_hover_text(help).clicked()
                && let Some(of) = of
            {
                commands.send(steering::Command::Carry(of, feature, self.strength));
            }
            let sweep = ui.button("Sweep this feature");
            let help =
                "Measures what the feature does at one strength after another, on many prompts";
            if sweep.on_hover_text(help).clicked()
                && let Some(of) = of
            {
                commands.send(steering::sweep::Command::Take(of, vec![feature]));
            }
            if let Err(why) = asked {
                ui.label(caption(why).color(Theme::from_ui(ui).ink.secondary));
            }
        });
    }
}

/// Draws the change with strength 0.
fn without_strength(what: &What) -> What {
    match what {
        What::Add(vector, _) => What::Add(vector.clone(), 0.0),
        other => other.clone(),
    }
}
