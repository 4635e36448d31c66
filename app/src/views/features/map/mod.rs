//! Maps of features: density against strength, and directions of decoder rows. A point is a feature; hover reads it out, a click selects it, a line drawn around
//! points selects those within it.

mod points;

use std::sync::Arc;

use egui::{Align, ComboBox, DragValue, Layout, Ui, vec2};
use egui_plot::{Line, MarkerShape, Plot, PlotPoint, PlotPoints, PlotUi, Points as Marks};
use umbra_core::features::Summary;
use umbra_core::features::directions::{Asked, DirectionMap};
use umbra_core::features::families::Family;
use umbra_core::features::filter::Column;
use umbra_core::ids::FeatureId;

use self::points::{Kind, Points, STEPS, Shade};
use crate::memo::Memo;
use crate::state::AppState;
use crate::state::features::Table;
use crate::state::requests::{Commands, features, navigation};
use crate::theme::{Hue, Theme, axes_as_captions, caption, icons, space};
use crate::views::feature::chips;
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::number::{number, percent};
use crate::widgets::parts::icon_menu;
use crate::widgets::plot::{log_marks, power};
use crate::widgets::{csv, legend};

/// Heights of the maps beside the rows.
const LOW: f32 = 180.0;
const HIGH: f32 = 320.0;

/// Width of the map from which its scale stands beside the switches.
const ROOM_FOR_SCALE: f32 = 900.0;

/// Largest distance at which the pointer hits a point.
const REACH: f32 = 12.0;

/// Definition of the maps.
const STRENGTH: &str = "A point is a feature: across its density, the share of the index's tokens on which it is active, upwards its activation of largest magnitude";
const DIRECTIONS: &str = "A point is a feature. t-SNE places features with similar decoder rows (by cosine) close together. Distances between groups and the two axes have no meaning of their own";

/// Everything the points depend on.
#[derive(Debug, Clone, PartialEq)]
struct PointsKey {
    table: usize,
    rows: u64,
    kind: Kind,
    colour: Option<Column>,
    directions: usize,
}

/// The map with its switches.
#[derive(Debug)]
pub(super) struct MapPanel {
    /// Whether it is shown.
    pub(super) open: bool,
    kind: Kind,
    colour: Option<Column>,
    /// Whether it takes the room of the rows too.
    large: bool,
    seed: u64,
    points: Memo<PointsKey, Points>,
    /// Columns with values, of a table.
    colours: Memo<usize, Vec<Column>>,
    /// The line being drawn around points, in the map's coordinates.
    line: Vec<[f64; 2]>,
}

impl Default for MapPanel {
    fn default() -> Self {
        Self {
            open: true,
            kind: Kind::Strength,
            colour: None,
            large: false,
            seed: 0,
            points: Memo::default(),
            colours: Memo::default(),
            line: Vec::new(),
        }
    }
}

impl MapPanel {
    /// Whether it takes the room of the rows too.
    pub(super) fn is_large(&self) -> bool {
        self.open && self.large
    }

    /// Another dictionary is shown.
    pub(super) fn forget(&mut self) {
        self.line.clear();
        self.colour = None;
    }

    /// Draws the map within `room`; returns the features that a line was drawn around. `rows` come with a number that changes with them.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        room: f32,
        (table, rows, revision): (&Arc<Table>, &[FeatureId], u64),
        state: &AppState,
        commands: &mut Commands,
    ) -> Option<Vec<FeatureId>> {
        let directions = match self.kind {
            Kind::Strength => None,
            Kind::Directions => state.features.directions.ready().cloned(),
        };
        let key = PointsKey {
            table: Arc::as_ptr(table) as usize,
            rows: revision,
            kind: self.kind,
            colour: self.colour,
            directions: directions
                .as_ref()
                .map_or(0, |map| Arc::as_ptr(map) as usize),
        };
        self.points.get(key, |key| {
            let map = (key.kind, directions.as_deref());
            Points::new(table, rows, map, key.colour)
        });
        let before = ui.cursor().top();
        self.switches_ui(ui, (table, directions.as_deref()), state, commands);
        let room = room - (ui.cursor().top() - before) - space::CONTROL;
        let height = match self.kind {
            _ if self.large => room,
            Kind::Strength => LOW,
            Kind::Directions => HIGH.min(0.5 * room),
        };
        if self.kind == Kind::Directions && directions.is_none() {
            self.no_map_ui(ui, table, state, commands);
            return None;
        }
        let rect = ui.available_rect_before_wrap();
        let place = egui::Rect::from_min_size(rect.min, vec2(rect.width(), height));
        ui.scope_builder(egui::UiBuilder::new().max_rect(place), |ui| {
            self.plot_ui(ui, (table, rows, height), state, commands)
        })
        .inner
    }

    /// Which map, coloured by which column, and its scale.
    fn switches_ui(
        &mut self,
        ui: &mut Ui,
        (table, directions): (&Arc<Table>, Option<&DirectionMap>),
        state: &AppState,
        commands: &mut Commands,
    ) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let narrow = ui.available_width() < ROOM_FOR_SCALE;
        ui.horizontal(|ui| {
            for (kind, words, help) in [
                (Kind::Strength, "Density and strength", STRENGTH),
                (Kind::Directions, "Directions", DIRECTIONS),
            ] {
                let button = ui.selectable_label(self.kind == kind, words);
                if button.on_hover_text(help).clicked() {
                    self.kind = kind;
                    self.line.clear();
                }
            }
            ui.add_space(space::CONTROL);
            let name = ui.label(caption("Colour").color(secondary));
            let key = Arc::as_ptr(table) as usize;
            let colours = self.colours.get(key, |_| points::colours(table));
            let shown = self.colour.map_or("none", Column::title);
            let choice = ComboBox::from_id_salt("colour of the map")
                .selected_text(shown)
                .show_ui(ui, |ui| {
                    ui.selectable_value(&mut self.colour, None, "none");
                    for column in colours {
                        ui.selectable_value(&mut self.colour, Some(*column), column.title());
                    }
                });
            choice.response.labelled_by(name.id);
            if let Some(points) = self.points.latest().filter(|_| !narrow) {
                scale_ui(ui, self.colour, points);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                self.right_ui(ui, (table, directions), state, commands);
            });
        });
        if let Some(points) = self
            .points
            .latest()
            .filter(|_| narrow && self.colour.is_some())
        {
            ui.horizontal(|ui| scale_ui(ui, self.colour, points));
        }
    }

    /// The size of the map, and what the map of directions holds.
    fn right_ui(
        &mut self,
        ui: &mut Ui,
        (table, directions): (&Arc<Table>, Option<&DirectionMap>),
        state: &AppState,
        commands: &mut Commands,
    ) {
        let words = if self.large { "Smaller" } else { "Larger" };
        let help = "Gives the map the room of the rows, or takes it back";
        if ui.button(words).on_hover_text(help).clicked() {
            self.large = !self.large;
        }
        let Some(map) = directions.filter(|_| self.kind == Kind::Directions) else {
            return;
        };
        icon_menu(ui, icons::DOTS_THREE, "Compute the map again", |ui| {
            self.again_ui(ui, table, state, commands);
        });
        let said = caption(map.said()).color(Theme::from_ui(ui).ink.secondary);
        ui.add(egui::Label::new(said).truncate());
    }

    /// Seed and button of a new map.
    fn again_ui(&mut self, ui: &mut Ui, table: &Table, state: &AppState, commands: &mut Commands) {
        ui.horizontal(|ui| {
            let name = ui.label("Seed");
            ui.add(DragValue::new(&mut self.seed)).labelled_by(name.id);
        });
        let ready = state.sae().is_some() && !state.features.directions.is_loading();
        if ui
            .add_enabled(ready, egui::Button::new("Map directions"))
            .clicked()
        {
            self.ask(table, commands);
            ui.close();
        }
    }

    fn ask(&self, table: &Table, commands: &mut Commands) {
        let asked = Asked {
            seed: self.seed,
            ..Asked::default()
        };
        commands.send(features::Command::MapDirections(table.dictionary, asked));
    }

    fn no_map_ui(&self, ui: &mut Ui, table: &Table, state: &AppState, commands: &mut Commands) {
        let theme = Theme::from_ui(ui);
        let directions = &state.features.directions;
        ui.horizontal_wrapped(|ui| {
            if directions.is_loading() {
                let words = "The map is being computed; the strip below shows the progress";
                ui.label(caption(words).color(theme.ink.secondary));
                return;
            }
            if let Some(why) = directions.failure() {
                ui.label(caption(why).color(theme.failure));
            }
            let button = egui::Button::new("Map directions");
            let button = ui.add_enabled(state.sae().is_some(), button);
            let help = "Places features with similar decoder rows close together, by t-SNE. It takes seconds to a minute, and the map is kept with the project";
            let asked = button
                .on_hover_text(help)
                .on_disabled_hover_text("Open the dictionary first")
                .clicked();
            if asked {
                self.ask(table, commands);
            }
            let words = "No map of this dictionary's decoder directions yet";
            ui.label(caption(words).color(theme.ink.secondary));
        });
    }

    fn plot_ui(
        &mut self,
        ui: &mut Ui,
        (table, rows, height): (&Table, &[FeatureId], f32),
        state: &AppState,
        commands: &mut Commands,
    ) -> Option<Vec<FeatureId>> {
        let theme = Theme::from_ui(ui);
        axes_as_captions(ui);
        let Self {
            points, kind, line, ..
        } = self;
        let points = points.latest()?;
        let kind = *kind;
        let selected = state.selection.feature;
        let ringed = selected.and_then(|feature| match kind {
            Kind::Strength => points::strength(table, feature),
            Kind::Directions => {
                let at = points.features.iter().position(|f| *f == feature)?;
                points.at.get(at).copied()
            }
        });
        let response = plot(ui, kind, height).show(ui, |plot| {
            marks_ui(plot, theme, (points, kind));
            if let Some(at) = ringed {
                let ring = Marks::new("selected", PlotPoints::Owned(vec![at]))
                    .radius(5.0)
                    .filled(false)
                    .color(theme.ink.primary)
                    .allow_hover(false);
                plot.points(ring);
            }
            if line.len() > 1 {
                let around = line.iter().chain(line.first()).copied();
                let around = Line::new("line around points", around.collect::<PlotPoints<'_>>());
                plot.line(
                    around
                        .color(theme.ink.primary)
                        .width(1.5)
                        .allow_hover(false),
                );
            }
            let transform = *plot.transform();
            let pointer = plot.response().hover_pos();
            let near = pointer.and_then(|pointer| {
                let away =
                    |point: &PlotPoint| transform.position_from_point(point).distance(pointer);
                points.nearest(REACH, away)
            });
            (near, transform)
        });
        let (near, transform) = response.inner;
        let circled = draw_line(&response.response, line, |at| {
            let value = transform.value_from_position(at);
            [value.x, value.y]
        });
        let circled = circled.map(|line| points.inside(&line));
        let place = response.response.rect.union(ui.min_rect());
        menu(&response.response, (table, kind), (rows, near, place));
        let count = points.at.len();
        response.response.widget_info(|| {
            let by = match kind {
                Kind::Strength => "density and strength",
                Kind::Directions => "decoder directions",
            };
            let name = format!("Map of {count} features by {by}");
            egui::WidgetInfo::labeled(egui::Role::Image, true, name)
        });
        let Some(feature) = near else { return circled };
        if response.response.clicked() {
            commands.send(navigation::Command::SelectFeature(Some(feature)));
        }
        if response.response.double_clicked() {
            commands.send(navigation::Command::Feature {
                feature,
                beside: false,
            });
        }
        let colour = self.colour;
        response.response.on_hover_ui_at_pointer(|ui| {
            ui.label(chips::title(state, feature));
            ui.label(caption(figures(table, feature, colour)));
        });
        circled
    }
}

/// Draws the points.
fn marks_ui<'a>(plot: &mut PlotUi<'a>, theme: &Theme, (points, kind): (&'a Points, Kind)) {
    let others = Marks::new("left out", PlotPoints::Borrowed(&points.others))
        .radius(1.2)
        .color(theme.line.strong)
        .allow_hover(false);
    plot.points(others);
    let radius = match kind {
        Kind::Strength => 1.6,
        Kind::Directions => 2.2,
    };
    for (i, (shade, places)) in points.shaded.iter().enumerate() {
        let (colour, shape) = mark(theme, *shade);
        let marks = Marks::new(format!("features {i}"), PlotPoints::Borrowed(places))
            .radius(radius)
            .color(colour)
            .shape(shape)
            .allow_hover(false);
        plot.points(marks);
    }
}

/// Follows a line that is drawn; returns it once it is whole.
fn draw_line(
    response: &egui::Response,
    line: &mut Vec<[f64; 2]>,
    place: impl Fn(egui::Pos2) -> [f64; 2],
) -> Option<Vec<[f64; 2]>> {
    let primary = egui::PointerButton::Primary;
    if response.drag_started_by(primary) {
        line.clear();
        let pressed = response.ctx.input(|input| input.pointer.press_origin());
        line.extend(pressed.map(&place));
    }
    if response.dragged_by(primary)
        && let Some(at) = response.interact_pointer_pos()
    {
        line.push(place(at));
    }
    if response.drag_stopped_by(primary) {
        let whole = std::mem::take(line);
        return (whole.len() > 2).then_some(whole);
    }
    None
}

/// The plot of a map.
fn plot<'a>(ui: &Ui, kind: Kind, height: f32) -> Plot<'a> {
    let theme = Theme::from_ui(ui);
    let secondary = theme.ink.secondary;
    let width = ui.available_width() - 60.0;
    let plain = |name: &'static str| {
        Plot::new(name)
            .height(height)
            .show_background(false)
            .set_margin_fraction(vec2(0.03, 0.08))
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .allow_double_click_reset(false)
            .show_crosshair(false)
            .grid_color(theme.line.strong)
            .label_formatter(|_| None)
    };
    match kind {
        Kind::Strength => plain("density and strength")
            .allow_scroll(false)
            .allow_zoom(false)
            .x_axis_label(caption("density, share of tokens").color(secondary))
            .y_axis_label(caption("largest activation, by size").color(secondary))
            .x_grid_spacer(move |input| log_marks(input.bounds, width, 64.0))
            .x_axis_formatter(|mark, _| power(mark.value))
            .y_axis_min_width(36.0),
        // Axes have no unit: the wheel moves, and with Ctrl it zooms.
        Kind::Directions => plain("decoder directions")
            .data_aspect(1.0)
            .show_axes(false)
            .show_grid(false),
    }
}

/// Colour and form of a shade.
fn mark(theme: &Theme, shade: Shade) -> (egui::Color32, MarkerShape) {
    match shade {
        Shade::Plain => (theme.activation.gamma_multiply(0.75), MarkerShape::Circle),
        Shade::Step(at) => {
            let share = (at as f32 + 0.5) / STEPS as f32;
            let tint = theme.tint(Hue::Activation, 0.08 + 0.92 * share);
            (tint.fill, MarkerShape::Circle)
        }
        Shade::Kind(at) => {
            let shape = FORMS[at % FORMS.len()].0;
            (theme.series(at), shape)
        }
        Shade::Missing => (theme.line.strong, MarkerShape::Circle),
    }
}

/// Forms of kinds, which tell them apart without colours.
const FORMS: [(MarkerShape, &str); 4] = [
    (MarkerShape::Circle, "circle"),
    (MarkerShape::Square, "square"),
    (MarkerShape::Diamond, "diamond"),
    (MarkerShape::Cross, "cross"),
];

/// The colour scale with its numbers, or the names of the kinds.
fn scale_ui(ui: &mut Ui, colour: Option<Column>, points: &Points) {
    let theme = Theme::from_ui(ui);
    match colour {
        None => {}
        Some(Column::Family) => {
            for (at, family) in Family::ALL.into_iter().enumerate() {
                let words = format!("{family} ({})", FORMS[at % FORMS.len()].1);
                ui.label(caption(words).color(theme.series(at)));
            }
        }
        Some(column) => {
            if let Some((low, high)) = points.range {
                let scale = if column == Column::Density {
                    "density, logarithmic"
                } else {
                    column.id()
                };
                let ends = (low as f32, high as f32);
                legend::between(ui, scale, Hue::Activation, ends);
            }
        }
    }
}

fn figures(table: &Table, feature: FeatureId, colour: Option<Column>) -> String {
    let Some(summary) = table.summaries.get(feature.index()) else {
        return String::new();
    };
    let mut figures = format!(
        "density {}, max {}",
        percent(summary.density),
        number(summary.strongest())
    );
    let shown = colour.filter(|column| !matches!(column, Column::Density | Column::Max));
    if let Some(column) = shown {
        let value = match table.value(column, feature) {
            Some(value) => number(value),
            None => table
                .text(column, feature)
                .unwrap_or_else(|| "–".to_owned()),
        };
        figures = format!("{figures}, {} {value}", column.id());
    }
    figures
}

/// Copies every feature of the table, also those that are thinned out or have no place.
fn menu(
    response: &egui::Response,
    (table, kind): (&Table, Kind),
    (rows, near, place): (&[FeatureId], Option<FeatureId>, egui::Rect),
) {
    let value = near.map(|feature| {
        let summary = &table.summaries[feature.index()];
        format!("{feature}\t{}\t{}", summary.density, summary.strongest())
    });
    let csv = || {
        let lines = rows.iter().map(|feature| {
            let summary = &table.summaries[feature.index()];
            [
                feature.index().into(),
                summary.density.into(),
                summary.strongest().into(),
            ]
        });
        csv::table::<[csv::Value; 3]>(&["Feature", "Density", "Max"], lines)
    };
    let said = near.map(|feature| said(feature, &table.summaries[feature.index()]));
    let definition = match kind {
        Kind::Strength => STRENGTH,
        Kind::Directions => DIRECTIONS,
    };
    let meaning = Meaning::new("Map of features", definition);
    let meaning = meaning.value(value.as_deref()).said(said.as_deref());
    meaning::menu(response, &meaning.csv(&csv).picture(place));
}

/// `Feature 505: density 48.4 %, largest activation 29.7`.
fn said(feature: FeatureId, summary: &Summary) -> String {
    format!(
        "Feature {feature}: density {}, largest activation {}",
        percent(summary.density),
        number(summary.strongest())
    )
}
