//! Where the feature fires: the strongest places, then examples from five equal intervals of activation. Set as prose under the name of their document, with
//! near-duplicates folded.

use std::collections::BTreeSet;

use egui::{Align, Label, Layout, Ui, vec2};
use umbra_core::features::{Detail, Example, Fold, NEAR_DUPLICATES, Summary, fold};
use umbra_core::ids::FeatureId;

use crate::state::requests::{Commands, prompt};
use crate::theme::{Theme, caption, mono_caption, panel_title, space};
use crate::widgets::legend;
use crate::widgets::number::{number, percent};
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Width of the activation before each example.
const ACT: f32 = 44.0;

/// Height of the line with the name of the document.
const CAPTION: f32 = 16.0;

/// Strongest places shown before "Show all", in a wide and in a narrow window.
const FEW: [usize; 2] = [10, 5];

/// Parts of a feature's examples that a person unfolded.
#[derive(Debug, Default)]
pub(super) struct Examples {
    of: Option<FeatureId>,
    all: bool,
    /// Lists (0 for the strongest, then the intervals) and places in them whose near-duplicates are shown.
    unfolded: BTreeSet<(usize, usize)>,
    hovered: Option<f64>,
}

impl Examples {
    /// Draws both lists.
    pub(super) fn ui(&mut self, ui: &mut Ui, detail: &Detail, commands: &mut Commands) {
        self.strongest_ui(ui, detail, FEW[0], commands);
        ui.add_space(space::GROUP);
        self.intervals_ui(ui, detail, commands);
    }

    /// Takes the activation of the example that was under the pointer when the lists were drawn last.
    pub(super) fn take_hovered(&mut self) -> Option<f64> {
        self.hovered.take()
    }

    /// Draws the few strongest places of a narrow window.
    pub(super) fn few_ui(&mut self, ui: &mut Ui, detail: &Detail, commands: &mut Commands) {
        self.strongest_ui(ui, detail, FEW[1], commands);
    }

    fn strongest_ui(&mut self, ui: &mut Ui, detail: &Detail, few: usize, commands: &mut Commands) {
        let feature = detail.summary.feature;
        if self.of != Some(feature) {
            *self = Self {
                of: Some(feature),
                ..Self::default()
            };
        }
        let scale = Scale::from_summary(&detail.summary);
        ui.horizontal_wrapped(|ui| {
            ui.label(panel_title("Strongest examples"))
                .on_hover_text(help(&detail.summary));
            legend::activation(ui, scale);
        });
        let folds = fold(&detail.top);
        let shown = if self.all { folds.len() } else { few };
        for fold in folds.iter().take(shown) {
            self.fold_ui(ui, (0, "Top example", &detail.top), fold, scale, commands);
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

    /// Draws the examples by interval of activation.
    pub(super) fn intervals_ui(&mut self, ui: &mut Ui, detail: &Detail, commands: &mut Commands) {
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
                self.fold_ui(ui, list, &fold, scale, commands);
            }
        }
    }

    /// An example, and its near-duplicates where a person unfolded them.
    fn fold_ui(
        &mut self,
        ui: &mut Ui,
        (list, name, examples): (usize, &str, &[Example]),
        fold: &Fold,
        scale: Scale,
        commands: &mut Commands,
    ) {
        let key = (list, fold.shown);
        let unfolded = self.unfolded.contains(&key);
        let named = |at: usize| format!("{name} {}", at + 1);
        let mut toggled = false;
        let example = &examples[fold.shown];
        let over = example_ui(ui, &named(fold.shown), example, scale, commands, |ui| {
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
            let example = &examples[*at];
            let over = ui.indent(("near", list, *at), |ui| {
                example_ui(ui, &named(*at), example, scale, commands, |_| {})
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
    example: &Example,
    scale: Scale,
    commands: &mut Commands,
    more: impl FnOnce(&mut Ui),
) -> Option<f64> {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let row = ui.horizontal_top(|ui| {
        let act = f64::from(example.act());
        ui.allocate_ui_with_layout(
            vec2(ACT, space::TABLE_ROW),
            Layout::right_to_left(Align::Center),
            |ui| {
                ui.set_min_height(space::TABLE_ROW);
                ui.label(mono_caption(number(act)).color(secondary))
                    .on_hover_text("Activation at the underlined token");
            },
        );
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            strip_ui(ui, name, example, scale, commands);
            ui.spacing_mut().interact_size.y = CAPTION;
            ui.horizontal_wrapped(|ui| {
                ui.add(Label::new(caption(example.title()).color(secondary)).truncate())
                    .on_hover_text(&example.document);
                more(ui);
            });
        });
    });
    let over = ui.rect_contains_pointer(row.response.rect);
    over.then(|| f64::from(example.act()))
}

fn strip_ui(ui: &mut Ui, name: &str, example: &Example, scale: Scale, commands: &mut Commands) {
    let mut card = |ui: &mut Ui, token: usize| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let text = example.tokens[token].replace('\n', "⏎");
        ui.label(mono_caption(format!("“{text}”  id {}", example.ids[token])));
        let act = f64::from(example.acts[token]);
        ui.label(caption(format!("activation {}", number(act))));
        ui.label(caption(&example.document).color(secondary));
        ui.label(caption("Click to open in Prompt").color(secondary));
    };
    let strip = TokenStrip::new(name, &example.tokens)
        .activations(&example.acts, scale)
        .peak(example.at)
        .card(&mut card)
        .show(ui);
    if let Some(token) = strip.chosen {
        commands.send(prompt::Command::Example {
            example: Box::new(example.clone()),
            at: token,
        });
    }
}
