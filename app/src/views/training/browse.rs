//! The features of the running dictionary: how often each fires in a small block of what the run reads, and on what.

use egui::text::{LayoutJob, TextFormat};
use egui::{Align, FontId, Label, Layout, Sense, TextEdit, Ui, vec2};
use egui_extras::{Column, TableBuilder, TableRow};
use umbra_core::ids::FeatureId;

use super::table::{cell_ui, head_ui, is_clicked};
use crate::memo::Memo;
use crate::state::training::{Browsed, Fired, Member};
use crate::theme::{Hue, Theme, caption, panel_title, size, space};
use crate::widgets::number;
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Highest table; more features are scrolled to.
const TABLE: f32 = 10.0 * space::TABLE_ROW + space::CONTROL_ROW;

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
            ui.add(edit).labelled_by(label.id);
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

fn table_ui(ui: &mut Ui, browsed: &Browsed, found: &[usize], opened: &mut Option<FeatureId>) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::CONTROL, 0.0);
        TableBuilder::new(ui)
            .id_salt("features so far")
            .striped(false)
            .sense(Sense::click())
            .cell_layout(Layout::left_to_right(Align::Center))
            .auto_shrink([false, true])
            .max_scroll_height(TABLE)
            .column(Column::exact(64.0))
            .columns(Column::exact(72.0), 2)
            .column(Column::remainder().at_least(120.0).clip(true))
            .header(space::CONTROL_ROW, |mut header| {
                for (title, help, is_number) in [
                    ("Feature", "Index in the dictionary", true),
                    (
                        "Density",
                        "Share of the sampled tokens on which it fires",
                        true,
                    ),
                    ("Highest", "Its largest activation on them", true),
                    ("Fires most on", "The token with its context", false),
                ] {
                    header.col(|ui| head_ui(ui, title, help, is_number));
                }
            })
            .body(|body| {
                body.rows(space::TABLE_ROW, found.len(), |mut row| {
                    let fired = &browsed.features[found[row.index()]];
                    let selected = *opened == Some(fired.feature);
                    row.set_selected(selected);
                    cells_ui(&mut row, browsed, fired);
                    let words = format!("Row of feature {}", fired.feature);
                    if is_clicked(&row.response(), &words, selected) {
                        *opened = (!selected).then_some(fired.feature);
                    }
                });
            });
    });
}

fn cells_ui(row: &mut TableRow<'_, '_>, browsed: &Browsed, fired: &Fired) {
    let best = fired.examples.first().copied();
    let highest = best.map_or(0.0, |(_, act)| f64::from(act));
    for figure in [
        format!("#{}", fired.feature),
        number::percent(fired.share),
        number::number(highest),
    ] {
        row.col(|ui| cell_ui(ui, &figure, true));
    }
    row.col(|ui| {
        if let Some((at, _)) = best {
            let line = line(ui, browsed, at);
            ui.add(Label::new(line).truncate().selectable(false));
        }
    });
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
