//! One edit of one prompt: what was exchanged in each step, how far the activation is from its target, and what the model says before and after.

use egui::{ComboBox, DragValue, Label, RichText, Ui, vec2};

use super::super::definitions::definition;
use super::control::attribute;
use crate::state::evaluation::found::{Found, Inspection, Step};
use crate::state::evaluation::task::Looked;
use crate::state::requests::evaluation::task::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, body_strong, caption, space};
use crate::views::dark_matter::panel::table_room;
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::csv::Value;
use crate::widgets::empty_state::failure_line;
use crate::widgets::grid::{Column, Grid, Rows, Selection};
use crate::widgets::number;

/// Rows of the table without scrolling.
const ROWS: f32 = 9.0;

/// Width from which the three lists of tokens stand side by side.
const BESIDE: f32 = 640.0;

/// The edit that is asked for next.
#[derive(Debug)]
pub(super) struct Choice {
    asked: Looked,
}

impl Default for Choice {
    fn default() -> Self {
        let asked = Looked {
            k: 4,
            ..Looked::default()
        };
        Self { asked }
    }
}

impl Choice {
    /// Draws choices and steps.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Found,
        commands: &mut Commands,
    ) {
        let area = &state.evaluation.task;
        let is_asked = self.choices_ui(ui, found);
        if is_asked {
            commands.send(Command::Inspect(self.asked));
        }
        match &area.inspection {
            Load::Ready(inspection) => {
                let name = area
                    .looked
                    .and_then(|looked| found.dictionaries.get(looked.dictionary));
                let name = name.map_or("", |one| one.name.as_str());
                inspection_ui(ui, state, (inspection, name), commands);
            }
            Load::Loading => {
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.label(RichText::new("Computing the edit…").color(secondary));
            }
            Load::Failed(why) => failure_line(ui, "The edit could not be computed", why),
            Load::Absent => {
                let words = "Show the edit to see which features it exchanges, how near each step comes to the activation of the changed prompt, and what the model says then.";
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.add(Label::new(caption(words).color(secondary)).wrap());
            }
        }
    }

    /// Draws the choices; whether the edit was asked for.
    fn choices_ui(&mut self, ui: &mut Ui, found: &Found) -> bool {
        let asked = &mut self.asked;
        let last = found.prompts.len().saturating_sub(1);
        asked.dictionary = asked
            .dictionary
            .min(found.dictionaries.len().saturating_sub(1));
        asked.prompt = asked.prompt.min(last);
        let name = |at: usize| {
            found
                .dictionaries
                .get(at)
                .map_or("", |one| one.name.as_str())
        };
        let is_asked = ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            ui.horizontal(|ui| {
                let label = ui.label("Edit by");
                let combo = ComboBox::from_id_salt("dictionary of the edit")
                    .selected_text(name(asked.dictionary))
                    .show_ui(ui, |ui| {
                        for at in 0..found.dictionaries.len() {
                            ui.selectable_value(&mut asked.dictionary, at, name(at));
                        }
                    });
                combo.response.labelled_by(label.id);
            });
            for (at, one) in found.attributes.iter().enumerate() {
                ui.selectable_value(&mut asked.attribute, at, attribute(one));
            }
            number_ui(ui, "Prompt", &mut asked.prompt, 0..=last);
            number_ui(ui, "Features", &mut asked.k, 1..=64);
            ui.button("Show the edit").clicked()
        });
        let text = found.prompts.get(asked.prompt).map_or("", String::as_str);
        ui.add(Label::new(text).wrap().selectable(true));
        is_asked.inner
    }
}

fn number_ui(ui: &mut Ui, name: &str, value: &mut usize, range: std::ops::RangeInclusive<usize>) {
    ui.horizontal(|ui| {
        let label = ui.label(name);
        ui.add(DragValue::new(value).range(range))
            .labelled_by(label.id);
    });
}

fn inspection_ui(
    ui: &mut Ui,
    state: &AppState,
    (inspection, name): (&Inspection, &str),
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let [_, changed] = &inspection.texts;
    let words = format!("Changed prompt: {changed}");
    ui.add(Label::new(caption(words).color(secondary)).wrap());
    steps_ui(ui, state, (inspection, name), commands);
    ui.add_space(space::CONTROL);
    let titles = [
        "Before the edit",
        "After the edit",
        "With the changed prompt's activation",
    ];
    let all = ui.available_width();
    let mut draw = |ui: &mut Ui, at: usize| {
        ui.label(body_strong(titles[at]));
        let bars: Vec<Bar> = inspection.tops[at]
            .iter()
            .map(|(token, logit)| Bar::new(token.clone(), *logit))
            .collect();
        let fill = if at == 1 { Hue::Edit } else { Hue::Model };
        Bars::new(titles[at], &bars, Fill::Hue(fill))
            .definition(definition("logit"))
            .tokens()
            .show(ui);
    };
    if all < BESIDE {
        for at in 0..titles.len() {
            draw(ui, at);
        }
        return;
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        for at in 0..titles.len() {
            let width = (all - 2.0 * space::GROUP) / 3.0;
            let layout = egui::Layout::top_down(egui::Align::Min);
            ui.allocate_ui_with_layout(vec2(width, 0.0), layout, |ui| {
                ui.set_width(width);
                ui.spacing_mut().item_spacing.x = space::CONTROL;
                draw(ui, at);
            });
        }
    });
}

/// Rows of the table: the untouched activation first.
struct Steps<'a> {
    inspection: &'a Inspection,
}

impl Steps<'_> {
    fn step(&self, row: usize) -> Option<&Step> {
        self.inspection.steps.get(row.checked_sub(1)?)
    }
}

impl Rows for Steps<'_> {
    fn count(&self) -> usize {
        self.inspection.steps.len() + 1
    }

    fn words(&self, row: usize) -> String {
        match self.step(row) {
            Some(step) => format!("Step {row}, {}", step.what),
            None => "Before the first step".to_owned(),
        }
    }

    fn value(&self, row: usize, column: &str) -> Value {
        let Some(step) = self.step(row) else {
            return match column {
                "step" => Value::Count(0),
                "what" => "no exchange".into(),
                "distance" => self.inspection.distance.into(),
                _ => Value::Nothing,
            };
        };
        match column {
            "step" => Value::Count(row as u64),
            "what" => step.what.as_str().into(),
            "before" => step.before.into(),
            "after" => step.after.into(),
            "distance" => step.distance.into(),
            _ => Value::Nothing,
        }
    }
}

/// Draws the steps. A click on one selects its feature.
fn steps_ui(
    ui: &mut Ui,
    state: &AppState,
    (inspection, name): (&Inspection, &str),
    commands: &mut Commands,
) {
    let columns = [
        Column::number("step", "Step").width(44.0, 48.0).always(),
        Column::text("what", "Exchanged")
            .definition("Feature or direction whose activation takes the value that it has on the changed prompt")
            .width(120.0, 220.0)
            .fills()
            .always(),
        Column::number("before", "Removed")
            .definition("Activation on the prompt, which is taken out")
            .width(72.0, 80.0),
        Column::number("after", "Added")
            .definition("Activation on the changed prompt, which is put in")
            .width(72.0, 80.0),
        Column::number("distance", "Distance to the target")
            .definition(definition("distance"))
            .width(120.0, 150.0),
    ];
    let mut rows = Steps { inspection };
    let count = rows.count();
    let mut selection = Selection::default();
    let grid = Grid::new("steps of an edit", &columns).title("Steps of the edit");
    let reply = table_room(ui, (count, ROWS), |ui| {
        grid.show(ui, &mut rows, &mut selection)
    });
    let feature = reply
        .clicked
        .and_then(|row| rows.step(row))
        .and_then(|step| step.feature);
    if let (Some(feature), Some(one)) = (feature, state.catalogue.named(name)) {
        commands.send(navigation::Command::FollowDictionary(one.id));
        commands.send(navigation::Command::SelectFeature(Some(feature)));
    }
    let fraction = inspection
        .steps
        .last()
        .map(|step| step.distance / inspection.distance);
    if let Some(fraction) = fraction.filter(|fraction| fraction.is_finite()) {
        let words = format!(
            "The edit leaves {} of the distance.",
            number::percent(fraction)
        );
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
}
