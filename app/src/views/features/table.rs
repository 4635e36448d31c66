//! The rows of the feature table: columns, cells, hover card, menu. What is read from the index is asked for as it comes into view.

use std::sync::Arc;

use egui::{Role, Sense, Ui, WidgetInfo, vec2};
use umbra_core::features::families::{LAST, Measured};
use umbra_core::features::{Example, Hit, Name, Preview, Summary, TokenEffect};
use umbra_core::ids::FeatureId;

use super::label::NameEditor;
use crate::state::AppState;
use crate::state::features::{Column as By, Table, induction};
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, mono, space};
use crate::views::feature::card;
use crate::widgets::csv::Value;
use crate::widgets::feature_chip::dot;
use crate::widgets::feature_name;
use crate::widgets::grid::{Column, Rows};
use crate::widgets::histogram::HistogramPlot;
use crate::widgets::number::{number, percent};
use crate::widgets::snippet;
use crate::widgets::token_strip::Scale;

/// Features by whose reasons the column is as wide as it is.
const BEST: usize = 30;

/// Least and largest width of the reasons.
const WHY_LEAST: f32 = 150.0;
const WHY_MOST: f32 = 290.0;

/// Promoted tokens in a row.
const PROMOTED: usize = 6;

/// Columns of the whole table; those of families where they were measured.
pub(super) fn columns(measured: bool) -> Vec<Column<'static>> {
    let mut columns = vec![
        NUMBER, NAME, EXAMPLE, PROMOTES, ACTIVITY, DENSITY, MEAN, MAX, NORM,
    ];
    if measured {
        columns.extend([FAMILY, REACH, INDUCTION]);
    }
    columns
}

/// Columns of the features that a search found; the reasons of the best get the room that their words take.
pub(super) fn found_columns(ui: &Ui, found: &Found, measured: bool) -> Vec<Column<'static>> {
    let font = egui::FontId::proportional(crate::theme::size::BODY);
    let ink = Theme::from_ui(ui).ink.secondary;
    let words = |hit: &Hit| {
        let galley = ui.painter().layout_no_wrap(reason(hit), font.clone(), ink);
        galley.size().x.ceil() + 1.0
    };
    let best = found.hits.iter().take(BEST).map(words);
    let width = best.fold(WHY_LEAST, f32::max).min(WHY_MOST);
    let why = WHY.width(width, width);
    let mut columns = columns(measured);
    columns.insert(2, why);
    columns
}

const NUMBER: Column<'static> = Column::number(By::Number.id(), "Feature")
    .definition("Number of the feature in its dictionary")
    .width(64.0, 72.0)
    .always();

const NAME: Column<'static> = Column::text(By::Name.id(), "Name")
    .definition(
        "Your label. Where there is none, the token on which the feature is strongest. Click to write a label",
    )
    .width(90.0, 150.0)
    .always();

const WHY: Column<'static> = Column::text(By::Relevance.id(), "Why it was found")
    .definition(
        "Best match first: features whose label matches, that peak on the words, whose examples hold them, that promote or suppress them",
    )
    .width(WHY_LEAST, 210.0);

const EXAMPLE: Column<'static> = Column::text("example", "Strongest example")
    .definition("The text where the feature is most active; the token of the peak is underlined")
    .width(140.0, 260.0)
    .fills()
    .unsorted();

const PROMOTES: Column<'static> = Column::text("promotes", "Promotes")
    .definition("Tokens whose logits the feature's direction raises most, by its weights alone")
    .width(80.0, 170.0)
    .unsorted();

const ACTIVITY: Column<'static> = Column::text("activity", "Activations")
    .definition(
        "Histogram of its activations where it is active, from 0 to its largest; counts on a logarithmic scale where they span decades",
    )
    .width(64.0, 84.0)
    .unsorted();

const DENSITY: Column<'static> = Column::number(By::Density.id(), "Density")
    .definition("Share of the index's tokens on which the feature is active")
    .width(64.0, 76.0);

const MEAN: Column<'static> = Column::number(By::Mean.id(), "Mean")
    .definition("Mean activation where the feature is active")
    .width(52.0, 64.0)
    .hidden();

const MAX: Column<'static> = Column::number(By::Max.id(), "Max")
    .definition("The largest activation on the index's text, by size")
    .width(52.0, 64.0);

const NORM: Column<'static> = Column::number(By::Norm.id(), "Norm")
    .definition("Norm of the feature's decoder row")
    .width(52.0, 64.0)
    .hidden();

const FAMILY: Column<'static> = Column::text(By::Family.id(), "Family")
    .definition(
        "Induction: its target is next by induction at 80 % of the tokens in its top activation half, at least 20 percentage points above chance. Local: the last 8 tokens keep 80 % of its \
         activation. Long-range: it needs more. Unclear: too few or contradictory measurements",
    )
    .width(62.0, 76.0);

const REACH: Column<'static> = Column::number(By::Reach.id(), "Reach")
    .definition(
        "Smallest number of last tokens, of 1, 2, 4, 8, 16 and 32, that keep 80 % of the activation at its strongest examples while other text replaces all earlier tokens",
    )
    .unit("tokens")
    .width(48.0, 92.0);

const INDUCTION: Column<'static> = Column::number(By::Induction.id(), "Induction")
    .definition(
        "Share of the tokens in its top activation half at which its target is next by induction: an earlier copy of the token, up to leading spaces and case, precedes the target",
    )
    .width(60.0, 76.0);

/// Reasons that a search found, by feature.
#[derive(Debug, Default)]
pub(super) struct Found {
    hits: Arc<Vec<Hit>>,
    /// Place of each feature among the hits; none of those that were not found.
    places: Vec<Option<u32>>,
}

impl Found {
    /// The hits of a dictionary with so many features.
    pub(super) fn new(hits: Option<&Arc<Vec<Hit>>>, features: usize) -> Self {
        let Some(hits) = hits else {
            return Self::default();
        };
        let mut places = vec![None; features];
        for (place, hit) in (0..).zip(hits.iter()) {
            if let Some(entry) = places.get_mut(hit.feature.index()) {
                *entry = Some(place);
            }
        }
        Self {
            hits: Arc::clone(hits),
            places,
        }
    }

    fn of(&self, feature: FeatureId) -> Option<&Hit> {
        let place = self.places.get(feature.index()).copied().flatten()?;
        self.hits.get(place as usize)
    }
}

/// The rows on screen and what they are drawn from.
pub(super) struct TableRows<'a> {
    pub(super) state: &'a AppState,
    pub(super) table: &'a Table,
    /// Features in the order shown.
    pub(super) rows: &'a [u32],
    /// Why each was found.
    pub(super) found: &'a Found,
    pub(super) editor: &'a mut NameEditor,
    /// The control that has the focus while a person walks through the rows.
    pub(super) focus: egui::Id,
    pub(super) commands: &'a mut Commands,
    /// Choice in the menu of a row.
    pub(super) action: &'a mut Option<(super::bar::Action, Vec<FeatureId>)>,
}

impl TableRows<'_> {
    fn feature(&self, row: usize) -> FeatureId {
        FeatureId(self.rows.get(row).copied().unwrap_or_default())
    }

    fn summary(&self, feature: FeatureId) -> Option<&Summary> {
        self.table.summaries.get(feature.index())
    }

    fn preview(&self, feature: FeatureId) -> Option<&Preview> {
        let preview = self.state.preview(self.table.dictionary, feature);
        preview.map(Arc::as_ref)
    }

    fn name(&self, feature: FeatureId) -> Name<'_> {
        self.state.name_of(self.table.dictionary, feature)
    }

    fn why(&self, feature: FeatureId) -> Option<&Hit> {
        self.found.of(feature)
    }
}

impl Rows for TableRows<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.feature(row).0.into()
    }

    fn words(&self, row: usize) -> String {
        let feature = self.feature(row);
        let label = self.state.label(feature).unwrap_or("no label");
        format!("Row of feature {feature}, {label}")
    }

    fn value(&self, row: usize, column: &str) -> Value {
        let feature = self.feature(row);
        let known = |text: String| match text.as_str() {
            "" => Value::Nothing,
            _ => Value::Text(text),
        };
        let of_summary = |value: fn(&Summary) -> f64| {
            let summary = self.summary(feature);
            summary.map_or(Value::Nothing, |summary| Value::Number(value(summary)))
        };
        match By::of_id(column) {
            Some(By::Number) => Value::Count(feature.0.into()),
            Some(By::Name) => known(self.name(feature).to_string()),
            Some(By::Relevance) => known(self.why(feature).map(Hit::why).unwrap_or_default()),
            Some(By::Density) => of_summary(|summary| summary.density),
            Some(By::Mean) => of_summary(|summary| summary.mean),
            Some(By::Max) => of_summary(Summary::strongest),
            Some(By::Norm) => of_summary(|summary| summary.decoder_norm),
            Some(By::Family) => {
                let family = self.table.measured(feature).and_then(Measured::family);
                known(family.map(|family| family.to_string()).unwrap_or_default())
            }
            Some(By::Reach) => self.reach(feature),
            Some(By::Induction) => {
                let share = self.table.measured(feature).and_then(induction);
                share.map_or(Value::Nothing, Value::Number)
            }
            None => known(self.known(feature, column)),
        }
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (By::of_id(column), self.value(row, column)) {
            (Some(By::Number), Value::Count(feature)) => feature.to_string(),
            (Some(By::Density | By::Induction), Value::Number(share)) => percent(share),
            (Some(By::Reach), Value::Count(tokens)) => tokens.to_string(),
            (_, Value::Number(value)) => number(value),
            (_, Value::Text(text)) => text.replace('\n', "⏎"),
            _ => "–".to_owned(),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        let feature = self.feature(row);
        match column {
            "feature" => number_ui(ui, feature, self.summary(feature)),
            "name" => self.name_ui(ui, feature),
            "why" => why_ui(ui, self.why(feature)),
            _ => {
                let summary = self.summary(feature).copied().unwrap_or_default();
                match (column, self.preview(feature)) {
                    ("example", Some(preview)) => {
                        if let Some(example) = &preview.top {
                            example_ui(ui, example, &summary);
                        }
                    }
                    ("promotes", Some(preview)) => promoted_ui(ui, &preview.promoted),
                    ("activity", Some(preview)) => activity_ui(ui, preview),
                    // Not read yet.
                    ("example" | "promotes" | "activity", None) => {}
                    _ => return false,
                }
            }
        }
        true
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, selected: &[u64]) -> bool {
        let feature = self.feature(row);
        let page = |beside| navigation::Command::Feature { feature, beside };
        let all: Vec<FeatureId> = selected.iter().map(|key| FeatureId(*key as u32)).collect();
        if all.len() < 2 {
            for (words, command) in [
                ("Open", page(false)),
                ("Open beside", page(true)),
                ("Copy link", navigation::Command::CopyLink(feature)),
            ] {
                if ui.button(words).clicked() {
                    self.commands.send(command);
                    ui.close();
                }
            }
            ui.separator();
        }
        for action in super::bar::Action::ALL {
            let button = ui.button(action.words(all.len()));
            if button.on_hover_text(action.help()).clicked() {
                *self.action = Some((action, all.clone()));
                ui.close();
            }
        }
        true
    }

    fn card_ui(&mut self, ui: &mut Ui, row: usize) {
        let feature = self.feature(row);
        card::card_ui(ui, self.state, self.commands, feature);
    }

    fn has_cards(&self) -> bool {
        true
    }
}

impl TableRows<'_> {
    /// The reach of a feature: a number of tokens, or that the largest is not enough.
    fn reach(&self, feature: FeatureId) -> Value {
        let reach = self
            .table
            .measured(feature)
            .and_then(|measured| measured.reach);
        match reach.map(|reach| reach.reach()) {
            None => Value::Nothing,
            Some(Some(tokens)) => Value::Count(tokens as u64),
            Some(None) => Value::Text(format!("> {}", LAST[LAST.len() - 1])),
        }
    }

    /// The text of a column that is read from the index.
    fn known(&self, feature: FeatureId, column: &str) -> String {
        let Some(preview) = self.preview(feature) else {
            return String::new();
        };
        match column {
            "example" => preview
                .top
                .as_ref()
                .map(|e| e.tokens.concat())
                .unwrap_or_default(),
            "promotes" => {
                let texts: Vec<&str> = preview.promoted.iter().map(|e| e.text.as_str()).collect();
                texts.join(" ")
            }
            "activity" => {
                let counts = preview.histogram.counts.iter().map(u64::to_string);
                counts.collect::<Vec<_>>().join(" ")
            }
            _ => String::new(),
        }
    }

    /// The name, which a click turns into a field for the label.
    fn name_ui(&mut self, ui: &mut Ui, feature: FeatureId) {
        if self.editor.is_of(feature) {
            self.editor.ui(ui, self.focus, self.commands);
            return;
        }
        let room = vec2(ui.available_width(), space::TABLE_ROW);
        let (rect, response) = ui.allocate_exact_size(room, Sense::hover());
        let name = self.name(feature);
        let said = name.to_string();
        response.widget_info(|| {
            let words = format!("Name of feature {feature}: {said}");
            WidgetInfo::labeled(Role::Button, true, words)
        });
        // The text around the token stands in the column beside it.
        let short = Name { peak: None, ..name };
        let galley = feature_name::layout(ui, short, rect.width());
        let theme = Theme::from_ui(ui);
        if response.hovered() {
            let under = rect.shrink2(vec2(0.0, 3.0));
            ui.painter().rect_filled(
                under.expand2(vec2(3.0, 0.0)),
                space::CORNER,
                theme.surface.hover,
            );
        }
        if let Some(galley) = galley {
            let at = egui::pos2(rect.left(), rect.center().y - galley.size().y / 2.0);
            ui.painter().galley(at, galley, theme.ink.primary);
        }
        // The row takes the click too, and with Ctrl or Shift it alone.
        let clicked = ui.input(|input| {
            let clicked = input.pointer.primary_clicked() && !input.modifiers.any();
            clicked.then(|| input.pointer.interact_pos()).flatten()
        });
        let here = |at: &egui::Pos2| {
            let seen = rect.intersect(ui.clip_rect());
            seen.contains(*at) && ui.ctx().layer_id_at(*at) == Some(ui.layer_id())
        };
        if clicked.as_ref().is_some_and(here) {
            let label = self.state.label(feature).unwrap_or_default();
            self.editor.begin(feature, label);
        }
        response.on_hover_cursor(egui::CursorIcon::Text);
    }
}

/// The number, with a ring for a feature that was never active.
fn number_ui(ui: &mut Ui, feature: FeatureId, summary: Option<&Summary>) {
    let rect = ui.max_rect();
    if summary.is_some_and(|summary| summary.density == 0.0) {
        dot(ui, egui::pos2(rect.left() + 8.0, rect.center().y), 0.0);
    }
    ui.add(egui::Label::new(mono(feature.to_string())).selectable(false));
}

/// The strongest reason, and how many more there are.
fn reason(hit: &Hit) -> String {
    let reasons = hit.reasons();
    match reasons.as_slice() {
        [] => String::new(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first} +{}", more.len()),
    }
}

fn why_ui(ui: &mut Ui, hit: Option<&Hit>) {
    let Some(hit) = hit else { return };
    let text = reason(hit);
    let secondary = Theme::from_ui(ui).ink.secondary;
    let text = egui::RichText::new(text).color(secondary);
    ui.add(egui::Label::new(text).truncate().selectable(false));
}

fn example_ui(ui: &Ui, example: &Example, summary: &Summary) {
    let galley = snippet::layout(
        ui,
        example,
        Scale::from_summary(summary),
        ui.available_width(),
    );
    paint(ui, galley);
}

/// The first promoted tokens, as many as there is room for.
fn promoted_ui(ui: &Ui, promoted: &[TokenEffect]) {
    let theme = Theme::from_ui(ui);
    let room = ui.available_width();
    let font = egui::FontId::monospace(crate::theme::size::BODY);
    let mut job = egui::text::LayoutJob::default();
    let gap = egui::text::TextFormat::simple(font, theme.ink.primary);
    let token = egui::text::TextFormat {
        background: theme.surface.hover,
        ..gap.clone()
    };
    for (i, effect) in promoted.iter().take(PROMOTED).enumerate() {
        if i > 0 {
            job.append(" ", 0.0, gap.clone());
        }
        job.append(&effect.text.replace('\n', "⏎"), 0.0, token.clone());
    }
    job.wrap = egui::text::TextWrapping::truncate_at_width(room);
    let galley = ui.painter().layout_job(job);
    paint(ui, galley);
}

fn paint(ui: &Ui, galley: Arc<egui::Galley>) {
    let rect = ui.max_rect();
    let at = egui::pos2(rect.left(), rect.center().y - galley.size().y / 2.0);
    ui.painter()
        .galley(at, galley, Theme::from_ui(ui).ink.primary);
}

fn activity_ui(ui: &mut Ui, preview: &Preview) {
    let histogram = &preview.histogram;
    if histogram.counts.is_empty() {
        return;
    }
    let size = vec2(ui.available_width(), space::TABLE_ROW - 8.0);
    let plot = HistogramPlot::new("Activations", &histogram.edges, &histogram.counts);
    plot.size(size).sparkline(ui);
}
