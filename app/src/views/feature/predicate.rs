//! Test a predicate: a field for it with the language on hover, and what a test over held-out text found: two plots, the tokens that the feature misses, and its
//! strongest tokens elsewhere.

#[cfg(test)]
mod tests;

use egui::{Align2, Button, Label, RichText, TextEdit, TextStyle, Ui, vec2};
use umbra_core::features::Example;
use umbra_core::features::families::{Family, Measured};
use umbra_core::features::predicate::lab::{DEFINITIONS as FIGURES, Tested};
use umbra_core::features::predicate::{DEFINITIONS, Predicate, READY_MADE};
use umbra_core::ids::FeatureId;

use super::examples::{Shown, strip_ui};
use crate::memo::Memo;
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::families::{Answer, Key};
use crate::state::requests::{Commands, families};
use crate::theme::{Theme, caption, mono, mono_caption, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::level_plot::{Heights, LevelPlot};
use crate::widgets::number::{count, number, percent};
use crate::widgets::token_strip::Scale;
use crate::widgets::{legend, meaning};

/// Explains the part.
const HELP: &str = "Write what the feature seems to respond to as a predicate of a token, and count over about 200 000 tokens of held-out text where it holds and where \
                    the feature is active";

/// Height of a plot.
const PLOT: f32 = 150.0;

/// Tokens listed at first, and after each *Show more*.
const LISTED: usize = 8;

/// Names of the two kinds of token.
const KINDS: [&str; 2] = ["predicate holds", "others"];

/// The part of a page, with what was computed for it.
#[derive(Debug, Default)]
pub(super) struct PredicatePart {
    /// Fault of the text in the field, if anything.
    refused: Memo<String, Option<String>>,
    /// Missed tokens and others that are listed.
    listed: [usize; 2],
    /// The test they are of.
    of: Option<Key>,
}

impl PredicatePart {
    /// Draws the part.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (dictionary, feature): (DictionaryId, FeatureId),
        commands: &mut Commands,
    ) {
        ui.label(panel_title("Test a predicate"))
            .on_hover_text(HELP);
        let text = state.families.predicate.as_str();
        let refused = self.refused.get(text.to_owned(), |text| {
            let text = text.trim();
            let refused = Predicate::parse(text).err().filter(|_| !text.is_empty());
            refused.map(|refused| refused.why)
        });
        let refused = refused.clone();
        let asked = Key {
            dictionary,
            feature,
            predicate: text.trim().to_owned(),
        };
        let entered = field_ui(ui, text, refused.is_some(), commands);
        if let Some(why) = &refused {
            let failure = Theme::from_ui(ui).failure;
            ui.add(Label::new(caption(meaning::sentence(why)).color(failure)).wrap());
        }
        let found = state.families.answer_of(dictionary, feature);
        let running = found.is_some_and(|(_, load)| load.is_loading());
        let ready = refused.is_none() && !asked.predicate.is_empty() && !running;
        let family = state.features.table_for(dictionary);
        let measured = family.and_then(|table| table.measured(feature));
        let clicked = buttons_ui(ui, measured, ready, commands);
        if ready && (clicked || entered) {
            commands.send(families::Command::Test(asked.clone()));
        }
        let Some((of, load)) = found else { return };
        if self.of.as_ref() != Some(of) {
            self.of = Some(of.clone());
            self.listed = [LISTED; 2];
        }
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add_space(space::CHIP);
        if let Some(why) = load.failure() {
            failure_line(ui, "The predicate could not be tested", why);
        } else if load.is_loading() {
            ui.label(caption("Testing… The strip below shows the progress").color(secondary));
        } else if let Some(answer) = load.ready() {
            if *of != asked {
                ui.add(Label::new(mono_caption(&of.predicate).color(secondary)).wrap());
            }
            self.answer_ui(ui, answer, commands);
        } else {
            ui.label(caption("The test was stopped").color(secondary));
        }
    }

    fn answer_ui(&mut self, ui: &mut Ui, answer: &Answer, commands: &mut Commands) {
        let tested = &answer.tested;
        figures_ui(ui, answer);
        if tested.active == 0 {
            let words = "The feature is never active on this text";
            ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
        } else {
            plots_ui(ui, tested);
        }
        let missed = format!("Missed: {} tokens", count(tested.misses()));
        let help = "Tokens at which the predicate holds and the feature is silent; those listed are drawn at random, in the order of the text";
        self.list_ui(ui, 0, (&missed, help), &tested.missed, (tested, commands));
        let others = format!(
            "Active elsewhere: {} tokens",
            count(tested.active - tested.both)
        );
        let help = "Tokens at which the feature is active and the predicate does not hold, strongest first";
        self.list_ui(ui, 1, (&others, help), &tested.others, (tested, commands));
    }

    fn list_ui(
        &mut self,
        ui: &mut Ui,
        which: usize,
        (title, help): (&str, &str),
        examples: &[Example],
        (tested, commands): (&Tested, &mut Commands),
    ) {
        ui.add_space(space::CONTROL);
        ui.label(RichText::new(title).strong()).on_hover_text(help);
        let scale = Scale {
            most: if tested.max > 0.0 {
                tested.max as f32
            } else {
                1.0
            },
            signed: examples.iter().flat_map(|e| &e.acts).any(|act| *act < 0.0),
        };
        let listed = &mut self.listed[which];
        let kind = ["Missed token", "Token elsewhere"][which];
        for (i, example) in examples.iter().take(*listed).enumerate() {
            strip_ui(
                ui,
                &format!("{kind} {}", i + 1),
                Shown {
                    example,
                    sources: None,
                    loss_effect: None,
                    scale,
                },
                commands,
            );
        }
        let left = examples.len().saturating_sub(*listed);
        if left > 0
            && ui
                .small_button(format!("Show {} more", left.min(LISTED)))
                .clicked()
        {
            *listed += LISTED;
        }
    }
}

/// The field; whether a person pressed Enter in it.
fn field_ui(ui: &mut Ui, text: &str, is_wrong: bool, commands: &mut Commands) -> bool {
    let mut typed = text.to_owned();
    let theme = Theme::from_ui(ui);
    let edit = TextEdit::multiline(&mut typed)
        .font(TextStyle::Monospace)
        .hint_text("repeats(fuzzy) and next_is(\" the\")")
        .desired_rows(1)
        .return_key(None)
        .align(Align2::LEFT_TOP)
        .desired_width(ui.available_width());
    let edit = if is_wrong {
        edit.text_color(theme.failure)
    } else {
        edit
    };
    let field = ui.add(edit);
    field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Predicate"));
    let entered = field.has_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    field.on_hover_ui(language_ui);
    if typed != text {
        commands.send(families::Command::Predicate(typed));
    }
    entered
}

/// The language, form by form.
fn language_ui(ui: &mut Ui) {
    ui.set_max_width(440.0);
    ui.spacing_mut().item_spacing.y = space::CHIP / 2.0;
    let secondary = Theme::from_ui(ui).ink.secondary;
    for definition in DEFINITIONS {
        ui.label(mono_caption(definition.form));
        let meaning = meaning::sentence(definition.meaning);
        ui.add(Label::new(caption(meaning).color(secondary)).wrap());
    }
}

/// Ready-made predicates, and *Test*; whether it was clicked.
fn buttons_ui(
    ui: &mut Ui,
    measured: Option<&Measured>,
    ready: bool,
    commands: &mut Commands,
) -> bool {
    let mut clicked = false;
    ui.horizontal(|ui| {
        let button = ui.add_enabled(ready, Button::new("Test"));
        let button = button.on_hover_text("Test the predicate over held-out text (Enter)");
        let why = "Write a predicate first, or choose a ready-made one";
        clicked = button.on_disabled_hover_text(why).clicked();
        ui.menu_button("Ready-made", |ui| {
            for (name, predicate) in ready_made(measured) {
                let entry = ui.button(name).on_hover_text(mono(predicate.as_str()));
                if entry.clicked() {
                    commands.send(families::Command::Predicate(predicate));
                    ui.close();
                }
            }
        });
    });
    clicked
}

/// Predicates to begin with: the feature's own target by induction first, where it was measured.
fn ready_made(measured: Option<&Measured>) -> Vec<(String, String)> {
    let induction = measured.filter(|measured| measured.family() == Some(Family::Induction));
    let own = induction.and_then(|measured| measured.induction.as_ref());
    let own = own.map(|induction| {
        let target = induction.text.replace('\\', "\\\\").replace('"', "\\\"");
        let target = target
            .replace('\n', "\\n")
            .replace('\t', "\\t")
            .replace('\r', "\\r");
        let predicate = format!("repeats(fuzzy) and next_is(\"{target}\")");
        (format!("Induction of “{}”", target.trim()), predicate)
    });
    let others = READY_MADE.iter();
    let others = others.map(|(name, predicate)| ((*name).to_owned(), (*predicate).to_owned()));
    own.into_iter().chain(others).collect()
}

/// Precision, recall and specificity, with their definitions; the text below.
fn figures_ui(ui: &mut Ui, answer: &Answer) {
    let tested = &answer.tested;
    let secondary = Theme::from_ui(ui).ink.secondary;
    let figures = [
        ("Precision", "precision", tested.precision()),
        ("Recall", "recall", tested.recall()),
        (
            "Top half",
            "specificity_top_half",
            tested.specificity_top_half(),
        ),
    ];
    ui.horizontal_wrapped(|ui| {
        for (name, key, share) in figures {
            let value = share.map_or_else(|| "–".to_owned(), percent);
            ui.spacing_mut().item_spacing.x = space::CHIP;
            let words = ui.label(caption(name).color(secondary));
            let digits = ui.label(mono(value.as_str()));
            meaning::figure(&digits, name, definition(key), &value);
            let help = meaning::sentence(definition(key));
            words.on_hover_text(help.as_str());
            digits.on_hover_text(help);
            ui.add_space(space::CONTROL);
        }
    });
    let over = format!("Over {}", answer.text);
    ui.add(Label::new(caption(over).color(secondary)).wrap());
}

fn definition(key: &str) -> &'static str {
    crate::words::defined(FIGURES, key)
}

/// Specificity and expected value.
fn plots_ui(ui: &mut Ui, tested: &Tested) {
    let ends = tested.levels.iter().map(|level| level.from);
    let edges: Vec<f64> = ends
        .chain(tested.levels.last().map(|level| level.to))
        .collect();
    let counts: Vec<Heights> = (tested.levels.iter())
        .map(|level| [level.holding as f64, level.other as f64])
        .collect();
    let parts: Vec<Heights> = (tested.levels.iter())
        .map(|level| level.expected(tested.active).into())
        .collect();
    let size = vec2(ui.available_width(), PLOT);
    ui.add_space(space::CONTROL);
    let theme = Theme::from_ui(ui);
    ui.horizontal_wrapped(|ui| {
        legend::mark(ui, theme.activation, KINDS[0]);
        ui.add_space(space::CONTROL);
        legend::mark(ui, theme.line.strong, KINDS[1]);
    });
    let plot = LevelPlot {
        name: "Specificity",
        definition: "Active tokens by level of activation. The height of a bar is their number, on a logarithmic scale where counts span decades; its lower part is the \
                     share of them at which the predicate holds",
        edges: &edges,
        heights: &counts,
        kinds: KINDS,
        title: "active tokens",
        counts: true,
    };
    plot.show(ui, size);
    let plot = LevelPlot {
        name: "Expected value",
        definition: "Each level's centre times the share of active tokens in it: its part in the feature's mean activation where active, by whether the predicate holds",
        heights: &parts,
        title: "part of the mean activation",
        counts: false,
        ..plot
    };
    plot.show(ui, size);
    if !tested.is_exact {
        let words = "Activations were rounded to be counted in bounded memory";
        ui.label(caption(words).color(theme.ink.secondary));
    }
    let mean: f64 = parts.iter().map(|[a, b]| a + b).sum();
    let held: f64 = parts.iter().map(|[a, _]| a).sum();
    let share = percent(held / mean.max(f64::MIN_POSITIVE));
    let words = format!(
        "{share} of the mean activation {} where it holds",
        number(mean)
    );
    ui.add(Label::new(caption(words).color(theme.ink.secondary)).wrap());
}
