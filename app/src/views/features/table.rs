//! The rows of the feature table: columns, cells, hover card, menu. What is read from the index is asked for as it comes into view.

use std::sync::Arc;

use egui::{Role, Sense, Ui, WidgetInfo, vec2};
use umbra_core::features::families::LAST;
use umbra_core::features::filter::Column as By;
use umbra_core::features::{Example, Hit, Name, Preview, Summary, TokenEffect};
use umbra_core::ids::FeatureId;

use super::label::NameEditor;
use super::shown::Found;
use crate::state::AppState;
use crate::state::features::Table;
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

/// Columns of the whole table; those of measurements where they were made.
pub(super) fn columns(table: &Table) -> Vec<Column<'static>> {
    let mut columns = vec![
        NUMBER, NAME, EXAMPLE, PROMOTES, ACTIVITY, DENSITY, MEAN, MIN, MAX, NORM,
    ];
    if table.has_moments {
        columns.extend([VARIANCE, SKEWNESS, KURTOSIS]);
    }
    let first = table.summaries.first();
    if first.is_some_and(|summary| summary.encoder_decoder_cosine.is_some()) {
        columns.push(COSINE);
    }
    let measured: [(By, &[Column<'static>]); 4] = [
        (By::Head, &[HEAD, HEAD_SHARE]),
        (By::Fact, &[FACT, PRECISION, RECALL]),
        (By::Family, &[FAMILY, REACH, INDUCTION]),
        (By::Effect, &[EFFECT, STEERING_KL, SELECTIVITY, WINS]),
    ];
    for (_, more) in measured.iter().filter(|(by, _)| table.has(*by)) {
        columns.extend(*more);
    }
    columns
}

/// Columns of the features that a search found; the reasons of the best get the room that their words take.
pub(super) fn found_columns(ui: &Ui, found: &Found, table: &Table) -> Vec<Column<'static>> {
    let font = egui::FontId::proportional(crate::theme::size::BODY);
    let ink = Theme::from_ui(ui).ink.secondary;
    let words = |hit: &Hit| {
        let galley = ui.painter().layout_no_wrap(reason(hit), font.clone(), ink);
        galley.size().x.ceil() + 1.0
    };
    let best = found.hits().iter().take(BEST).map(words);
    let width = best.fold(WHY_LEAST, f32::max).min(WHY_MOST);
    let why = WHY.width(width, width);
    let mut columns = columns(table);
    columns.insert(2, why);
    columns
}

/// A column of numbers with the core's title and definition.
const fn figure(by: By) -> Column<'static> {
    Column::number(by.id(), by.title()).definition(by.definition())
}

/// A column of words with the core's title and definition.
const fn words(by: By) -> Column<'static> {
    Column::text(by.id(), by.title()).definition(by.definition())
}

const NUMBER: Column<'static> = figure(By::Number).width(64.0, 72.0).always();

const NAME: Column<'static> = words(By::Name)
    .definition(
        "Your label. Where there is none, the token on which the feature is strongest. Click to write a label",
    )
    .width(90.0, 150.0)
    .always();

const WHY: Column<'static> = words(By::Relevance).width(WHY_LEAST, 210.0);

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

const DENSITY: Column<'static> = figure(By::Density).width(64.0, 76.0);
const MEAN: Column<'static> = figure(By::Mean).width(52.0, 64.0).hidden();
const MIN: Column<'static> = figure(By::Min).width(52.0, 64.0).hidden();
const MAX: Column<'static> = figure(By::Max).width(52.0, 64.0);
const NORM: Column<'static> = figure(By::Norm).width(52.0, 64.0).hidden();
const VARIANCE: Column<'static> = figure(By::Variance).width(56.0, 72.0).hidden();
const SKEWNESS: Column<'static> = figure(By::Skewness).width(56.0, 76.0).hidden();
const KURTOSIS: Column<'static> = figure(By::Kurtosis).width(56.0, 72.0).hidden();
const COSINE: Column<'static> = figure(By::Cosine).width(56.0, 68.0).hidden();
const HEAD: Column<'static> = words(By::Head).width(40.0, 52.0).mono();
const HEAD_SHARE: Column<'static> = figure(By::HeadShare).width(60.0, 84.0).hidden();
const FACT: Column<'static> = words(By::Fact).width(100.0, 190.0);
const PRECISION: Column<'static> = figure(By::Precision).width(56.0, 76.0).hidden();
const RECALL: Column<'static> = figure(By::Recall).width(52.0, 68.0).hidden();
const FAMILY: Column<'static> = words(By::Family).width(62.0, 76.0);
const REACH: Column<'static> = figure(By::Reach).unit("tokens").width(48.0, 92.0);
const INDUCTION: Column<'static> = figure(By::Induction).width(60.0, 76.0);
const EFFECT: Column<'static> = figure(By::Effect).width(52.0, 68.0);

const STEERING_KL: Column<'static> = figure(By::SteeringKl)
    .unit("nats")
    .width(60.0, 96.0)
    .hidden();

const SELECTIVITY: Column<'static> = figure(By::Selectivity).width(60.0, 84.0);
const WINS: Column<'static> = figure(By::Wins).width(48.0, 64.0).hidden();

/// The rows on screen and what they are drawn from.
pub(super) struct TableRows<'a> {
    pub(super) state: &'a AppState,
    pub(super) table: &'a Table,
    /// Features in the order shown.
    pub(super) rows: &'a [FeatureId],
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
        self.rows.get(row).copied().unwrap_or_default()
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
        match By::from_id(column) {
            Some(By::Number) => Value::Count(feature.0.into()),
            Some(By::Name) => known(self.name(feature).to_string()),
            Some(By::Relevance) => known(self.why(feature).map(Hit::why).unwrap_or_default()),
            // With its sign; it is sorted by size.
            Some(By::Max) => {
                let summary = self.summary(feature);
                summary.map_or(Value::Nothing, |summary| Value::Number(summary.strongest()))
            }
            Some(By::Reach) => self.reach(feature),
            Some(by) if by.is_number() => {
                let value = self.table.value(by, feature);
                value.map_or(Value::Nothing, Value::Number)
            }
            Some(by) => known(self.table.text(by, feature).unwrap_or_default()),
            None => known(self.known(feature, column)),
        }
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (By::from_id(column), self.value(row, column)) {
            (Some(By::Number), Value::Count(feature)) => feature.to_string(),
            (
                Some(
                    By::Density
                    | By::Induction
                    | By::Wins
                    | By::HeadShare
                    | By::Precision
                    | By::Recall,
                ),
                Value::Number(share),
            ) => percent(share),
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
