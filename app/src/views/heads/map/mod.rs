//! The map: every head by layer, coloured by its behaviour or by one figure, or all of them as a table; with the heads whose role is clear by name.

mod figure;
mod model;
mod survey;
mod table;

use egui::{Button, ComboBox, Label, RichText, Ui};
use umbra_core::heads::survey::{RULE, Role};
use umbra_core::ids::{Head, Layer};

pub(crate) use self::figure::Figure;
use self::model::{Colour, Grid};
use crate::state::heads::map::MapState;
use crate::state::heads::name;
use crate::state::requests::{Commands, attention, heads, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, space};
use crate::widgets::anchor::Anchor;
use crate::widgets::heat_map::{HeatMap, Side};

pub(super) use self::model::{features_of, first_head, glance, short, survey as kept};
pub(crate) use self::model::{profile, row};
pub(super) use self::table::short as figure_text;

/// Draws the step.
pub(super) fn map_ui(ui: &mut Ui, state: &AppState, room: f32, commands: &mut Commands) {
    let colour = Colour::new(state);
    let Some(grid) = model::grid(state, colour) else {
        return;
    };
    let top = ui.cursor().top();
    let surveyed = kept(state).is_some();
    if !surveyed {
        survey::offer_ui(ui, state, commands);
    }
    let table = is_table(state);
    bar_ui(ui, state, (colour, table), commands);
    if table {
        return table::table_ui(ui, state, commands);
    }
    if !surveyed {
        sentence_ui(ui, state, commands);
    }
    ui.add_space(space::CHIP);
    grid_ui(
        ui,
        state,
        (colour, &grid, room - (ui.cursor().top() - top)),
        commands,
    );
    if surveyed {
        ui.add_space(space::CONTROL);
        roles_ui(ui, state, commands);
    }
}

/// Whether the table of all heads stands in the map's place.
pub(super) fn is_table(state: &AppState) -> bool {
    state.heads.map.table && kept(state).is_some()
}

/// Asks for the attention patterns of the sentence where there is no survey to show.
pub(super) fn ask(state: &AppState, commands: &mut Commands) {
    let waits = state.heads.survey.load.is_loading() || kept(state).is_some();
    let Some(sentence) = state.sentence().filter(|_| !waits) else {
        return;
    };
    let asked = state.attention.overview_of.as_ref() == Some(&sentence);
    if !asked && state.prompt.pause_left().is_none() {
        commands.send(attention::Command::Overview);
    }
}

/// Draws the choice of colours, of map or table, and the text of the survey.
fn bar_ui(ui: &mut Ui, state: &AppState, (colour, table): (Colour, bool), commands: &mut Commands) {
    let surveyed = kept(state).is_some();
    ui.horizontal_wrapped(|ui| {
        if surveyed {
            for (shows_table, title, help) in [
                (false, "Map", "All heads by layer, as colours"),
                (
                    true,
                    "Table",
                    "All figures of all heads, to sort, copy and save",
                ),
            ] {
                let button = Button::selectable(table == shows_table, title);
                if ui.add(button).on_hover_text(help).clicked() {
                    let map = state.heads.map.clone();
                    show(
                        commands,
                        MapState {
                            table: shows_table,
                            ..map
                        },
                    );
                }
            }
        }
        if !table {
            picker_ui(ui, state, colour, commands);
        }
        if surveyed {
            survey::about_ui(ui, state, commands);
        }
    });
}

fn show(commands: &mut Commands, map: MapState) {
    commands.send(heads::Command::Map(map));
}

/// Draws the choice of colours, in groups.
fn picker_ui(ui: &mut Ui, state: &AppState, colour: Colour, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let label = ui.label(RichText::new("Colour by").color(secondary));
    let mut chosen: Option<&'static str> = None;
    let combo = ComboBox::from_id_salt("colour heads by").selected_text(colour.title());
    let combo = combo.height(400.0).show_ui(ui, |ui| {
        let Some(survey) = kept(state) else {
            for one in Figure::OF_ATTENTION {
                let is_it = matches!(colour, Colour::Sentence(figure) if figure == one);
                let line = ui.selectable_label(is_it, one.title());
                if line.on_hover_text(one.definition()).clicked() {
                    chosen = Some(one.key());
                }
            }
            return;
        };
        let is_behaviour = matches!(colour, Colour::Behaviour);
        let line = ui.selectable_label(is_behaviour, Colour::Behaviour.title());
        if line.on_hover_text(Colour::Behaviour.definition()).clicked() {
            chosen = Some("");
        }
        for (group, figures) in model::groups() {
            ui.label(caption(group).color(secondary));
            for figure in figures {
                let measured = survey.heads.iter().any(|row| (figure.get)(row).is_some());
                let is_it = matches!(colour, Colour::Survey(of) if of.key == figure.key);
                let button = Button::selectable(is_it, figure.title);
                let line = ui.add_enabled(measured, button);
                let line = line
                    .on_hover_text(figure.definition)
                    .on_disabled_hover_text(format!("Not measured: {}", figure.definition));
                if line.clicked() {
                    chosen = Some(figure.key);
                }
            }
        }
    });
    combo
        .response
        .labelled_by(label.id)
        .on_hover_text(colour.definition());
    if let Some(key) = chosen {
        let map = state.heads.map.clone();
        show(
            commands,
            MapState {
                figure: key.to_owned(),
                ..map
            },
        );
    }
}

fn grid_ui(
    ui: &mut Ui,
    state: &AppState,
    (colour, grid, room): (Colour, &Grid, f32),
    commands: &mut Commands,
) {
    let names = |many: usize| -> Vec<String> { (0..many).map(|i| i.to_string()).collect() };
    let (rows, columns) = (names(grid.layers), names(grid.heads));
    let title = colour.scale_title();
    let map = HeatMap {
        title: &title,
        rows: Side {
            title: "Layer",
            names: &rows,
        },
        columns: Side {
            title: "Head",
            names: &columns,
        },
        cells: &grid.cells,
        range: grid.range,
        scale: grid.scale,
        labels: &grid.labels,
        selected: state
            .head()
            .map(|(layer, head)| (layer.index(), head.index())),
        pictures: None,
        most: Some(room),
        definition: colour.definition(),
        open: Some("Open this head"),
    };
    let answer = map.ui(ui, &|row, column| {
        model::describe(state, colour, (Layer::from(row), Head::from(column)))
    });
    if let Some(cell) = answer.entry {
        Anchor::Head.mark_at(ui.ctx(), cell);
    }
    if let Some((row, column)) = answer.walked {
        let select = navigation::Command::SelectHead(Layer::from(row), Head::from(column));
        commands.send(select);
    }
    if let Some((row, column)) = answer.clicked {
        let choose = heads::Command::Choose(Layer::from(row), Head::from(column));
        commands.send(choose);
    }
}

/// Says which sentence the figures are of, or that there is none.
fn sentence_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        if state.sentence().is_none() {
            ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
            if ui.button("Type a sentence").clicked() {
                commands.send(navigation::Command::Go(ViewId::Prompt));
            }
            return;
        }
        let words = match &state.attention.overview {
            Load::Failed(why) => format!("Could not compute the attention patterns: {why}"),
            Load::Loading => "Computing attention patterns…".to_owned(),
            Load::Absent | Load::Ready(_) => "Measured on the sentence in Prompt".to_owned(),
        };
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    });
}

/// Draws the heads with a clear role, by role.
fn roles_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let Some(survey) = kept(state) else {
        return;
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(body_strong("Heads with a clear role"))
        .on_hover_text(RULE);
    let mut any = false;
    for role in Role::ALL {
        let heads: Vec<_> = survey.with_role(role).collect();
        if heads.is_empty() {
            continue;
        }
        any = true;
        ui.horizontal_wrapped(|ui| {
            let title = RichText::new(short(role)).color(secondary);
            ui.label(title).on_hover_text(role.describe());
            for row in heads {
                let of = (row.layer, row.head);
                let button = ui.button(name(of)).on_hover_text(profile(state, row));
                if button.clicked() {
                    commands.send(heads::Command::Choose(row.layer, row.head));
                }
            }
        });
    }
    if !any {
        let words = "No head's score is clear enough for a name";
        ui.label(RichText::new(words).color(secondary));
    }
}
