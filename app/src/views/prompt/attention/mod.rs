//! Attention: all heads as thumbnails; the whole pattern of the chosen head; the strongest sources and destinations of the chosen token.

mod model;

use std::sync::Arc;

use egui::{
    Align, ColorImage, Layout, RichText, ScrollArea, TextureHandle, TextureOptions, Ui, UiBuilder,
};
use umbra_core::attention::{Overview, Patterns};
use umbra_core::ids::{Head, Layer};

use super::lens::cut_ui;
use crate::state::heads::name;
use crate::state::requests::{Commands, attention, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, body_strong, caption, icons, mono_caption, panel_title, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::heat_map::{Cell, HeatMap, Scale, Side};
use crate::widgets::matrix_map::MatrixMap;
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{legend, number, picture};

/// Width from which heads and text stand left, the pattern and its numbers right.
const BESIDE: f32 = 720.0;

/// Longest side of the pattern.
const PATTERN: f32 = 520.0;

/// Height of what stands around the pattern: title, names, scale, read-out.
const AROUND: f32 = 190.0;

/// Sources and destinations listed.
const LISTED: usize = 8;

/// The attention panel of Prompt.
#[derive(Debug, Default)]
pub(super) struct AttentionSide {
    /// The token under the pointer, in a strip or in the map.
    hovered: Option<usize>,
    /// Height that is seen without scrolling.
    height: f32,
}

/// One head on one sentence.
#[derive(Clone, Copy)]
struct Shown<'a> {
    patterns: &'a Arc<Patterns>,
    head: Head,
    /// The token that strips and lists are about.
    at: usize,
}

impl AttentionSide {
    /// Draws everything, or why there is nothing.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let (Some(sentence), Some(model)) = (state.sentence(), state.model()) else {
            return;
        };
        let config = model.model.config();
        let (layer, head) = chosen(state, config.layers, config.heads);
        let found = &state.attention;
        let pause = state.prompt.pause_left().is_some();
        let asked = found.overview_of.as_ref() == Some(&sentence);
        if !asked && !pause {
            commands.send(attention::Command::Overview);
        }
        let wanted = Some((sentence.clone(), layer));
        let asked_layer = found.patterns_of == wanted;
        if !asked_layer && !pause {
            commands.send(attention::Command::Patterns(layer));
        }
        match (&found.overview, &found.patterns) {
            (Load::Failed(why), _) if asked => {
                failure_line(ui, "Could not compute the attention patterns", why);
                return;
            }
            (_, Load::Failed(why)) if asked_layer => {
                failure_line(ui, "Could not compute the attention pattern", why);
                return;
            }
            (Load::Absent, _) if asked => {
                let words = "Computing the attention patterns was stopped.";
                if empty_state(ui, icons::GRID_NINE, words, Some("Compute them")) {
                    commands.send(attention::Command::Overview);
                }
                return;
            }
            _ => {}
        }
        let same = |of: &crate::state::prompt::Sentence| of.same_model(&sentence);
        let overview = found.last_overview.as_ref().filter(|(of, _)| same(of));
        let patterns = found.last_patterns.as_ref().filter(|(of, _)| same(of));
        let (Some((_, overview)), Some((_, patterns))) = (overview, patterns) else {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(RichText::new("Computing attention patterns…").color(secondary));
            return;
        };
        let last = patterns.tokens.len().saturating_sub(1);
        let at = self.hovered.or(state.selection.token);
        let shown = Shown {
            patterns,
            head,
            at: at.unwrap_or(last).min(last),
        };
        let before = self.hovered.take();
        self.panels_ui(ui, state, (overview, shown), commands);
        if self.hovered != before {
            ui.request_repaint(); // strips and lists above the pointed map follow
        }
    }

    fn panels_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (overview, shown): (&Arc<Overview>, Shown<'_>),
        commands: &mut Commands,
    ) {
        self.height = ui.available_height();
        ScrollArea::vertical()
            .id_salt("attention")
            .auto_shrink(false)
            .show(ui, |ui| {
                if ui.available_width() < BESIDE {
                    heads_ui(ui, overview, shown, commands);
                    self.strips_ui(ui, state, shown, commands);
                    lists_ui(ui, shown, commands);
                    ui.add_space(space::GROUP);
                    self.pattern_ui(ui, state, shown, commands);
                    return;
                }
                let width = ui.available_width() - space::GROUP;
                let left = (width * 0.45).min(480.0);
                ui.horizontal_top(|ui| {
                    ui.spacing_mut().item_spacing.x = space::GROUP;
                    column_ui(ui, left, |ui| {
                        heads_ui(ui, overview, shown, commands);
                        self.strips_ui(ui, state, shown, commands);
                    });
                    column_ui(ui, width - left, |ui| {
                        self.pattern_ui(ui, state, shown, commands);
                        lists_ui(ui, shown, commands);
                    });
                });
            });
    }

    /// The sentence twice: where the token looks, and who looks at it.
    fn strips_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        shown: Shown<'_>,
        commands: &mut Commands,
    ) {
        let Shown { patterns, head, at } = shown;
        let token = patterns.texts[at].replace('\n', "⏎");
        let sources = patterns.sources(head, at);
        let destinations = patterns.destinations(head, at);
        let selected = state
            .selection
            .token
            .filter(|at| *at < patterns.texts.len());
        ui.horizontal_wrapped(|ui| {
            ui.label(panel_title(format!(
                "Head {}",
                name((patterns.layer, head))
            )));
            ui.label(caption("at").color(Theme::from_ui(ui).ink.secondary));
            ui.label(mono_caption(token).background_color(Theme::from_ui(ui).surface.hover));
            let place = caption(format!("position {at}"));
            ui.label(place.color(Theme::from_ui(ui).ink.secondary));
        });
        for (title, name, values) in [
            ("Attends to", "Sources", sources),
            ("Attended by", "Destinations", destinations.as_slice()),
        ] {
            let most = values.iter().fold(0.0_f32, |most, v| most.max(*v));
            ui.horizontal_wrapped(|ui| {
                ui.label(body_strong(title));
                legend::sequential(ui, "weight", Hue::Model, f64::from(most));
            });
            let mut card = |ui: &mut Ui, token: usize| {
                let text = patterns.texts[token].replace('\n', "⏎");
                ui.label(mono_caption(format!("“{text}”, position {token}")));
                let weight = number::number(f64::from(values[token]));
                ui.label(caption(format!("weight {weight}")));
            };
            let reply = TokenStrip::new(name, &patterns.texts)
                .values(values, most.max(f32::MIN_POSITIVE))
                .tint(Tint::Sequential(Hue::Model))
                .selected(selected.map(|at| at..=at))
                .card(&mut card)
                .show(ui);
            self.hovered = self.hovered.or(reply.hovered);
            if let Some(token) = reply.chosen {
                commands.send(navigation::Command::SelectToken(Some(token)));
            }
            ui.add_space(space::CONTROL);
        }
    }

    /// The whole pattern.
    fn pattern_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        shown: Shown<'_>,
        commands: &mut Commands,
    ) {
        let Shown { patterns, head, .. } = shown;
        let name = format!("Pattern of head {}", name((patterns.layer, head)));
        ui.horizontal_wrapped(|ui| {
            let help = "Attention weights after softmax (hook_pattern). Each row is a destination token; its weights over the tokens up to it sum to 1. Scroll to zoom, drag to move, right-click to copy or save";
            ui.label(panel_title(name.as_str())).on_hover_text(help);
            if patterns.cut > 0 {
                cut_ui(ui, patterns.tokens.len(), patterns.cut);
            }
        });
        let side = |title| Side {
            title,
            names: &patterns.texts,
        };
        let map = MatrixMap {
            name: &name,
            title: "attention weight",
            rows: side("destination"),
            columns: side("source"),
            values: patterns.of(head),
            revision: Arc::as_ptr(patterns) as u64 + u64::from(head.0),
            most: 1.0,
            tint: Tint::Sequential(Hue::Model),
            selected: state.selection.token,
            side: (self.height - AROUND).clamp(PATTERN / 2.0, PATTERN),
            definition: WEIGHT,
        };
        let answer = map.ui(ui, &|row, column| {
            let weight = patterns.sources(head, row)[column];
            format!(
                "{:?} at {row} attends to {:?} at {column}: {}",
                patterns.texts[row],
                patterns.texts[column],
                number::number(f64::from(weight))
            )
        });
        self.hovered = self.hovered.or(answer.pointed.map(|(row, _)| row));
        if let Some((row, _)) = answer.chosen {
            commands.send(navigation::Command::SelectToken(Some(row)));
        }
    }
}

fn column_ui(ui: &mut Ui, width: f32, content: impl FnOnce(&mut Ui)) {
    let layout = Layout::top_down(Align::Min);
    let area = ui.available_rect_before_wrap();
    let rect = area.with_max_x(area.left() + width);
    ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), |ui| {
        ui.set_width(width);
        ui.spacing_mut().item_spacing.x = space::CONTROL;
        content(ui);
    });
}

/// The selected head, if this model has it.
fn chosen(state: &AppState, layers: usize, heads: usize) -> (Layer, Head) {
    let selected = state.selection.head;
    let there = selected.filter(|(l, h)| l.index() < layers && h.index() < heads);
    there.unwrap_or((Layer(0), Head(0)))
}

/// All heads, each a small picture of its pattern.
fn heads_ui(ui: &mut Ui, overview: &Arc<Overview>, shown: Shown<'_>, commands: &mut Commands) {
    let grid = model::grid(overview);
    ui.horizontal(|ui| {
        let help = "Each picture is a head's attention pattern on this sentence: destinations downwards, sources across";
        ui.label(panel_title("Heads")).on_hover_text(help);
    });
    let map = HeatMap {
        title: "attention weight, maximum of each block of cells",
        rows: Side {
            title: "Layer",
            names: &grid.layers,
        },
        columns: Side {
            title: "Head",
            names: &grid.heads,
        },
        cells: &vec![Cell::Picture; overview.heads.len()],
        range: (0.0, 1.0),
        scale: Scale::Sequential(Hue::Model),
        labels: &[],
        selected: Some((shown.patterns.layer.index(), shown.head.index())),
        pictures: Some(pictures(ui, overview).id()),
        most: None,
        definition: WEIGHT,
        open: None,
    };
    let answer = map.ui(ui, &|row, column| model::describe(overview, row, column));
    if let Some((row, column)) = answer.clicked.or(answer.walked) {
        let select = navigation::Command::SelectHead(Layer::from(row), Head::from(column));
        commands.send(select);
    }
}

/// Definition of the numbers of a pattern.
const WEIGHT: &str = "Attention weight after softmax (hook_pattern): the share of a destination token's attention that goes to a source token; a destination's weights sum to 1";

/// A texture, and the overview and theme that it was made of.
type Kept = ((usize, bool), TextureHandle);

/// The thumbnails as one texture, made anew for another sentence or theme.
fn pictures(ui: &Ui, overview: &Arc<Overview>) -> TextureHandle {
    let theme = Theme::from_ui(ui);
    let id = ui.make_persistent_id("patterns of all heads");
    let key = (Arc::as_ptr(overview) as usize, theme.dark);
    let kept = ui.data(|data| data.get_temp::<Kept>(id));
    if let Some((of, picture)) = kept
        && of == key
    {
        return picture;
    }
    let (size, weights) = model::picture(overview);
    let colours = weights.into_iter();
    let colours = colours.map(|weight| theme.tint(Hue::Model, weight).fill);
    let image = ColorImage::new(size, colours.collect());
    let picture = picture::load(ui.ctx(), "heads", image, TextureOptions::NEAREST);
    ui.data_mut(|data| data.insert_temp::<Kept>(id, (key, picture.clone())));
    picture
}

/// The strongest sources and destinations with their numbers.
fn lists_ui(ui: &mut Ui, shown: Shown<'_>, commands: &mut Commands) {
    let Shown { patterns, head, at } = shown;
    let destinations = patterns.destinations(head, at);
    for (title, name, weights) in [
        (
            "Strongest sources",
            "Strongest sources",
            patterns.sources(head, at),
        ),
        (
            "Strongest destinations",
            "Strongest destinations",
            destinations.as_slice(),
        ),
    ] {
        let listed = umbra_core::attention::strongest(weights, LISTED);
        let bars: Vec<Bar> = listed
            .iter()
            .map(|(position, weight)| {
                let weight = f64::from(*weight);
                Bar::new(patterns.texts[*position].as_str(), weight)
                    .text(number::number(weight))
                    .hover(format!("Position {position}"))
            })
            .collect();
        ui.label(body_strong(title));
        let reply = Bars::new(name, &bars, Fill::Neutral)
            .tokens()
            .clickable()
            .most(1.0)
            .label_width(120.0)
            .show(ui);
        if let Some(position) = reply.clicked.and_then(|i| listed.get(i)) {
            commands.send(navigation::Command::SelectToken(Some(position.0)));
        }
        ui.add_space(space::CONTROL);
    }
}
