//! Past runs: a table of them, and the curves of those that are chosen, over one another.

use egui::{Label, Role, Ui, WidgetInfo};

use super::curves::{Overlay, curves_ui, speed_ui};
use super::table::{Column, Row, table_ui};
use crate::state::requests::Commands;
use crate::state::requests::training::Command;
use crate::state::training::Past;
use crate::state::training::plan;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, panel_title, space};
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::number;

/// Highest table; more runs are scrolled to.
const TABLE: f32 = 8.0 * space::TABLE_ROW + space::CONTROL_ROW;

/// Letters of a year and what parts it from the month.
const YEAR: usize = 5;

const COLUMNS: [Column<Past>; 8] = [
    Column {
        title: "Variant",
        definition: "How active features are chosen",
        width: 92.0,
        is_number: false,
        text: |past| past.setting("variant"),
        exact: None,
    },
    Column {
        title: "Hook",
        definition: "Hook that the run read",
        width: 168.0,
        is_number: false,
        text: |past| past.record.hook.clone(),
        exact: None,
    },
    Column {
        title: "L0",
        definition: "Active features per token in the last step; for runs of earlier versions, over the last 100 steps",
        width: 44.0,
        is_number: true,
        text: |past| written(at_end(past, "l0")),
        exact: Some(|past| at_end(past, "l0").into()),
    },
    Column {
        title: "FVU",
        definition: "Fraction of variance unexplained in the last step; for runs of earlier versions, over the last 100 steps",
        width: 56.0,
        is_number: true,
        text: |past| written(at_end(past, "fvu")),
        exact: Some(|past| at_end(past, "fvu").into()),
    },
    Column {
        title: "Dead",
        definition: "Share of features silent for longer than the dead limit, at the end",
        width: 60.0,
        is_number: true,
        text: |past| figure(past, "dead_fraction", number::percent),
        exact: Some(|past| past.record.figure("dead_fraction").into()),
    },
    Column {
        title: "Started (UTC)",
        definition: "Month, day and time of the start",
        width: 88.0,
        is_number: false,
        text: |past| past.record.begun().chars().skip(YEAR).collect(),
        exact: None,
    },
    Column {
        title: "Device",
        definition: "Device that computed the steps",
        width: 150.0,
        is_number: false,
        text: |past| past.record.device.clone(),
        exact: None,
    },
    Column {
        title: "Status",
        definition: "How the run ended. Running: it continues, here or in another program. Interrupted: its program was killed",
        width: 60.0,
        is_number: false,
        text: |past| past.record.status.to_string(),
        exact: None,
    },
];

fn figure(past: &Past, name: &str, format: fn(f64) -> String) -> String {
    past.record.figure(name).map_or("–".to_owned(), format)
}

/// The figure of the last step, where it was recorded.
fn at_end(past: &Past, name: &str) -> Option<f64> {
    let end = past.record.figure(&format!("{name}_at_end"));
    end.or_else(|| past.record.figure(name))
}

fn written(figure: Option<f64>) -> String {
    figure.map_or("–".to_owned(), number::number)
}

/// Draws them; a sentence where there are none.
pub(super) fn past_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    match &state.training.past.list {
        Load::Ready(list) if !list.is_empty() => list_ui(ui, state, list, commands),
        Load::Failed(why) => failure_line(ui, "Could not list past runs", why),
        _ => {
            let text = if state.model().is_some() || state.training.form.store.is_some() {
                "The run's curves appear here: loss, FVU, L0, dead features, speed, and how often each feature fires"
            } else {
                "Open a model to train a dictionary on it"
            };
            empty_state(ui, icons::CHART_LINE_UP, text, None);
        }
    }
}

fn list_ui(ui: &mut Ui, state: &AppState, list: &[Past], commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| {
        ui.label(panel_title("Past runs"));
        let words = "Click to see curves, more than one to compare them";
        ui.label(caption(words).color(secondary));
    });
    let past = &state.training.past;
    let row = |at: usize| {
        let run: &Past = &list[at];
        let colour = past.chosen.iter().position(|there| *there == run.folder);
        Row {
            name: &run.name,
            words: format!("Run {}, {}", run.name, run.record.status),
            colour,
            selected: colour.is_some(),
        }
    };
    if let Some(clicked) = table_ui(ui, ("past runs", TABLE), &COLUMNS, list, &row) {
        commands.send(Command::TogglePast(list[clicked].folder.clone()));
    }
    let chosen: Vec<&Past> = past.chosen.iter().filter_map(|at| past.get(at)).collect();
    if let [only] = chosen.as_slice() {
        ui.add_space(space::CONTROL);
        detail_ui(ui, state, only, commands);
    }
    let mut shown = vec![];
    for run in &chosen {
        match past.curves.get(&run.folder) {
            Some(Load::Ready(curves)) => shown.push(Overlay {
                name: &run.name,
                curves,
            }),
            Some(Load::Failed(why)) => {
                let title = format!("Could not read the curves of {}", run.name);
                failure_line(ui, &title, why);
            }
            _ => {}
        }
    }
    if !shown.is_empty() && shown.len() == chosen.len() {
        ui.add_space(space::CONTROL);
        curves_ui(ui, &shown);
        speed_ui(ui, &shown);
    }
}

/// A whole number as numbers are written; else as it stands.
fn whole(setting: String) -> String {
    setting.parse().map_or(setting, number::count)
}

/// Draws details that the table has no room for, and the button to resume.
fn detail_ui(ui: &mut Ui, state: &AppState, past: &Past, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let record = &past.record;
    let words = format!(
        "{} · {} · started {} UTC, {} of {} activations in {} on {}, batch {}, seed {}",
        record.model,
        record.hook,
        record.begun(),
        number::count(record.tokens_seen),
        whole(past.setting("tokens")),
        number::span(record.seconds),
        record.device,
        past.setting("batch"),
        past.setting("seed"),
    );
    ui.add(Label::new(caption(words).color(secondary)).wrap());
    if let Some(problem) = &record.problem {
        failure_line(ui, "The run failed", problem);
    }
    if !past.can_go_on() {
        return;
    }
    let source = plan::source_of(state, past);
    let words = format!("{}  Resume", icons::PLAY);
    ui.horizontal(|ui| {
        let response = ui.add_enabled(source.is_ok(), egui::Button::new(words));
        let enabled = source.is_ok();
        response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, "Resume"));
        let help = "Resumes from its last checkpoint";
        if response.on_hover_text(help).clicked() {
            commands.send(Command::GoOnPast(past.folder.clone()));
        }
        if let Err(why) = source {
            ui.add(Label::new(caption(why).color(secondary)).wrap());
        }
    });
}
