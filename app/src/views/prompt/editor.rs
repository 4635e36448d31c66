//! The sentence: the field that draws its tokens, what it is coloured by, and the marks of the features that stand out.

mod chat;
mod head;

use std::sync::Arc;

use egui::{Sense, Ui, WidgetInfo, vec2};
use umbra_core::features::Firing;
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use super::error;
use super::model::{self, ColourBy, Tints, marks, surprise, tints};
use super::several::Several;
use crate::memo::Memo;
use crate::state::AppState;
use crate::state::dark_matter::places::Part;
use crate::state::prompt::Side;
use crate::state::requests::{Commands, navigation, prompt};
use crate::theme::{Hue, Theme, Tinted, caption, mono_caption, space};
use crate::views::feature::chips;
use crate::widgets::anchor::Anchor;
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::number::number;
use crate::widgets::token_editor::{Piece, SHAPES, TokenEditor, carry, mark};
use crate::widgets::token_strip::Scale;
use crate::widgets::{csv, feature_name, legend};

/// Share of the screen's height that the text takes at most, and its bounds.
const TALL: (f32, f32, f32) = (0.35, 64.0, 240.0);

/// Width from which the line above the field has room for its title.
const TITLED: f32 = 480.0;

/// Room for the scale of the tints.
const LEGEND: f32 = 250.0;

/// Widths of the name in a mark's legend.
const NAME: (f32, f32) = (84.0, 200.0);

/// Inputs of the tints.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    reading: usize,
    survey: usize,
    by: ColourBy,
    feature: Option<FeatureId>,
    scale: Option<u32>,
    errors: usize,
    several: Vec<FeatureId>,
}

/// Parts of a reading that are drawn on one text.
#[derive(Debug, Default)]
struct Drawn {
    pieces: Vec<Piece>,
    before: usize,
}

/// The sentence's field with what belongs to it.
#[derive(Debug, Default)]
pub(super) struct Editor {
    by: ColourBy,
    several: Several,
    /// The selection that the colouring followed last.
    followed: Option<FeatureId>,
    /// The feature that a person asked to colour by, until it is the selected one.
    asked: Option<FeatureId>,
    tints: Memo<Key, Tints>,
    drawn: Memo<(Key, String, bool, bool), Drawn>,
    /// Reading and token that the text was scrolled to.
    revealed: Option<(usize, Option<usize>)>,
    /// The token under the pointer.
    pub(super) hovered: Option<usize>,
}

/// The selected token of a reading, else its last one.
pub(super) fn position(state: &AppState, reading: &Reading) -> usize {
    let last = reading.tokens.len().saturating_sub(1);
    state.selection.token.map_or(last, |at| at.min(last))
}

/// The features with marks of their own.
fn marked(state: &AppState) -> Vec<FeatureId> {
    let survey = state.surprises().filter(|_| state.sae().is_some());
    survey.map_or_else(Vec::new, |survey| survey.marked(SHAPES))
}

/// The menu of the sentence: its tokens with the values that colour them.
fn menu(field: &egui::Response, (reading, tints): (&Reading, Option<&Tints>), at: Option<usize>) {
    let value_of = |at: usize| tints.and_then(|tints| tints.values.get(at)).copied();
    let value = at.map(|at| {
        let token = || reading.texts[at].clone();
        value_of(at).map_or_else(token, |value| value.to_string())
    });
    let csv = || {
        let tokens = reading.texts.iter().enumerate();
        let lines = tokens.map(|(i, token)| [i.into(), token.as_str().into(), value_of(i).into()]);
        csv::table::<[csv::Value; 3]>(&["Position", "Token", "Value"], lines)
    };
    let meaning = Meaning::new("Sentence", BY_TOKEN).value(value.as_deref());
    meaning::menu(field, &meaning.csv(&csv).picture(field.rect));
}

/// Definition of what colours a token.
const BY_TOKEN: &str = "What colours a token: the chosen feature's activation, the surprise of the feature that is most surprising there, the height of the bands of several features, or the norm of a part of the dictionary's error";

impl Editor {
    /// Draws the field with the line above it; `pointed` is a token that is pointed at elsewhere.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        pointed: Option<usize>,
        commands: &mut Commands,
    ) {
        self.follow_selection(state);
        head::head_ui(ui, state, commands);
        if let Some(messages) = state.prompt.chat() {
            return self.chat_ui(ui, state, messages, commands);
        }
        let reveal = self.revealing(state);
        let reading = state.reading().filter(|_| state.prompt.input().is_some());
        let (share, least, most) = TALL;
        let height = (ui.available_height() * share).clamp(least, most);
        let lit = state.prompt.side == Side::Features && state.sae().is_some();
        let drawn = reading.map(|reading| self.drawn(ui, state, reading, lit));
        let none = Drawn::default();
        let drawn = drawn.unwrap_or(&none);
        let mut card = |ui: &mut Ui, at: usize| {
            if let Some(reading) = reading {
                card_ui(ui, state, reading, at);
            }
        };
        let reply = TokenEditor {
            name: "Sentence",
            text: &state.prompt.text,
            pieces: &drawn.pieces,
            tokens: reading.map_or(&[], |reading| &reading.texts),
            before: drawn.before,
            selected: reading.and(state.selection.token),
            pointed,
            reveal,
            height,
            card: &mut card,
        }
        .show(ui);
        self.hovered = reply.hovered;
        if let Some(field) = &reply.field {
            Anchor::Sentence.mark(field);
            if let Some(reading) = reading {
                menu(field, (&**reading, self.tints.latest()), reply.hovered);
            }
        }
        if let Some(text) = reply.typed {
            let caret = reply.caret;
            let within = caret < text.len();
            commands.send(prompt::Command::Typed(text));
            if within {
                commands.send(prompt::Command::Caret(caret));
            }
        }
        if let Some(token) = reply.chosen {
            commands.send(navigation::Command::SelectToken(Some(token)));
        }
        if let Some(tokens) = &state.prompt.tokens {
            let note = format!("Exact tokens of {}", tokens.of);
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(caption(note).color(secondary)).on_hover_text(
                "These are the token ids of the index's example. Typing above replaces them with a sentence",
            );
        }
    }

    /// The token to scroll to: one that was chosen elsewhere or came with another text; while somebody types the text follows the caret.
    fn revealing(&mut self, state: &AppState) -> Option<usize> {
        let reading = Arc::as_ptr(state.reading()?) as usize;
        let shown = Some((reading, state.selection.token));
        let another = self.revealed != shown && state.prompt.caret.is_none();
        self.revealed = shown;
        state.selection.token.filter(|_| another)
    }

    /// Choosing another feature anywhere colours by it. What the window itself selects at the start leaves the sentence as it is.
    fn follow_selection(&mut self, state: &AppState) {
        let feature = state.selection.feature;
        if self.followed == feature {
            return;
        }
        let first = state.most_surprising().map(|firing| firing.feature);
        let asked = self
            .asked
            .take()
            .is_some_and(|asked| Some(asked) == feature);
        let by_itself = self.followed.is_none() && feature == first && !asked;
        self.followed = feature;
        if self.by == ColourBy::Several && !asked {
            return; // a feature is selected so that it can be added
        }
        self.by = match feature {
            Some(_) if !by_itself => ColourBy::Feature,
            _ => ColourBy::Surprise,
        };
    }

    /// Colours by a feature, which is about to be selected.
    pub(super) fn colour_by(&mut self, feature: FeatureId) {
        self.by = ColourBy::Feature;
        self.asked = Some(feature);
    }

    /// Colours by a part of the error.
    pub(super) fn colour_by_error(&mut self, part: Part) {
        self.by = ColourBy::Error(part);
    }

    /// The feature that the sentence is coloured by, if it is one.
    fn feature(&self, state: &AppState) -> Option<FeatureId> {
        let feature = state.selection.feature;
        feature.filter(|_| self.by == ColourBy::Feature)
    }

    fn key(&self, state: &AppState, reading: &Arc<Reading>) -> Key {
        let feature = self.feature(state);
        let scale = feature.and_then(|feature| {
            let table = state.features.table_for(state.selection.dictionary?)?;
            Some((table.most(feature) as f32).to_bits())
        });
        let survey = state
            .surprises()
            .map_or(0, |survey| std::ptr::from_ref(survey) as usize);
        Key {
            reading: Arc::as_ptr(reading) as usize,
            survey: survey + usize::from(state.has_rarity()),
            by: self.by,
            feature,
            scale,
            errors: state
                .errors_on(reading)
                .map_or(0, |(errors, _)| Arc::as_ptr(errors) as usize),
            several: match self.by {
                ColourBy::Several => self.several.chosen().to_vec(),
                _ => Vec::new(),
            },
        }
    }

    fn tints(&mut self, state: &AppState, reading: &Arc<Reading>) -> &Tints {
        if self.by == ColourBy::Several {
            self.several.follow(state, || marked(state));
        }
        let key = self.key(state, reading);
        let several = &self.several;
        self.tints.get(key, |key| {
            if key.by == ColourBy::Several {
                return model::heights(&several.bands(state, reading));
            }
            let survey = state.surprises().filter(|_| state.has_rarity());
            if let (ColourBy::Surprise, Some(survey)) = (key.by, survey) {
                return surprise(reading, survey);
            }
            if let ColourBy::Error(part) = key.by {
                let errors = state.errors_on(reading);
                return errors
                    .map_or_else(Tints::default, |(errors, _)| model::error(errors, part));
            }
            let signed = state.sae().is_some_and(|sae| sae.selection.is_signed());
            tints(reading, key.feature, key.scale.map(f32::from_bits), signed)
        })
    }

    /// The tokens of `reading` where they stand in the text as it is now.
    fn drawn(&mut self, ui: &Ui, state: &AppState, reading: &Arc<Reading>, lit: bool) -> &Drawn {
        let theme = Theme::from_ui(ui);
        let text = &state.prompt.text;
        let key = (self.key(state, reading), text.clone(), theme.dark, lit);
        if !self.drawn.is_for(&key) {
            self.tints(state, reading);
        }
        let tints = self.tints.latest();
        let (by, hue, several) = (self.by, self.by.hue(), &self.several);
        self.drawn.get(key, |_| {
            let spans = carry(&reading.text, text, &reading.spans);
            let banded = lit && by == ColourBy::Several;
            let marked = if lit && !banded {
                marked(state)
            } else {
                vec![]
            };
            let mut marks = marks(reading, &marked).into_iter();
            let bands = banded.then(|| several.bands(state, reading));
            let mut bands = bands.unwrap_or_default().into_iter();
            let piece = |(t, span)| {
                let tints = tints.filter(|_| lit && !banded);
                let value = tints.and_then(|tints| tints.values.get(t)).copied();
                let share = tints
                    .zip(value)
                    .map_or(0.0, |(tints, value)| tints.share(value));
                let signed = tints.is_some_and(|tints| tints.scale.signed);
                Piece {
                    span,
                    tint: shaded(theme, share, (signed, hue)),
                    negative: share < -0.02,
                    marks: marks.next().unwrap_or_default(),
                    bands: bands.next().unwrap_or_default(),
                }
            };
            let before = reading.spans.iter().take_while(|span| span.is_empty());
            Drawn {
                before: before.count(),
                pieces: spans.into_iter().enumerate().map(piece).collect(),
            }
        })
    }

    /// Draws the choice of tints with their scale.
    pub(super) fn colours_ui(&mut self, ui: &mut Ui, state: &AppState) {
        let Some(reading) = state.reading().filter(|_| state.sae().is_some()) else {
            return;
        };
        let what = match self.by {
            ColourBy::Surprise if state.has_rarity() => "surprise (bits)",
            ColourBy::Error(_) => "norm of the error",
            _ => "activation",
        };
        let hue = self.by.hue();
        let tints = self.tints(state, reading);
        let (scale, from) = (tints.scale, tints.from);
        let counted = tints.values.iter().zip(&reading.counts);
        let is_silent = !counted
            .filter(|(_, counts)| **counts)
            .any(|(value, _)| *value != 0.0);
        ui.add_space(space::GROUP);
        self.colour_ui(ui, state);
        error::colour_ui(ui, state, reading, &mut self.by);
        if self.by == ColourBy::Several {
            if self.several.change_ui(ui, state) {
                ui.ctx().request_repaint(); // the text above is drawn already
            }
            return;
        }
        if is_silent && self.feature(state).is_some() {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(caption("Not active on this sentence").color(secondary));
            return;
        }
        if ui.available_size_before_wrap().x < LEGEND {
            ui.end_row(); // a scale does not break by itself
        }
        let most = f64::from(scale.most);
        if scale.signed {
            legend::diverging(ui, what, most);
        } else if from > 0.0 {
            legend::between(ui, what, hue, (from, scale.most));
        } else {
            legend::sequential(ui, what, hue, most);
        }
    }

    /// Draws the legend of the marks.
    pub(super) fn marks_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let banded = self.by == ColourBy::Several;
        let marked = if banded {
            self.several.chosen().to_vec()
        } else {
            marked(state)
        };
        if marked.is_empty() || state.reading().is_none() {
            return;
        }
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, space::CHIP);
            let words = if banded {
                "Bands: the chosen features"
            } else if state.has_rarity() {
                "Marks: the most surprising features"
            } else {
                "Marks: the strongest features"
            };
            let help = "Each stands below the tokens on which its feature is active. Click one to colour the sentence by it";
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(caption(words).color(secondary)).on_hover_text(help);
            let name = (ui.available_width() / 5.0 - 84.0).clamp(NAME.0, NAME.1);
            for (number, feature) in marked.into_iter().enumerate() {
                if self.mark_ui(ui, state, (number, feature, name), commands) {
                    self.colour_by(feature);
                    commands.send(navigation::Command::SelectFeature(Some(feature)));
                }
            }
        });
    }

    fn colour_ui(&mut self, ui: &mut Ui, state: &AppState) {
        ui.label(caption("Colour by").color(Theme::from_ui(ui).ink.secondary));
        let by = match self.by {
            ColourBy::Feature if state.selection.feature.is_none() => ColourBy::Surprise,
            ColourBy::Surprise if !state.has_rarity() => ColourBy::Strongest,
            by => by,
        };
        if state.has_rarity() {
            let help = "Colours each token by its most surprising feature. Surprise = (|a| / max |a|) · log₂(1 / density), in bits; maximum and density are the index's. Features on more than 10 % of tokens are left out";
            let surprise = ui.selectable_label(by == ColourBy::Surprise, "Surprise");
            if surprise.on_hover_text(help).clicked() {
                self.by = ColourBy::Surprise;
            }
        }
        let help = "Colours each token by its strongest feature activation";
        let strongest = ui.selectable_label(by == ColourBy::Strongest, "Strongest feature");
        if strongest.on_hover_text(help).clicked() {
            self.by = ColourBy::Strongest;
        }
        if let Some(feature) = state.selection.feature {
            let help = format!(
                "Colours each token by {}, on its scale over the index's text",
                chips::title(state, feature)
            );
            let chosen = ui.selectable_label(by == ColourBy::Feature, format!("#{feature}"));
            if chosen.on_hover_text(help).clicked() {
                self.by = ColourBy::Feature;
            }
        }
        let several = ui.selectable_label(by == ColourBy::Several, "Several");
        if several.on_hover_text(super::several::BANDS).clicked() {
            self.by = ColourBy::Several;
            ui.ctx().request_repaint(); // the text above is drawn already
        }
    }

    /// Draws a mark with the name of its feature; whether it was clicked.
    fn mark_ui(
        &self,
        ui: &mut Ui,
        state: &AppState,
        (place, feature, room): (usize, FeatureId, f32),
        commands: &mut Commands,
    ) -> bool {
        let theme = Theme::from_ui(ui);
        let number = ui.painter().layout_no_wrap(
            format!("#{feature}"),
            egui::FontId::monospace(crate::theme::size::BODY),
            theme.ink.primary,
        );
        let name = feature_name::layout(ui, state.name(feature), room);
        let wide = name.as_ref().map_or(0.0, |name| name.size().x + 6.0);
        let size = vec2(20.0 + number.size().x + wide + 8.0, 24.0);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        let chosen = self.feature(state) == Some(feature);
        response.widget_info(|| {
            let words = format!("Colour by {}", chips::title(state, feature));
            WidgetInfo::selected(egui::Role::Button, true, chosen, words)
        });
        let lit = chosen || response.hovered() || response.has_focus();
        if lit {
            ui.painter()
                .rect_filled(rect, space::CORNER, theme.surface.hover);
        }
        if chosen || response.has_focus() {
            let stroke = egui::Stroke::new(1.0, theme.ink.secondary);
            let inside = egui::StrokeKind::Inside;
            ui.painter()
                .rect_stroke(rect, space::CORNER, stroke, inside);
        }
        let at = egui::pos2(rect.left() + 11.0, rect.center().y);
        ui.painter().add(mark(place, at, theme.series(place)));
        let at = egui::pos2(rect.left() + 20.0, rect.center().y - number.size().y / 2.0);
        let after = at.x + number.size().x + 6.0;
        ui.painter().galley(at, number, theme.ink.primary);
        if let Some(name) = name {
            let at = egui::pos2(after, rect.center().y - name.size().y / 2.0);
            ui.painter().galley(at, name, theme.ink.primary);
        }
        let clicked = response.clicked();
        response
            .on_hover_cursor(egui::CursorIcon::PointingHand)
            .on_hover_ui(|ui| chips::hover_ui(ui, state, commands, feature));
        clicked
    }
}

/// Tint of a token by its value; none where that is 0.
pub(crate) fn tinted(theme: &Theme, value: f32, scale: Scale) -> Option<Tinted> {
    shaded(theme, value / scale.most, (scale.signed, Hue::Activation))
}

/// Tint of a token by its share of the scale; none where that is 0.
fn shaded(theme: &Theme, share: f32, (signed, hue): (bool, Hue)) -> Option<Tinted> {
    match signed {
        true if share != 0.0 => Some(theme.diverging_tint(share)),
        false if share > 0.0 => Some(theme.tint(hue, share)),
        _ => None,
    }
}

/// Token, id, position, its three first features.
fn card_ui(ui: &mut Ui, state: &AppState, reading: &Reading, at: usize) {
    let Some(text) = reading.texts.get(at) else {
        return;
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(mono_caption(format!("“{}”", text.replace('\n', "⏎"))));
    let place = format!("id {}, position {at}", reading.tokens[at]);
    ui.label(caption(place).color(secondary));
    for firing in state.ranked(reading, at).all().take(3) {
        ui.horizontal(|ui| {
            ui.label(caption(chips::title(state, firing.feature)));
            ui.label(mono_caption(figures(firing)).color(secondary));
        });
    }
    error::card_ui(ui, state, reading, at);
}

/// Activation, and surprise where it is defined, in words.
pub(super) fn figures(firing: &Firing) -> String {
    let act = number(f64::from(firing.act));
    match firing.surprise {
        Some(bits) => format!("{act}, {} bits", number(bits)),
        None => act,
    }
}
