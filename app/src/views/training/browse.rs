//! The features of the running dictionary: how often each fires in a small block of what the run reads, and on what.

use egui::text::{LayoutJob, TextFormat};
use egui::{FontId, Label, TextEdit, Ui};
use umbra_core::ids::FeatureId;

use crate::memo::Memo;
use crate::state::training::{Browsed, Fired, Member};
use crate::theme::{Hue, Theme, caption, panel_title, size, space};
use crate::widgets::csv::Value;
use crate::widgets::focus;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::number;
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Highest table; more features are scrolled to.
const TABLE: f32 = 10.0 * space::TABLE_ROW + space::CONTROL_ROW;

/// Name of the table in the settings.
const NAME: &str = "features of a run";

/// Tokens before the one that a feature fires on in a table's line.
const BEFORE: usize = 5;

/// Search text and selected feature.
#[derive(Debug, Default)]
pub(super) struct Browsing {
    filter: String,
    opened: Option<FeatureId>,
    found: Memo<(String, u64, String), Vec<usize>>,
}

impl Browsing {
    /// Draws the features of a dictionary in training; a sentence before they were looked at.
    pub(super) fn ui(&mut self, ui: &mut Ui, member: &Member) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add_space(space::GROUP);
        ui.label(panel_title("Features so far"));
        let Some(browsed) = member.browsed.as_deref() else {
            let words = "Features and their tokens appear after the first 5 % of the run";
            ui.label(caption(words).color(secondary));
            return;
        };
        let words = format!(
            "After {} activations, {} of {} features fire on {} tokens sampled from the run's data",
            number::count(browsed.seen),
            number::count(browsed.features.len() as u64),
            number::count(browsed.in_all as u64),
            number::count(browsed.read as u64),
        );
        ui.add(Label::new(caption(words).color(secondary)).wrap());
        ui.horizontal(|ui| {
            let label = ui.label("Find");
            let edit = TextEdit::singleline(&mut self.filter)
                .hint_text("a token, or #1234")
                .desired_width(200.0);
            focus::search(&ui.add(edit).labelled_by(label.id));
        });
        let key = (member.name.clone(), browsed.seen, self.filter.clone());
        let found = self.found.get(key, |(_, _, word)| browsed.found(word));
        if found.is_empty() {
            ui.label(caption("No feature fires most on this token").color(secondary));
            return;
        }
        table_ui(ui, browsed, found, &mut self.opened);
        let mut all = browsed.features.iter();
        if let Some(fired) = all.find(|fired| Some(fired.feature) == self.opened) {
            examples_ui(ui, browsed, fired);
        }
    }
}

const COLUMNS: [Column<'static>; 4] = [
    Column::number("feature", "Feature")
        .definition("Index in the dictionary")
        .width(56.0, 64.0)
        .always(),
    Column::number("density", "Density")
        .definition("Share of the sampled tokens on which it fires")
        .width(56.0, 72.0),
    Column::number("highest", "Highest")
        .definition("Its largest activation on them")
        .width(56.0, 72.0),
    Column::text("fires", "Fires most on")
        .definition("The token with its context")
        .width(120.0, 240.0)
        .fills()
        .unsorted(),
];

/// The features found, in the order in force.
struct Shown<'a> {
    browsed: &'a Browsed,
    found: Vec<usize>,
}

impl Shown<'_> {
    fn fired(&self, row: usize) -> &Fired {
        &self.browsed.features[self.found[row]]
    }
}

fn value(browsed: &Browsed, fired: &Fired, column: &str) -> Value {
    let best = fired.examples.first();
    match column {
        "feature" => fired.feature.index().into(),
        "density" => fired.share.into(),
        "highest" => best.map(|(_, act)| *act).into(),
        _ => best.map(|(at, _)| text(browsed, *at)).into(),
    }
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.found.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.fired(row).feature.index() as u64
    }

    fn words(&self, row: usize) -> String {
        format!("Row of feature {}", self.fired(row).feature)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.browsed, self.fired(row), column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        let fired = self.fired(row);
        match column {
            "feature" => format!("#{}", fired.feature),
            "density" => number::percent(fired.share),
            _ => grid::short(&self.value(row, column)),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        let best = self.fired(row).examples.first();
        let Some((at, _)) = best.filter(|_| column == "fires") else {
            return false;
        };
        let line = line(ui, self.browsed, *at);
        ui.add(Label::new(line).truncate().selectable(false));
        true
    }
}

/// A click opens a feature, a second one closes it.
fn table_ui(ui: &mut Ui, browsed: &Browsed, found: &[usize], opened: &mut Option<FeatureId>) {
    let sort = grid::sort(ui.ctx(), NAME);
    let order = grid::order(found.len(), sort.as_ref(), |at, column| {
        value(browsed, &browsed.features[found[at]], column)
    });
    let mut rows = Shown {
        browsed,
        found: order.into_iter().map(|at| found[at]).collect(),
    };
    let id = ui.scope_id().with(NAME);
    let mut selection: Selection = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    selection.select(opened.map(|feature| feature.index() as u64));
    let grid = Grid::new(NAME, &COLUMNS).most(TABLE);
    let reply = grid.show(ui, &mut rows, &mut selection);
    ui.data_mut(|data| data.insert_temp(id, selection));
    if let Some(row) = reply.clicked.or(reply.entered) {
        let feature = rows.fired(row).feature;
        *opened = (*opened != Some(feature)).then_some(feature);
    }
}

/// The token with its context, as text.
fn text(browsed: &Browsed, at: usize) -> String {
    browsed
        .around(at)
        .map(|i| browsed.tokens[i].as_str())
        .collect()
}

/// The token with its context, as one line.
fn line(ui: &Ui, browsed: &Browsed, at: usize) -> LayoutJob {
    let theme = Theme::from_ui(ui);
    let mut job = LayoutJob::default();
    let around = browsed.around(at);
    // The line is cut at its right end: the token must come early.
    let begin = around.start.max(at.saturating_sub(BEFORE));
    for i in begin..around.end {
        let token = browsed.tokens[i].replace('\n', "⏎");
        let font = FontId::monospace(size::BODY);
        let format = if i == at {
            let tinted = theme.tint(Hue::Activation, 0.8);
            TextFormat {
                background: tinted.fill,
                ..TextFormat::simple(font, tinted.ink)
            }
        } else {
            TextFormat::simple(font, theme.ink.secondary)
        };
        job.append(&token, 0.0, format);
    }
    job
}

/// Draws a feature's strongest examples, one strip each.
fn examples_ui(ui: &mut Ui, browsed: &Browsed, fired: &Fired) {
    ui.add_space(space::CONTROL);
    let most = fired.examples.first().map_or(1.0, |(_, act)| act.abs());
    let scale = Scale {
        most,
        signed: fired.examples.iter().any(|(_, act)| *act < 0.0),
    };
    for (place, (at, act)) in fired.examples.iter().enumerate() {
        let around = browsed.around(*at);
        let mut values = vec![0.0; around.len()];
        values[at - around.start] = *act;
        let name = format!("Example {} of feature {}", place + 1, fired.feature);
        TokenStrip::new(&name, &browsed.tokens[around])
            .activations(&values, scale)
            .show(ui);
    }
}
