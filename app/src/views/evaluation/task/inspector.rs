//! One edit of one prompt: what was exchanged in each step, how far the activation is from its target, and what the model says before and after.

use egui::{Label, RichText, Ui, vec2};
use umbra_core::ids::FeatureId;
use umbra_core::tasks::test::{Evaluation, Inspected, KeptStep, Tested, Top};

use super::super::choice_ui;
use super::control::attribute;
use crate::state::AppState;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Hue, Theme, body_strong, caption, space};
use crate::views::dark_matter::panel::table_room;
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::csv::Value;
use crate::widgets::grid::{Column, Grid, Rows, Selection};
use crate::widgets::number;

/// Rows of the table without scrolling.
const ROWS: f32 = 9.0;

/// Width from which the three lists of tokens stand side by side.
const BESIDE: f32 = 640.0;

const DISTANCE: &str = "Length of what is left between the edited activation and that of the changed prompt, at this place";

/// The edit that is shown.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Name of the dictionary; the first with steps unless a person chose one.
    dictionary: Option<String>,
    /// Place in the list of kept edits.
    edit: usize,
}

impl Choice {
    /// Draws choices, steps and answers.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Evaluation,
        commands: &mut Commands,
    ) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let all = found
            .dictionaries
            .iter()
            .filter(|one| !one.inspected.is_empty());
        let all: Vec<&Tested> = all.collect();
        let chosen = all
            .iter()
            .find(|one| Some(&one.name) == self.dictionary.as_ref());
        let first = all.iter().find(|one| !one.supervised).or(all.first());
        let Some(one) = chosen.or(first).copied() else {
            ui.label(RichText::new("No edit was kept step by step.").color(secondary));
            return;
        };
        self.edit = self.edit.min(one.inspected.len() - 1);
        self.choices_ui(ui, &all, one);
        let inspected = &one.inspected[self.edit];
        ui.add(Label::new(said(inspected)).wrap().selectable(true));
        if inspected.places.is_empty() {
            let words =
                "A supervised dictionary exchanges one direction at each place, without steps.";
            ui.add(Label::new(caption(words).color(secondary)).wrap());
        } else {
            steps_ui(ui, state, (one, inspected), commands);
        }
        ui.add_space(space::CONTROL);
        answers_ui(ui, inspected);
    }

    fn choices_ui(&mut self, ui: &mut Ui, all: &[&Tested], one: &Tested) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            let names: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
            if let Some(at) = choice_ui(ui, "Edit by", &one.name, &names) {
                self.dictionary = Some(names[at].clone());
            }
            let edits = one.inspected.iter().enumerate();
            let edits: Vec<String> = edits.map(|(at, edit)| title(at, edit)).collect();
            if let Some(at) = choice_ui(ui, "Edit", &edits[self.edit], &edits) {
                self.edit = at;
            }
        });
    }
}

/// Name of a kept edit in the list.
fn title(at: usize, edit: &Inspected) -> String {
    let [from, to] = &edit.values;
    let what = attribute(&edit.attribute);
    format!("{}. {what}: {} → {}", at + 1, from.trim(), to.trim())
}

/// The prompt, and what the edit changes in it.
fn said(edit: &Inspected) -> String {
    let [from, to] = &edit.values;
    let what = attribute(&edit.attribute);
    let text = edit.text.trim_end();
    format!(
        "“{text}”: the {what} becomes {} in place of {}.",
        to.trim(),
        from.trim()
    )
}

/// Draws the three answers.
fn answers_ui(ui: &mut Ui, edit: &Inspected) {
    let lists: [(&str, &Top, Hue); 3] = [
        ("Before the edit", &edit.before, Hue::Model),
        ("After the edit", &edit.after, Hue::Edit),
        ("Ground truth", &edit.truth, Hue::Model),
    ];
    let draw = |ui: &mut Ui, (title, top, hue): (&str, &Top, Hue)| {
        ui.label(body_strong(title));
        let bars = top
            .iter()
            .map(|(token, logit)| Bar::new(token.clone(), f64::from(*logit)));
        let bars: Vec<Bar> = bars.collect();
        Bars::new(title, &bars, Fill::Hue(hue))
            .definition("Logit of the next token; the five largest")
            .tokens()
            .show(ui);
    };
    let all = ui.available_width();
    if all < BESIDE {
        for list in lists {
            draw(ui, list);
        }
        return;
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        for list in lists {
            let width = (all - 2.0 * space::GROUP) / 3.0;
            let layout = egui::Layout::top_down(egui::Align::Min);
            ui.allocate_ui_with_layout(vec2(width, 0.0), layout, |ui| {
                ui.set_width(width);
                ui.spacing_mut().item_spacing.x = space::CONTROL;
                draw(ui, list);
            });
        }
    });
}

/// A row of the table: a place, the number of the step, and the step; without one, the untouched activation.
struct Line<'a> {
    place: &'a str,
    number: usize,
    distance: f64,
    step: Option<&'a KeptStep>,
}

fn table_lines(edit: &Inspected) -> Vec<Line<'_>> {
    let mut all = Vec::new();
    for (place, distance, steps) in &edit.places {
        all.push(Line {
            place,
            number: 0,
            distance: *distance,
            step: None,
        });
        all.extend(steps.iter().enumerate().map(|(at, step)| Line {
            place,
            number: at + 1,
            distance: step.distance,
            step: Some(step),
        }));
    }
    all
}

impl Rows for Vec<Line<'_>> {
    fn count(&self) -> usize {
        self.len()
    }

    fn words(&self, row: usize) -> String {
        let line = &self[row];
        match line.step {
            Some(step) => format!(
                "Step {} at {}, feature {}",
                line.number, line.place, step.feature
            ),
            None => format!("Before the first step at {}", line.place),
        }
    }

    fn value(&self, row: usize, column: &str) -> Value {
        let line = &self[row];
        match (column, line.step) {
            ("place", _) => line.place.into(),
            ("step", _) => line.number.into(),
            ("distance", _) => line.distance.into(),
            ("feature", Some(step)) => format!("#{}", step.feature).into(),
            ("removed", Some(step)) => step.removed.into(),
            ("added", Some(step)) => step.added.into(),
            _ => Value::Nothing,
        }
    }
}

/// Draws the steps. A click on one selects its feature.
fn steps_ui(
    ui: &mut Ui,
    state: &AppState,
    (one, edit): (&Tested, &Inspected),
    commands: &mut Commands,
) {
    let columns = [
        Column::number("step", "Step").width(44.0, 52.0).always(),
        Column::text("place", "Place")
            .definition("Hook, heads and position that are edited")
            .width(120.0, 220.0)
            .fills(),
        Column::text("feature", "Feature")
            .definition(
                "Feature that is exchanged: its activation becomes that on the changed prompt",
            )
            .width(64.0, 80.0)
            .always(),
        Column::number("removed", "Removed")
            .definition("Activation on the prompt, which is taken out")
            .width(72.0, 80.0),
        Column::number("added", "Added")
            .definition("Activation on the changed prompt, which is put in")
            .width(72.0, 80.0),
        Column::number("distance", "Distance to the target")
            .definition(DISTANCE)
            .width(120.0, 156.0),
    ];
    let mut rows = table_lines(edit);
    let count = rows.len();
    let mut selection = Selection::default();
    let grid = Grid::new("steps of an edit", &columns).title("Steps of the edit");
    let reply = table_room(ui, (count, ROWS), |ui| {
        grid.show(ui, &mut rows, &mut selection)
    });
    let step = reply.clicked.and_then(|row| rows.get(row)?.step);
    if let (Some(step), Some(dictionary)) = (step, state.catalogue.named(&one.name)) {
        commands.send(navigation::Command::FollowDictionary(dictionary.id));
        let feature = Some(FeatureId(step.feature));
        commands.send(navigation::Command::SelectFeature(feature));
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    for (place, start, steps) in &edit.places {
        let Some(last) = steps.last().filter(|_| *start > 0.0) else {
            continue;
        };
        let words = format!(
            "{} leave {} of the distance at {place}.",
            number::counted(steps.len() as u64, "exchange"),
            number::percent(last.distance / start)
        );
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
}
