//! The features of the chosen token in their order; dense ones folded.

use egui::{Align, Layout, Rect, Sense, Ui, pos2, vec2};
use umbra_core::features::Firing;
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use super::editor::figures;
use super::error;
use crate::state::AppState;
use crate::state::requests::{Commands, prompt};
use crate::state::settings::Ranking;
use crate::theme::{Hue, Theme, caption, icons, mono, panel_title, size, space};
use crate::views::feature::chips::chip_ui;
use crate::widgets::anchor::Anchor;
use crate::widgets::number::{number, percent};

/// Features listed before a button shows all of them.
const FEATURES: usize = 12;

/// Room for the surprise.
const NUMBER: f32 = 46.0;

/// Room for the activation, below its title.
const ACTIVATION: f32 = 62.0;

/// Meaning of the order by share.
const SHARE: &str = "Share of the token's reconstruction: a · ⟨d, r⟩ / ||r||², with the feature's activation a and decoder row d, and the sum r of what all features add. The shares of a token sum to 100 %; one below 0 points against the others";

/// Meaning of the order by surprise.
const SURPRISE: &str = "Surprise = (|a| / max |a|) · log₂(1 / density), in bits: how strong the feature is here, times how rare it is. Maximum and density are the index's";

/// A bar of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Bar of a feature.
    Feature(FeatureId),
    /// Bar of the unexplained share.
    Error,
}

/// The list of one token's features.
#[derive(Debug, Default)]
pub(super) struct TokenSide {
    all: bool,
}

impl TokenSide {
    /// Draws the list; answers with the bar that was clicked.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (reading, at): (&Reading, usize),
        commands: &mut Commands,
    ) -> Option<Chosen> {
        let text = reading.texts.get(at)?;
        title_ui(ui, text, at);
        order_ui(ui, state, commands);
        let secondary = Theme::from_ui(ui).ink.secondary;
        if !reading.counts.get(at).copied().unwrap_or(true) {
            let note = "Dictionaries are not trained on the first position and special tokens, so these activations may mislead";
            ui.add(egui::Label::new(caption(note).color(secondary)).wrap());
        }
        ui.spacing_mut().item_spacing.y = 2.0;
        let chose_error = error::row_ui(ui, state, (reading, at));
        let features = self.features_ui(ui, state, (reading, at), commands);
        let error = chose_error.then_some(Chosen::Error);
        error.or(features.map(Chosen::Feature))
    }

    fn features_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (reading, at): (&Reading, usize),
        commands: &mut Commands,
    ) -> Option<FeatureId> {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let ranked = state.ranked(reading, at);
        if ranked.all().next().is_none() {
            let sentence = "No feature is active on this token.";
            ui.label(egui::RichText::new(sentence).color(secondary));
            return None;
        }
        let order = state.ranking();
        let length = |firing: &Firing| match (order, firing.surprise) {
            (Ranking::Surprise, bits) => bits.unwrap_or(0.0) as f32,
            (Ranking::Share, _) => reading.share(at, firing.feature).abs() as f32,
            (Ranking::Activation, _) => firing.act.abs(),
        };
        let most = ranked.all().map(length).fold(0.0, f32::max);
        let most = ranked.listed.first().map_or(most, length);
        let mut chosen = None;
        let mut rows = |ui: &mut Ui, firings: &[Firing], commands: &mut Commands| {
            for firing in firings {
                let share = if most > 0.0 {
                    length(firing) / most
                } else {
                    0.0
                };
                let of_whole = reading.share(at, firing.feature);
                if row_ui(ui, state, (firing, share, of_whole), commands) {
                    chosen = Some(firing.feature);
                }
            }
        };
        let (listed, rest) = ranked.listed.split_at(FEATURES.min(ranked.listed.len()));
        rows(ui, listed, commands);
        if !rest.is_empty() {
            if self.all {
                rows(ui, rest, commands);
            }
            let words = format!("{} more", rest.len());
            if fold_ui(
                ui,
                self.all,
                &words,
                "The other features that are active on this token",
            ) {
                self.all = !self.all;
            }
        }
        if !ranked.unknown.is_empty() {
            let words = match ranked.unknown.len() {
                1 => "1 feature without a surprise".to_owned(),
                many => format!("{many} features without a surprise"),
            };
            let help =
                "The index never saw them active, so nothing says how strong or how rare they are";
            ui.label(caption(words).color(secondary))
                .on_hover_text(help);
            rows(ui, &ranked.unknown, commands);
        }
        if !ranked.dense.is_empty() {
            let open = state.settings.dense_unfolded;
            let words = match ranked.dense.len() {
                1 => "1 dense feature (> 10 % of tokens)".to_owned(),
                many => format!("{many} dense features (> 10 % of tokens)"),
            };
            let help = "Features that are active on more than a tenth of the index's tokens tell little about this one";
            if fold_ui(ui, open, &words, help) {
                commands.send(prompt::Command::UnfoldDense(!open));
            }
            if open {
                rows(ui, &ranked.dense, commands);
            }
        }
        chosen
    }
}

fn title_ui(ui: &mut Ui, text: &str, at: usize) {
    let theme = Theme::from_ui(ui);
    ui.horizontal_wrapped(|ui| {
        ui.label(panel_title("Features on"));
        let shown = text.replace('\n', "⏎");
        ui.label(mono(shown).background_color(theme.surface.hover));
        let place = format!("position {at}");
        ui.label(caption(place).color(theme.ink.secondary))
            .on_hover_text("Counted from 0, the beginning-of-sequence token included");
    });
}

/// The choice of the order, above the columns of numbers.
fn order_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    let order = state.ranking();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::CHIP;
        ui.label(caption("Order").color(theme.ink.secondary));
        let mut choose = |ui: &mut Ui, ranking, chosen, words: &str, help| {
            let button = ui.selectable_label(chosen, caption(words));
            button.widget_info(|| {
                let name = format!("Order by {}", words.to_lowercase());
                egui::WidgetInfo::selected(egui::Role::Button, true, chosen, name)
            });
            if button.on_hover_text(help).clicked() {
                commands.send(prompt::Command::Rank(ranking));
            }
        };
        if state.has_rarity() {
            let chosen = order == Ranking::Surprise;
            choose(ui, Ranking::Surprise, chosen, "Surprise", SURPRISE);
        }
        let help = if state.has_rarity() {
            "Order by the size of the activation; dense features are not folded"
        } else {
            "Order by the size of the activation. With an index, features can be ordered by surprise"
        };
        let chosen = order == Ranking::Activation;
        choose(ui, Ranking::Activation, chosen, "Activation", help);
        choose(ui, Ranking::Share, order == Ranking::Share, "Share", SHARE);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            let head = |ui: &mut Ui, (words, width): (&str, f32), help: &str| {
                let room = vec2(width, space::TABLE_ROW);
                let (rect, response) = ui.allocate_exact_size(room, Sense::hover());
                let font = egui::FontId::proportional(size::CAPTION);
                let at = pos2(rect.right(), rect.center().y);
                let right = egui::Align2::RIGHT_CENTER;
                ui.painter()
                    .text(at, right, words, font, theme.ink.secondary);
                response.on_hover_text(help);
            };
            let help = "Activation a of the feature on this token";
            head(ui, ("activation", ACTIVATION), help);
            match order {
                Ranking::Surprise => head(ui, ("bits", NUMBER), SURPRISE),
                Ranking::Share => head(ui, ("share", NUMBER), SHARE),
                Ranking::Activation => {}
            }
        });
    });
}

/// A line that folds and unfolds what is below it; whether it was clicked.
fn fold_ui(ui: &mut Ui, open: bool, words: &str, help: &str) -> bool {
    let caret = if open {
        icons::CARET_DOWN
    } else {
        icons::CARET_RIGHT
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    let text = caption(format!("{caret} {words}")).color(secondary);
    let button = ui.add(egui::Button::new(text).frame_when_inactive(false));
    button.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, open, words));
    button.on_hover_text(help).clicked()
}

/// A feature with its bar and numbers; whether the bar was clicked.
fn row_ui(
    ui: &mut Ui,
    state: &AppState,
    (firing, share, of_whole): (&Firing, f32, f64),
    commands: &mut Commands,
) -> bool {
    let order = state.ranking();
    let numbers = match order {
        Ranking::Activation => ACTIVATION,
        Ranking::Surprise | Ranking::Share => ACTIVATION + NUMBER,
    };
    let chip = ((ui.available_width() - numbers) * 0.68).clamp(90.0, 300.0);
    let act = number(f64::from(firing.act));
    let mut clicked = false;
    ui.horizontal(|ui| {
        ui.set_min_height(space::TABLE_ROW);
        let left = ui.cursor().left();
        let reply = chip_ui(ui, state, commands, firing.feature, (share, chip));
        Anchor::Feature.mark_at(ui.ctx(), reply.seen);
        let used = ui.cursor().left() - left;
        ui.add_space((chip + space::CONTROL - used).max(0.0));
        let room = vec2(ui.available_width(), space::TABLE_ROW);
        let (rect, response) = ui.allocate_exact_size(room, Sense::click());
        response.widget_info(|| {
            let name = format!("Colour by feature {}, {act}", firing.feature);
            egui::WidgetInfo::labeled(egui::Role::Button, true, name)
        });
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        if response.hovered() || response.has_focus() {
            painter.rect_filled(rect, space::CORNER, theme.surface.hover);
        }
        let track = rect.with_max_x((rect.right() - numbers - space::CHIP).max(rect.left()));
        let track = track.shrink2(vec2(0.0, 8.0));
        let long = (track.width() * share.clamp(0.0, 1.0)).max(1.0);
        let bar = Rect::from_min_size(track.min, vec2(long, track.height()));
        let colour = if firing.act < 0.0 {
            theme.suppressed
        } else {
            theme.hue(Hue::Activation)
        };
        painter.rect_filled(bar, 2.0, colour);
        let mut right = rect.right();
        let second = match order {
            Ranking::Surprise => Some(firing.surprise.map_or("–".to_owned(), number)),
            Ranking::Share => Some(percent(of_whole)),
            Ranking::Activation => None,
        };
        let first = (act.as_str(), theme.ink.secondary);
        let second = second.as_deref().map(|text| (text, theme.ink.primary));
        for (text, ink) in std::iter::once(first).chain(second) {
            let at = pos2(right, rect.center().y);
            let font = egui::FontId::monospace(size::BODY);
            painter.text(at, egui::Align2::RIGHT_CENTER, text, font, ink);
            right -= ACTIVATION;
        }
        clicked = response.clicked();
        response.on_hover_text(format!(
            "Activation {}, {} of the token's reconstruction. Click to colour the sentence by this feature",
            figures(firing),
            percent(of_whole)
        ));
    });
    clicked
}
