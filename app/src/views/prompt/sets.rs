//! Two sets of texts, and the features that tell them apart.

use egui::{ComboBox, RichText, ScrollArea, TextEdit, Ui};
use umbra_core::separate::{Pool, Probe, Separation, Separator};

use super::rows;
use crate::state::requests::{Commands, navigation, texts};
use crate::state::texts::{Apart, SetsForm};
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, mono, panel_title, space};
use crate::views::missing::without_dictionary_ui;
use crate::widgets::csv::{self, Value};
use crate::widgets::empty_state::failure_line;
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::number::{count, counted, number, percent, signed};
use crate::widgets::scroll::scroll_ui;

/// Features listed before a button shows more.
const FEATURES: usize = 30;

/// Definition of the order.
const DIFFERENCE: &str = "Mean pooled activation of set A less that of set B; a text on which the feature is not active counts as 0";

/// Definition of a probe's figure.
const HELD_OUT: &str = "Share of texts assigned to their set by a logistic regression on the features named, fitted on the other folds. Its features are those that correlate most with the sets on the texts that it is fitted on, so that no held-out text has a say. ± is the standard error";

/// The panel.
#[derive(Debug, Default)]
pub(super) struct SetsSide {
    all: bool,
}

impl SetsSide {
    /// Draws the form and the latest answer.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        without_dictionary_ui(ui, state, "sets cannot be told apart by features", commands);
        if state.sae().is_none() {
            return;
        }
        scroll_ui(ui, "prompt sets", ScrollArea::vertical(), |ui| {
            form_ui(ui, state, commands);
            ui.add_space(space::GROUP);
            match &state.texts.sets.load {
                Load::Ready(apart) => self.answer_ui(ui, state, apart, commands),
                Load::Failed(why) => {
                    failure_line(ui, "The sets could not be told apart", why);
                }
                Load::Loading | Load::Absent => {}
            }
        });
    }

    fn answer_ui(&mut self, ui: &mut Ui, state: &AppState, apart: &Apart, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        if state.selection.dictionary != Some(apart.dictionary) {
            let words =
                "The latest answer is of another dictionary: press Tell apart for this one.";
            ui.label(RichText::new(words).color(secondary));
            return;
        }
        if apart.form != state.texts.sets.form {
            let words = "The sets have changed since: press Tell apart for a new answer.";
            ui.label(RichText::new(words).color(secondary));
        }
        probes_ui(ui, &apart.found);
        ui.add_space(space::GROUP);
        self.features_ui(ui, state, &apart.found, commands);
    }

    fn features_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Separation,
        commands: &mut Commands,
    ) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.horizontal_wrapped(|ui| {
            let title = "Features that tell the sets apart";
            let label = egui::Label::new(panel_title(title)).sense(egui::Sense::click());
            let csv = || features_csv(found);
            let meaning = Meaning::new(title, DIFFERENCE);
            meaning::menu(&ui.add(label), &meaning.csv(&csv));
            let many = count(found.features.len() as u64);
            let words = format!("{many} active, largest difference of means first");
            ui.label(caption(words).color(secondary));
        });
        let Some(first) = found.features.first() else {
            let words = "No feature is active on a text of either set.";
            ui.label(RichText::new(words).color(secondary));
            return;
        };
        let titles = [
            ("difference", DIFFERENCE),
            ("mean A", "Mean pooled activation of set A"),
            ("mean B", "Mean pooled activation of set B"),
            (
                "AUC",
                "Probability that a text of A has the larger pooled activation than one of B, ties by half; 0.5 tells nothing",
            ),
        ];
        rows::heads_ui(ui, &titles);
        ui.spacing_mut().item_spacing.y = 2.0;
        let most = first.difference().abs().max(f64::MIN_POSITIVE);
        let shown = if self.all {
            found.features.len()
        } else {
            FEATURES
        };
        for one in found.features.iter().take(shown) {
            let figures = [
                signed(one.difference()),
                number(one.means[0]),
                number(one.means[1]),
                format!("{:.3}", one.auc),
            ];
            let share = (one.difference() / most) as f32;
            let row = (one.feature, share, figures.as_slice());
            if rows::feature_ui(ui, state, commands, row, "Select") {
                commands.send(navigation::Command::SelectFeature(Some(one.feature)));
            }
        }
        if found.features.len() > FEATURES {
            let words = if self.all { "Show fewer" } else { "Show all" };
            if ui.button(words).clicked() {
                self.all = !self.all;
            }
        }
    }
}

fn form_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let was = &state.texts.sets.form;
    let mut form = was.clone();
    ui.columns(2, |columns| {
        for (set, ui) in columns.iter_mut().enumerate() {
            set_ui(ui, set, &mut form, commands);
        }
    });
    ui.add_space(space::CONTROL);
    let enough = (0..2).all(|set| was.texts(set).count() > 1);
    let busy = state.texts.sets.load.is_loading();
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Pool");
        let chosen = form.pool;
        ComboBox::from_id_salt("pool")
            .selected_text(chosen.name())
            .show_ui(ui, |ui| {
                for pool in Pool::ALL {
                    let help = match pool {
                        Pool::Max => "The largest activation in size on the text's tokens",
                        Pool::Mean => "The mean activation over the text's tokens",
                        Pool::Last => "The activation on the text's last token",
                    };
                    let choice = ui.selectable_value(&mut form.pool, pool, pool.name());
                    choice.on_hover_text(help);
                }
            })
            .response
            .labelled_by(label.id)
            .on_hover_text(
                "How the activations of a feature on the tokens of a text become one number",
            );
        let button = ui.add_enabled(enough && !busy, egui::Button::new("Tell apart"));
        let why = "Give at least two texts in each set, one a line";
        if button.on_disabled_hover_text(why).clicked() {
            commands.send(texts::Command::Separate);
        }
        if busy {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(caption("Reading the texts…").color(secondary));
        } else if !enough {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(caption(why).color(secondary));
        }
    });
    if form != *was {
        commands.send(texts::Command::Form(form));
    }
}

fn set_ui(ui: &mut Ui, set: usize, form: &mut SetsForm, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let many = form.texts(set).count() as u64;
    let label = ui
        .horizontal_wrapped(|ui| {
            let label = ui.label(["Set A", "Set B"][set]);
            let words = format!("{}, one a line", counted(many, "text"));
            ui.label(caption(words).color(secondary));
            let open = ui.button(["Open A…", "Open B…"][set]);
            let help = "A file of texts, one a line, or a .jsonl file of strings or of objects with a field text or prompt";
            if open.on_hover_text(help).clicked() {
                commands.send(texts::Command::ChooseSet(set));
            }
            label
        })
        .inner;
    let hint = ["The king rode to the castle", "The fox ran into the wood"][set];
    let edit = TextEdit::multiline(&mut form.sets[set])
        .id_salt(("set", set))
        .desired_rows(5)
        .desired_width(f32::INFINITY)
        .hint_text(hint);
    ui.add(edit).labelled_by(label.id);
}

/// Draws the probes: their accuracy on held-out texts and their features.
fn probes_ui(ui: &mut Ui, found: &Separation) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        let label = egui::Label::new(panel_title("Sparse probes")).sense(egui::Sense::click());
        let title = ui.add(label).on_hover_text(HELD_OUT);
        let csv = || probes_csv(found);
        meaning::menu(&title, &Meaning::new("Sparse probes", HELD_OUT).csv(&csv));
        let words = format!(
            "{} folds; always answering the larger set is right on {}",
            found.folds,
            percent(found.baseline())
        );
        ui.label(caption(words).color(secondary));
    });
    for probe in &found.probes {
        ui.horizontal_wrapped(|ui| {
            let features = match probe.size {
                1 => "1 feature".to_owned(),
                many => format!("{many} features"),
            };
            ui.label(features);
            let held = &probe.held_out;
            let words = format!("{} ± {}", percent(held.accuracy), percent(held.standard_error));
            ui.label(mono(words)).on_hover_text(HELD_OUT);
            ui.label(caption("held out").color(secondary));
            ui.label(caption(named(probe)).color(secondary))
                .on_hover_text("Features of the fit on all texts, with the sign of their weight: + speaks for set A");
        });
    }
}

/// The features of a probe with the signs of their weights.
fn named(probe: &Probe) -> String {
    let one = probe.weights.iter().map(|weight| {
        let sign = if weight.weight < 0.0 { "−" } else { "+" };
        format!("{sign}#{}", weight.feature)
    });
    one.collect::<Vec<_>>().join(" ")
}

fn features_csv(found: &Separation) -> String {
    let titles = [
        "Feature",
        "Difference",
        "Mean A",
        "Mean B",
        "Texts A",
        "Texts B",
        "Correlation",
        "AUC",
    ];
    let line = |one: &Separator| {
        [
            Value::Count(u64::from(one.feature.0)),
            Value::Number(one.difference()),
            Value::Number(one.means[0]),
            Value::Number(one.means[1]),
            Value::Count(one.active[0] as u64),
            Value::Count(one.active[1] as u64),
            Value::Number(one.correlation),
            Value::Number(one.auc),
        ]
    };
    csv::table(&titles, found.features.iter().map(line))
}

fn probes_csv(found: &Separation) -> String {
    let titles = [
        "Features",
        "Held-out accuracy",
        "Standard error",
        "Accuracy",
        "Named",
    ];
    let line = |probe: &Probe| {
        [
            Value::Count(probe.size as u64),
            Value::Number(probe.held_out.accuracy),
            Value::Number(probe.held_out.standard_error),
            Value::Number(probe.accuracy),
            named(probe).as_str().into(),
        ]
    };
    csv::table(&titles, found.probes.iter().map(line))
}
