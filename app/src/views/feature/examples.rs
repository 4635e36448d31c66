//! Where the feature fires: the strongest places, then examples from five equal intervals of activation. Set as prose under the name of their document, with
//! near-duplicates folded. For a dictionary of `hook_z` the tokens that the activation comes from are underlined in the model's hue.

use std::collections::BTreeSet;

use egui::{Align, Label, Layout, Ui, vec2};
use umbra_core::features::{
    Detail, Example, Fold, NEAR_DUPLICATES, SourceToken, Sources, Summary, fold,
};
use umbra_core::ids::FeatureId;

use super::Page;
use crate::state::Load;
use crate::state::features::SourcesByPlace;
use crate::state::requests::{Commands, features, prompt};
use crate::theme::{Hue, Theme, caption, mono_caption, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::legend;
use crate::widgets::number::{number, percent, signed};
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Width of the activation before each example.
const ACT: f32 = 44.0;

/// Height of the line with the name of the document.
const CAPTION: f32 = 16.0;

/// Strongest places shown before "Show all", in a wide and in a narrow window.
const FEW: [usize; 2] = [10, 5];

/// Explains the underlined sources.
const SOURCES: &str = "Underlines the tokens that the activation at the marked token comes from: attention pattern × value × the feature's encoder row, summed over heads (direct feature \
                       attribution). The line grows with the part; parts below a tenth of the largest have none. The pattern is taken as given";

/// Knowledge about the examples of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    detail: &'a Detail,
    /// Sources computed for examples for which the index has none.
    computed: &'a Load<SourcesByPlace>,
    /// Whether the dictionary tells heads apart, so that there are sources.
    of_heads: bool,
    /// Whether sources can be computed here.
    ready: bool,
}

impl<'a> Found<'a> {
    pub(super) fn new(page: Page<'a>, detail: &'a Detail) -> Self {
        let Page {
            state, dictionary, ..
        } = page;
        let places = detail.top.iter().all(|example| example.place.is_some());
        let ready = state.misfit().is_none() && state.pair(dictionary.id).is_some();
        Self {
            detail,
            computed: state.features.sources(dictionary.id, page.feature),
            of_heads: !detail.head_shares.is_empty() && places,
            ready,
        }
    }

    /// Effect on the loss of ablating the feature at an example of a list, 0 for the strongest.
    fn loss_effect(&self, list: usize, at: usize) -> Option<f32> {
        let measured = self.detail.loss_effects.get(at).filter(|_| list == 0);
        measured.copied().filter(|effect| effect.is_finite())
    }

    /// The sources of an example of a list, 0 for the strongest.
    fn sources(&self, list: usize, at: usize, example: &Example) -> Option<&'a Sources> {
        if list == 0
            && let Some(known) = self.detail.sources.get(at)
        {
            return Some(known);
        }
        let found = self.computed.ready()?;
        let found = found
            .iter()
            .find(|(place, _)| Some(*place) == example.place);
        found.map(|(_, sources)| sources)
    }
}

/// Parts of a feature's examples that a person unfolded.
#[derive(Debug, Default)]
pub(super) struct Examples {
    of: Option<FeatureId>,
    all: bool,
    /// Lists (0 for the strongest, then the intervals) and places in them whose near-duplicates are shown.
    unfolded: BTreeSet<(usize, usize)>,
    hovered: Option<f64>,
    /// Whether sources are underlined, once a person said so; until then where the index has them.
    sources: Option<bool>,
}

impl Examples {
    /// Draws both lists.
    pub(super) fn ui(&mut self, ui: &mut Ui, found: Found<'_>, commands: &mut Commands) {
        self.strongest_ui(ui, found, FEW[0], commands);
        ui.add_space(space::GROUP);
        self.intervals_ui(ui, found, commands);
    }

    /// Takes the activation of the example that was under the pointer when the lists were drawn last.
    pub(super) fn take_hovered(&mut self) -> Option<f64> {
        self.hovered.take()
    }

    /// Draws the few strongest places of a narrow window.
    pub(super) fn few_ui(&mut self, ui: &mut Ui, found: Found<'_>, commands: &mut Commands) {
        self.strongest_ui(ui, found, FEW[1], commands);
    }

    fn strongest_ui(&mut self, ui: &mut Ui, found: Found<'_>, few: usize, commands: &mut Commands) {
        let detail = found.detail;
        let feature = detail.summary.feature;
        if self.of != Some(feature) {
            *self = Self {
                of: Some(feature),
                sources: self.sources,
                ..Self::default()
            };
        }
        let scale = Scale::from_summary(&detail.summary);
        ui.horizontal_wrapped(|ui| {
            ui.label(panel_title("Strongest examples"))
                .on_hover_text(help(&detail.summary));
            legend::activation(ui, scale);
            self.toggle_ui(ui, found);
        });
        self.ask(ui, found, commands);
        let folds = fold(&detail.top);
        let shown = if self.all { folds.len() } else { few };
        for fold in folds.iter().take(shown) {
            let list = (0, "Top example", detail.top.as_slice());
            self.fold_ui(ui, (found, scale), list, fold, commands);
        }
        if folds.len() > few {
            let words = if self.all {
                format!("Show {few}")
            } else {
                format!("Show all {}", folds.len())
            };
            if ui.button(words).clicked() {
                self.all = !self.all;
            }
        }
    }

    /// Whether sources are underlined.
    fn shows_sources(&self, found: Found<'_>) -> bool {
        found.of_heads && self.sources.unwrap_or(!found.detail.sources.is_empty())
    }

    /// Draws the switch of the underlined sources.
    fn toggle_ui(&mut self, ui: &mut Ui, found: Found<'_>) {
        if !found.of_heads {
            return;
        }
        let shown = self.shows_sources(found);
        let button = egui::Button::selectable(shown, caption("Sources"));
        if ui.add(button).on_hover_text(SOURCES).clicked() {
            self.sources = Some(!shown);
        }
    }

    /// Says what the line means; asks for the sources that the index lacks, once a person wants them, and says how that stands.
    fn ask(&self, ui: &mut Ui, found: Found<'_>, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        if self.shows_sources(found) {
            let hue = Theme::from_ui(ui).hue(Hue::Model);
            legend::mark(ui, hue, "underlined: where it comes from").on_hover_text(SOURCES);
        }
        if !found.of_heads || self.sources != Some(true) {
            return;
        }
        match found.computed {
            Load::Absent if found.ready => {
                commands.send(features::Command::Sources(found.detail.summary.feature));
            }
            Load::Loading => {
                ui.label(caption("Attributing the examples…").color(secondary));
            }
            Load::Failed(why) => failure_line(ui, "Could not attribute the examples", why),
            Load::Absent => {
                let words = "Sources are computed once the model is open";
                ui.label(caption(words).color(secondary));
            }
            Load::Ready(_) => {}
        }
    }

    /// Draws the examples by interval of activation.
    pub(super) fn intervals_ui(&mut self, ui: &mut Ui, found: Found<'_>, commands: &mut Commands) {
        let detail = found.detail;
        let theme = Theme::from_ui(ui);
        let scale = Scale::from_summary(&detail.summary);
        ui.label(panel_title("Examples by activation interval"))
            .on_hover_text(
                "Five equal intervals from 0 (or from the least activation) to the largest, with five random examples from each. The share is of the tokens on which the feature is \
                 active: most of what a feature does is seldom its strongest.",
            );
        for (i, interval) in detail.intervals.iter().enumerate() {
            ui.add_space(space::CHIP);
            let head = format!("{} to {}", number(interval.from), number(interval.to));
            ui.horizontal_wrapped(|ui| {
                ui.label(mono_caption(head).color(theme.ink.secondary));
                let share = format!("{} of active tokens", percent(interval.share));
                ui.label(caption(share).color(theme.ink.secondary));
            });
            if interval.examples.is_empty() {
                ui.label(caption("None").color(theme.ink.disabled));
            }
            let name = format!("Interval {} example", i + 1);
            for fold in fold(&interval.examples) {
                let list = (i + 1, name.as_str(), interval.examples.as_slice());
                self.fold_ui(ui, (found, scale), list, &fold, commands);
            }
        }
    }

    /// An example, and its near-duplicates where a person unfolded them.
    fn fold_ui(
        &mut self,
        ui: &mut Ui,
        (found, scale): (Found<'_>, Scale),
        (list, name, examples): (usize, &str, &[Example]),
        fold: &Fold,
        commands: &mut Commands,
    ) {
        let shown = self.shows_sources(found);
        let of = |at: usize| {
            let example = &examples[at];
            Shown {
                example,
                sources: found.sources(list, at, example).filter(|_| shown),
                loss_effect: found.loss_effect(list, at),
                scale,
            }
        };
        let key = (list, fold.shown);
        let unfolded = self.unfolded.contains(&key);
        let named = |at: usize| format!("{name} {}", at + 1);
        let mut toggled = false;
        let over = example_ui(ui, &named(fold.shown), of(fold.shown), commands, |ui| {
            if let Some(words) = fold.said() {
                let words = if unfolded {
                    format!("Fold {words}")
                } else {
                    format!("+ {words}")
                };
                let button = egui::Button::new(caption(words)).small().frame(false);
                let help = format!("Folded: {NEAR_DUPLICATES}");
                toggled = ui.add(button).on_hover_text(help).clicked();
            }
        });
        self.hovered = over.or(self.hovered);
        if toggled && !self.unfolded.remove(&key) {
            self.unfolded.insert(key);
        }
        for at in fold.near.iter().filter(|_| unfolded) {
            let over = ui.indent(("near", list, *at), |ui| {
                example_ui(ui, &named(*at), of(*at), commands, |_| {})
            });
            self.hovered = over.inner.or(self.hovered);
        }
    }
}

/// Explains the list.
fn help(summary: &Summary) -> String {
    let size = if summary.min < 0.0 {
        "of largest size, with their signs"
    } else {
        "largest"
    };
    format!(
        "The places of the index's text with the {size}, one per row of tokens at most. The underlined token is the one that counts; {NEAR_DUPLICATES} and are folded."
    )
}

/// One example; its activation if the pointer is over it. `more` draws behind the name of its document.
fn example_ui(
    ui: &mut Ui,
    name: &str,
    of: Shown<'_>,
    commands: &mut Commands,
    more: impl FnOnce(&mut Ui),
) -> Option<f64> {
    let Shown {
        example, sources, ..
    } = of;
    let secondary = Theme::from_ui(ui).ink.secondary;
    let row = ui.horizontal_top(|ui| {
        let act = f64::from(example.act());
        ui.allocate_ui_with_layout(
            vec2(ACT, space::TABLE_ROW),
            Layout::right_to_left(Align::Center),
            |ui| {
                ui.set_min_height(space::TABLE_ROW);
                let help = match of.loss_effect {
                    Some(effect) => format!(
                        "Activation at the underlined token. Ablating it here changes the loss on the next token by {} nats",
                        signed(f64::from(effect))
                    ),
                    None => "Activation at the underlined token".to_owned(),
                };
                ui.label(mono_caption(number(act)).color(secondary))
                    .on_hover_text(help);
            },
        );
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            strip_ui(ui, name, of, commands);
            ui.spacing_mut().interact_size.y = CAPTION;
            ui.horizontal_wrapped(|ui| {
                ui.add(Label::new(caption(example.title()).color(secondary)).truncate())
                    .on_hover_text(&example.document);
                let source = sources.and_then(|sources| sources.strongest(example));
                if let Some(source) = source {
                    let hue = Theme::from_ui(ui).hue(Hue::Model);
                    ui.label(caption(from(&source, example)).color(hue))
                        .on_hover_text("The source token with the largest part, and its part");
                }
                more(ui);
            });
        });
    });
    let over = ui.rect_contains_pointer(row.response.rect);
    over.then(|| f64::from(example.act()))
}

/// An example as it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The example.
    pub(super) example: &'a Example,
    /// Its sources, where they are underlined.
    pub(super) sources: Option<&'a Sources>,
    /// Change of the loss when the feature is ablated there, where it was measured.
    pub(super) loss_effect: Option<f32>,
    /// The scale of activations.
    pub(super) scale: Scale,
}

/// Explains the effect on the loss.
const LOSS: &str = "Change of the next token's cross-entropy, in nats, when the feature's activation at the underlined token is set to 0; above 0 the feature helps the model here";

/// Names the source token with the largest part, and how far back it is.
fn from(source: &SourceToken, example: &Example) -> String {
    let text = source.text.replace('\n', "⏎");
    let value = signed(f64::from(source.value));
    let at = example.place.map_or(0, |place| place.position);
    match at.saturating_sub(source.position) {
        0 => format!("← itself {value}"),
        1 => format!("← “{text}”, the token before, {value}"),
        back => format!("← “{text}”, {back} tokens back, {value}"),
    }
}

/// Shares of the sources of an example in the largest part that has the activation's sign, `[window]`.
fn shares(sources: &Sources, example: &Example) -> Vec<f32> {
    let most = sources.strongest(example).map_or(0.0, |most| most.value);
    let share = |part: &f32| if most == 0.0 { 0.0 } else { part / most };
    sources.window.iter().map(share).collect()
}

/// Draws the tokens of an example; a click opens it in Prompt.
pub(super) fn strip_ui(ui: &mut Ui, name: &str, shown: Shown<'_>, commands: &mut Commands) {
    let Shown {
        example,
        sources,
        loss_effect,
        scale,
    } = shown;
    let mut card = |ui: &mut Ui, token: usize| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let text = example.tokens[token].replace('\n', "⏎");
        ui.label(mono_caption(format!("“{text}”  id {}", example.ids[token])));
        let act = f64::from(example.acts[token]);
        ui.label(caption(format!("activation {}", number(act))));
        let part = sources.and_then(|sources| sources.window.get(token));
        if let Some(part) = part.filter(|_| token <= example.at) {
            let part = signed(f64::from(*part));
            ui.label(caption(format!("attribution {part}")));
        }
        if let Some(effect) = loss_effect.filter(|_| token == example.at) {
            let effect = signed(f64::from(effect));
            ui.label(caption(format!(
                "ablated, the loss on the next token changes by {effect} nats"
            )))
            .on_hover_text(LOSS);
        }
        ui.label(caption(&example.document).color(secondary));
        ui.label(caption("Click to open in Prompt").color(secondary));
    };
    let shares = sources.map(|sources| shares(sources, example));
    let strip = TokenStrip::new(name, &example.tokens)
        .activations(&example.acts, scale)
        .peak(example.at)
        .sources(shares.as_deref().unwrap_or_default())
        .card(&mut card)
        .show(ui);
    if let Some(token) = strip.chosen {
        commands.send(prompt::Command::Example {
            example: Box::new(example.clone()),
            at: token,
        });
    }
}
