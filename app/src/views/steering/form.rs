//! What is turned, how far, and what text is continued.

use egui::{Button, DragValue, RichText, Slider, TextEdit, Ui, vec2};
use umbra_core::ids::FeatureId;

use crate::commands::steering::Command;
use crate::commands::{Commands, navigation};
use crate::state::AppState;
use crate::state::steering::Request;
use crate::theme::{Theme, caption, icons, panel_title, space};
use crate::views::ViewId;
use crate::widgets::feature_chip::FeatureChip;

/// Ends of the slider; a number outside can be written.
const STRENGTHS: std::ops::RangeInclusive<f32> = -20.0..=20.0;

/// Most tokens of one text.
const TOKENS: usize = 1_000;

/// What is filled in.
#[derive(Debug)]
pub(super) struct Draft {
    strength: f32,
    /// None: the sentence in Prompt.
    prompt: Option<String>,
    temperature: f64,
    seed: u64,
    tokens: usize,
    /// The number of a feature being written.
    number: String,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            strength: 8.0,
            prompt: None,
            temperature: 0.8,
            seed: 0,
            tokens: 60,
            number: String::new(),
        }
    }
}

impl Draft {
    /// Draws the form.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        self.feature_ui(ui, state, commands);
        self.strength_ui(ui);
        self.prompt_ui(ui, state);
        self.sampling_ui(ui);
        ui.add_space(space::CHIP);
        self.run_ui(ui, state, commands);
    }

    /// What the form asks for; an error says what is missing.
    pub(super) fn request(&self, state: &AppState) -> Result<Request, &'static str> {
        let dictionary = state.dictionary().ok_or("Open a dictionary first")?;
        let feature = state.selection.feature.ok_or("Choose a feature first")?;
        let prompt = self.prompt.as_ref().unwrap_or(&state.prompt.text).clone();
        if prompt.trim().is_empty() {
            return Err("Type the text that is to be continued");
        }
        Ok(Request {
            dictionary: dictionary.id,
            feature,
            strength: self.strength,
            prompt,
            temperature: self.temperature,
            seed: self.seed,
            tokens: self.tokens,
        })
    }

    fn feature_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let secondary = Theme::of(ui).ink.secondary;
        ui.horizontal_wrapped(|ui| {
            ui.label(panel_title("Feature"));
            if let Some(feature) = state.selection.feature {
                let dictionary = state.selection.dictionary;
                let chip = FeatureChip::new(feature, state.label(feature))
                    .top_token(dictionary.and_then(|of| state.top_token(of, feature)))
                    .max_width(260.0);
                let reply = chip.show(ui, |ui| {
                    ui.label("Click to open its page");
                });
                if reply.open || reply.beside {
                    let beside = reply.beside;
                    commands.send(navigation::Command::Feature { feature, beside });
                }
            } else {
                ui.label(RichText::new("none chosen").color(secondary));
            }
            let label = ui.label(caption("other number").color(secondary));
            let edit = TextEdit::singleline(&mut self.number)
                .align(egui::Align2::LEFT_CENTER)
                .desired_width(64.0)
                .font(egui::TextStyle::Monospace);
            let response = ui.add(edit).labelled_by(label.id);
            let entered = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
            if entered && let Some(feature) = self.number_of(state) {
                self.number.clear();
                commands.send(navigation::Command::SelectFeature(Some(feature)));
            }
            if !self.number.is_empty() && self.number_of(state).is_none() {
                let many = state.sae().map_or(0, |sae| sae.features());
                let words = format!("give a number from 0 to {}", many.saturating_sub(1));
                ui.label(caption(words).color(Theme::of(ui).failure));
            }
            if ui.button("Choose in Features").clicked() {
                commands.send(navigation::Command::Go(ViewId::Features));
            }
        });
    }

    fn number_of(&self, state: &AppState) -> Option<FeatureId> {
        let number: usize = self.number.trim().trim_start_matches('#').parse().ok()?;
        (number < state.sae()?.features()).then(|| FeatureId::from(number))
    }

    fn strength_ui(&mut self, ui: &mut Ui) {
        let theme = Theme::of(ui);
        ui.horizontal(|ui| {
            let label = ui.label("Strength");
            let help = "This times the feature's decoder row is added at the dictionary's hook, at every position but the first";
            ui.scope(|ui| {
                ui.spacing_mut().slider_width = 240.0;
                ui.visuals_mut().selection.bg_fill = theme.edit;
                let slider = Slider::new(&mut self.strength, STRENGTHS)
                    .clamping(egui::SliderClamping::Never)
                    .show_value(false);
                ui.add(slider).labelled_by(label.id).on_hover_text(help);
            });
            let drag = DragValue::new(&mut self.strength)
                .speed(0.1)
                .max_decimals(2);
            ui.add(drag).labelled_by(label.id).on_hover_text(help);
            let zero = Button::new("0").min_size(vec2(28.0, 0.0));
            let response = ui.add(zero).on_hover_text("No steering: both texts are identical");
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, "Strength 0")
            });
            if response.clicked() {
                self.strength = 0.0;
            }
        });
    }

    fn prompt_ui(&mut self, ui: &mut Ui, state: &AppState) {
        let label = ui.label("Text to continue");
        let mut text = self.prompt.as_ref().unwrap_or(&state.prompt.text).clone();
        let edit = TextEdit::multiline(&mut text)
            .desired_rows(2)
            .desired_width(f32::INFINITY)
            .hint_text("A sentence that both texts begin with");
        if ui.add(edit).labelled_by(label.id).changed() {
            self.prompt = Some(text);
        }
        let own = self.prompt.as_ref();
        if own.is_some_and(|own| *own != state.prompt.text)
            && ui.button("Take the sentence in Prompt").clicked()
        {
            self.prompt = None;
        }
    }

    fn sampling_ui(&mut self, ui: &mut Ui) {
        ui.horizontal_wrapped(|ui| {
            let label = ui
                .label("Temperature")
                .on_hover_text("0 takes the likeliest token");
            let drag = DragValue::new(&mut self.temperature)
                .speed(0.01)
                .range(0.0..=5.0)
                .max_decimals(2);
            ui.add(drag).labelled_by(label.id);
            ui.add_space(space::CONTROL);
            let help = "Decides the draws of both texts alike";
            let label = ui.label("Seed").on_hover_text(help);
            ui.add(DragValue::new(&mut self.seed)).labelled_by(label.id);
            ui.add_space(space::CONTROL);
            let help = "Length of each continuation; the model's context may end it earlier";
            let label = ui.label("Tokens").on_hover_text(help);
            let drag = DragValue::new(&mut self.tokens).range(1..=TOKENS);
            ui.add(drag).labelled_by(label.id);
        });
    }

    fn run_ui(&self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let request = self.request(state);
        ui.horizontal(|ui| {
            let words = format!("{}  Run", icons::PLAY);
            let button = Button::new(words).min_size(vec2(96.0, 32.0));
            let response = ui.add_enabled(request.is_ok(), button);
            let ready = request.is_ok();
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, ready, "Run"));
            match &request {
                Ok(request) if response.clicked() => {
                    commands.send(Command::Run(request.clone()));
                }
                Ok(_) => {}
                Err(why) => {
                    ui.label(caption(*why).color(Theme::of(ui).ink.secondary));
                }
            }
            if state.steering.running().is_some() {
                let button = Button::new("Stop").min_size(vec2(80.0, 32.0));
                if ui.add(button).clicked() {
                    commands.send(Command::Stop);
                }
            }
        });
    }
}
