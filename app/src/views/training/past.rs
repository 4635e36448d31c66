//! Past runs: a table of them, and the curves of those that are chosen, over one another.

use egui::{Align, Label, Layout, Role, Sense, Ui, WidgetInfo, vec2};
use egui_extras::{Column as Width, TableBuilder};

use super::curves::{Overlay, curves_ui, speed_ui};
use super::plan;
use crate::commands::Commands;
use crate::commands::training::Command;
use crate::state::training::Past;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, mono, panel_title, space};
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::number;

/// Highest table; more runs are scrolled to.
const TABLE: f32 = 8.0 * space::TABLE_ROW + space::CONTROL_ROW;

/// Width of a colour's mark.
const MARK: f32 = 12.0;

/// Least width of a name.
const NAME: f32 = 84.0;

/// Letters of a year and what parts it from the month.
const YEAR: usize = 5;

/// One column behind the name.
struct Column {
    title: &'static str,
    definition: &'static str,
    width: f32,
    /// Left out where the table is narrower.
    from: f32,
    is_number: bool,
    text: fn(&Past) -> String,
}

const COLUMNS: [Column; 7] = [
    Column {
        title: "Variant",
        definition: "How active features are chosen",
        width: 92.0,
        from: 480.0,
        is_number: false,
        text: |past| past.setting("variant"),
    },
    Column {
        title: "Hook",
        definition: "The activation that the run read",
        width: 168.0,
        from: 760.0,
        is_number: false,
        text: |past| past.record.hook.clone(),
    },
    Column {
        title: "L0",
        definition: "Active features per token, over the last 100 steps",
        width: 44.0,
        from: 0.0,
        is_number: true,
        text: |past| figure(past, "l0", number::number),
    },
    Column {
        title: "FVU",
        definition: "Fraction of variance unexplained, over the last 100 steps",
        width: 56.0,
        from: 0.0,
        is_number: true,
        text: |past| figure(past, "fvu", number::number),
    },
    Column {
        title: "Dead",
        definition: "Share of features silent for longer than the dead limit, at the end",
        width: 60.0,
        from: 400.0,
        is_number: true,
        text: |past| figure(past, "dead_fraction", number::percent),
    },
    Column {
        title: "Begun (UTC)",
        definition: "Month, day and time at which the run began",
        width: 88.0,
        from: 580.0,
        is_number: false,
        text: |past| past.record.begun().chars().skip(YEAR).collect(),
    },
    Column {
        title: "Status",
        definition: "How the run ended; running: it did not end, or another program is at it",
        width: 60.0,
        from: 0.0,
        is_number: false,
        text: |past| past.record.status.to_string(),
    },
];

fn figure(past: &Past, name: &str, format: fn(f64) -> String) -> String {
    past.record.figure(name).map_or("–".to_owned(), format)
}

/// Draws them; a sentence where there are none.
pub(super) fn past_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    match &state.training.past.list {
        Load::Ready(list) if !list.is_empty() => list_ui(ui, state, list, commands),
        Load::Failed(why) => failure_line(ui, "Past runs cannot be listed", why),
        _ => {
            let text = if state.model().is_some() || state.training.form.store.is_some() {
                "The curves of a run stand here: loss, FVU, L0, dead features, speed, and how often each feature fires"
            } else {
                "The curves of a run stand here once a model is open"
            };
            empty_state(ui, icons::CHART_LINE_UP, text, None);
        }
    }
}

fn list_ui(ui: &mut Ui, state: &AppState, list: &[Past], commands: &mut Commands) {
    let secondary = Theme::of(ui).ink.secondary;
    ui.horizontal(|ui| {
        ui.label(panel_title("Past runs"));
        let words = "Click to see curves, more than one to compare them";
        ui.label(caption(words).color(secondary));
    });
    table_ui(ui, state, list, commands);
    let past = &state.training.past;
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
                let title = format!("The curves of {} cannot be read", run.name);
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

/// What the table has no room for, and how to go on.
fn detail_ui(ui: &mut Ui, state: &AppState, past: &Past, commands: &mut Commands) {
    let secondary = Theme::of(ui).ink.secondary;
    let record = &past.record;
    let words = format!(
        "{} · {} · begun {} UTC, {} of {} activations in {}, batch {}, seed {}",
        record.model,
        record.hook,
        record.begun(),
        number::count(record.tokens_seen),
        whole(past.setting("tokens")),
        plan::span(record.seconds),
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
    let words = format!("{}  Go on", icons::PLAY);
    ui.horizontal(|ui| {
        let response = ui.add_enabled(source.is_ok(), egui::Button::new(words));
        let enabled = source.is_ok();
        response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, "Go on"));
        let help = "Goes on from its last checkpoint, as if it had never ended";
        if response.on_hover_text(help).clicked() {
            commands.send(Command::GoOnPast(past.folder.clone()));
        }
        if let Err(why) = source {
            ui.add(Label::new(caption(why).color(secondary)).wrap());
        }
    });
}

fn table_ui(ui: &mut Ui, state: &AppState, list: &[Past], commands: &mut Commands) {
    let room = ui.available_width();
    let columns: Vec<&Column> = COLUMNS.iter().filter(|c| room >= c.from).collect();
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::PANEL, 0.0);
        let mut builder = TableBuilder::new(ui)
            .id_salt("past runs")
            .striped(false)
            .sense(Sense::click())
            .cell_layout(Layout::left_to_right(Align::Center))
            .auto_shrink([false, true])
            .max_scroll_height(TABLE)
            .column(Width::exact(MARK))
            .column(Width::remainder().at_least(NAME).clip(true));
        for column in &columns {
            builder = builder.column(Width::exact(column.width).clip(true));
        }
        builder
            .header(space::CONTROL_ROW, |mut header| {
                header.col(|_| {});
                header.col(|ui| head_ui(ui, "Name", "The folder of its dictionary", false));
                for column in &columns {
                    header.col(|ui| {
                        head_ui(ui, column.title, column.definition, column.is_number);
                    });
                }
            })
            .body(|body| {
                body.rows(space::TABLE_ROW, list.len(), |mut row| {
                    let past = &list[row.index()];
                    let chosen = state.training.past.chosen.iter();
                    let colour = chosen.clone().position(|at| *at == past.folder);
                    row.set_selected(colour.is_some());
                    row.col(|ui| mark_ui(ui, colour));
                    row.col(|ui| {
                        ui.add(Label::new(&past.name).truncate().selectable(false));
                    });
                    for column in &columns {
                        row.col(|ui| cell_ui(ui, &(column.text)(past), column.is_number));
                    }
                    let response = row.response();
                    let words = format!("Run {}, {}", past.name, past.record.status);
                    let selected = colour.is_some();
                    response
                        .widget_info(|| WidgetInfo::selected(Role::Row, true, selected, &words));
                    if response.clicked() {
                        commands.send(Command::TogglePast(past.folder.clone()));
                    }
                });
            });
    });
}

/// The colour of the run's lines, once it is shown.
fn mark_ui(ui: &Ui, colour: Option<usize>) {
    let theme = Theme::of(ui);
    let rect = egui::Rect::from_center_size(ui.max_rect().center(), vec2(8.0, 8.0));
    if let Some(i) = colour {
        ui.painter().rect_filled(rect, 2.0, theme.series(i));
    } else {
        let stroke = egui::Stroke::new(1.0, theme.line.strong);
        ui.painter()
            .rect_stroke(rect, 2.0, stroke, egui::StrokeKind::Inside);
    }
}

fn head_ui(ui: &mut Ui, title: &str, definition: &str, is_number: bool) {
    let text = caption(title).color(Theme::of(ui).ink.secondary);
    ui.with_layout(side(is_number), |ui| {
        ui.add(Label::new(text).selectable(false))
            .on_hover_text(definition);
    });
}

fn cell_ui(ui: &mut Ui, text: &str, is_number: bool) {
    ui.with_layout(side(is_number), |ui| {
        let text = if is_number {
            mono(text)
        } else {
            egui::RichText::new(text)
        };
        ui.add(Label::new(text).truncate().selectable(false));
    });
}

fn side(is_number: bool) -> Layout {
    if is_number {
        Layout::right_to_left(Align::Center)
    } else {
        Layout::left_to_right(Align::Center)
    }
}
