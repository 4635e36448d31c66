//! The features of the sentence: a grid of features and tokens, and the list of the chosen token's.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{Align, Layout, ScrollArea, Ui, UiBuilder};
use umbra_core::features::{Firing, Survey};
use umbra_core::ids::FeatureId;
use umbra_core::prompt::{CUT, Clusters, Reading};

use super::editor::{figures, position};
use super::token::{Chosen, TokenSide};
use crate::memo::Memo;
use crate::state::features::Table;
use crate::state::requests::{Commands, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, icons, panel_title, size, space};
use crate::views::feature::chips;
use crate::views::missing::without_dictionary_ui;
use crate::widgets::cell_grid::{CellGrid, Rows};
use crate::widgets::csv::{self, Value};
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::legend;
use crate::widgets::number::percent;
use crate::widgets::scroll::scroll_ui;

/// Width from which the token's list is at the right.
const TWO_COLUMNS: f32 = 680.0;

/// Least width of that column: its line of orders and column heads.
const SIDE: f32 = 356.0;

/// Room for a feature's share of the reconstruction.
const SHARE: f32 = 48.0;

/// Room for the line that joins the rows of a cluster.
const CLUSTER: f32 = 8.0;

/// Height of the grid below the list.
const GRID: f32 = 360.0;

/// The features panel of Prompt.
#[derive(Debug, Default)]
pub(super) struct FeaturesSide {
    token: TokenSide,
    /// Reading and token brought into view last.
    revealed: Option<(usize, Option<usize>)>,
    /// The feature that the first row followed last.
    followed: Option<FeatureId>,
    /// The feature of the first row: one that was chosen elsewhere.
    lead: Option<FeatureId>,
    /// The feature that was chosen in this panel, which stays in its row.
    own: Option<FeatureId>,
    /// The token under the pointer in the grid.
    pub(super) pointed: Option<usize>,
    /// The feature that was chosen in this frame.
    pub(super) chosen: Option<FeatureId>,
    /// Whether the error was chosen in this frame.
    pub(super) chose_error: bool,
    /// Whether the rows stand in clusters.
    clustered: bool,
    clusters: Memo<(usize, usize, bool), Arc<Vec<Grouped>>>,
}

/// A row with the number of its cluster; none where it is not clustered.
type Grouped = (Firing, Option<usize>);

/// The grid's rows: listed features, those without a surprise, dense ones if they are unfolded.
struct Shown<'a> {
    state: &'a AppState,
    reading: &'a Reading,
    survey: &'a Survey,
    table: Option<&'a Table>,
    /// Largest activation in size of the sentence.
    most: f32,
    /// The first row, and its place in the order if it is listed.
    lead: Option<(Firing, Option<usize>)>,
    /// The rows in clusters, if they stand in clusters.
    clusters: Option<Arc<Vec<Grouped>>>,
    commands: &'a mut Commands,
}

impl FeaturesSide {
    /// Draws grid and list, or why there is nothing; `hovered` is a token that is pointed at in the sentence.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        hovered: Option<usize>,
        commands: &mut Commands,
    ) {
        self.pointed = None;
        if state.reader().is_none() {
            let sentence = "Loading the dictionary…";
            empty_state(ui, icons::CURSOR_TEXT, sentence, None);
            return;
        }
        let still = "tokens, predictions, the logit lens and attention are shown";
        without_dictionary_ui(ui, state, still, commands);
        if let Load::Failed(why) = &state.prompt.reading {
            failure_line(ui, "The sentence could not be read", why);
            return;
        }
        let Some(reading) = state.reading().filter(|_| state.sae().is_some()) else {
            return;
        };
        let at = position(state, reading);
        if ui.available_width() < TWO_COLUMNS {
            // A window too small for the screen scrolls it as a whole.
            if ui.clip_rect().height() < ui.max_rect().height() {
                self.token_ui(ui, state, (reading, at), commands);
                ui.add_space(space::GROUP);
                self.grid_ui(ui, state, (reading, hovered, f32::INFINITY), commands);
                return;
            }
            scroll_ui(ui, "prompt", ScrollArea::vertical(), |ui| {
                self.token_ui(ui, state, (reading, at), commands);
                ui.add_space(space::GROUP);
                self.grid_ui(ui, state, (reading, hovered, GRID), commands);
            });
            return;
        }
        self.columns_ui(ui, state, (reading, at, hovered), commands);
    }

    fn columns_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (reading, at, hovered): (&Reading, usize, Option<usize>),
        commands: &mut Commands,
    ) {
        let area = ui.available_rect_before_wrap();
        let side = (area.width() * 0.42).clamp(SIDE, 440.0);
        let left = area.with_max_x(area.right() - side - space::GROUP);
        let right = area.with_min_x(area.right() - side);
        let column = |rect| {
            UiBuilder::new()
                .max_rect(rect)
                .layout(Layout::top_down(Align::Min))
        };
        ui.scope_builder(column(left), |ui| {
            let height = ui.available_height();
            self.grid_ui(ui, state, (reading, hovered, height), commands);
        });
        let line = egui::Stroke::new(1.0, Theme::from_ui(ui).line.hair);
        let x = left.right() + space::GROUP / 2.0;
        ui.painter().vline(x, area.y_range(), line);
        // Room for the scroll bar, whether it is there or not.
        let bar = ui.spacing().scroll.allocated_width();
        ui.scope_builder(column(right), |ui| {
            let area = ScrollArea::vertical().id_salt("token").auto_shrink(false);
            scroll_ui(ui, "token", area, |ui| {
                ui.set_width(side - bar);
                self.token_ui(ui, state, (reading, at), commands);
            });
        });
    }

    fn token_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        reading: (&Reading, usize),
        commands: &mut Commands,
    ) {
        let chosen = ui.scope(|ui| self.token.ui(ui, state, reading, commands));
        if let Some(Chosen::Error) = chosen.inner {
            self.chose_error = true;
        }
        if let Some(Chosen::Feature(feature)) = chosen.inner {
            (self.chosen, self.own) = (Some(feature), Some(feature));
            commands.send(navigation::Command::SelectFeature(Some(feature)));
        }
    }

    /// Puts a feature that was chosen elsewhere into the first row, and that of an example that is opened; whether it did.
    fn lead(&mut self, state: &AppState, is_another: bool) -> bool {
        let feature = state.selection.feature;
        let is_chosen = self.followed != feature && self.own != feature;
        self.followed = feature;
        let leads = is_chosen || (is_another && state.prompt.tokens.is_some());
        if leads {
            (self.lead, self.own) = (feature, None);
        }
        leads
    }

    fn grid_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (reading, hovered, height): (&Reading, Option<usize>, f32),
        commands: &mut Commands,
    ) {
        let Some(survey) = state.survey() else { return };
        let top = ui.cursor().top();
        let table = state
            .selection
            .dictionary
            .and_then(|id| state.features.table_for(id));
        let acts = survey.features.all().map(|firing| firing.act.abs());
        let most = acts.fold(0.0_f32, f32::max);
        let signed = state.sae().is_some_and(|sae| sae.selection.is_signed());
        grid_head_ui(ui, (table.is_some(), signed, most), &mut self.clustered);
        let shows = (std::ptr::from_ref(reading) as usize, state.selection.token);
        let is_another = self.revealed.is_none_or(|(read, _)| read != shows.0);
        let leads = self.lead(state, is_another);
        let mut shown = Shown {
            state,
            reading,
            survey,
            table: table.map(|table| &**table),
            most,
            lead: None,
            clusters: None,
            commands,
        };
        if self.clustered {
            let unfolded = state.settings.dense_unfolded;
            let key = (
                std::ptr::from_ref(reading) as usize,
                std::ptr::from_ref(survey) as usize,
                unfolded,
            );
            let rows = self.clusters.get(key, |_| Arc::new(shown.grouped()));
            shown.clusters = Some(Arc::clone(rows));
        } else {
            shown.lead = self.lead.and_then(|feature| shown.place(feature));
        }
        let rows = shown.rows();
        if rows == 0 {
            let secondary = Theme::from_ui(ui).ink.secondary;
            let words = "No feature is active on a token that counts.";
            ui.label(egui::RichText::new(words).color(secondary));
            return;
        }
        let selected = state.selection.token;
        let row = state.selection.feature.and_then(|feature| {
            (0..rows.min(200)).find(|row| shown.firing(*row).is_some_and(|f| f.feature == feature))
        });
        let grid = CellGrid {
            name: "Features and tokens",
            definition: "Activation of the row's feature on the column's token; its shade is the share of the feature's largest activation in the index, or without an index of the largest one here",
            rows,
            columns: &reading.texts,
            selected: (row, selected),
            pointed: hovered,
            reveal: (leads, self.revealed != Some(shows)),
            signed,
            gutter: (ui.available_width() * 0.36).clamp(110.0, 240.0),
            // What is above the grid is drawn by now.
            height: height - (ui.cursor().top() - top),
        };
        self.revealed = Some(shows);
        let reply = grid.show(ui, &mut shown);
        self.pointed = reply.pointed.map(|(_, column)| column);
        if let Some((row, column)) = reply.chosen
            && let Some(feature) = shown.firing(row).map(|firing| firing.feature)
        {
            self.revealed = Some((shows.0, Some(column)));
            (self.chosen, self.own) = (Some(feature), Some(feature));
            let commands = shown.commands;
            commands.send(navigation::Command::SelectFeature(Some(feature)));
            commands.send(navigation::Command::SelectToken(Some(column)));
        }
    }
}

fn grid_head_ui(ui: &mut Ui, (indexed, signed, most): (bool, bool, f32), clustered: &mut bool) {
    ui.horizontal_wrapped(|ui| {
        let help = "Each row is a feature of this sentence, in the order of the list; each column a token. Click a cell to select both, or walk with the arrow keys";
        ui.label(panel_title("In this sentence")).on_hover_text(help);
        let (what, most) = ("activation", f64::from(most));
        if indexed {
            let what = "activation / its largest in the index";
            legend::capped(ui, what, Hue::Activation, signed)
                .on_hover_text("A larger activation than any in the index has the colour of 1");
        } else if signed {
            legend::diverging(ui, what, most);
        } else {
            legend::sequential(ui, what, Hue::Activation, most);
        }
        if ui.selectable_label(*clustered, "Clusters").on_hover_text(CLUSTERS).clicked() {
            *clustered = !*clustered;
        }
    });
}

/// Meaning of the clusters.
const CLUSTERS: &str = "Rows of features that are active on the same tokens stand together: average linkage of the cosine distance of their activations on the tokens that count, cut at 0.5. Clusters that are active earlier in the text stand first; a line at the left joins the rows of one cluster";

impl Shown<'_> {
    /// The peak of a feature that is active on the sentence, and its place in the order if that is listed.
    fn place(&self, feature: FeatureId) -> Option<(Firing, Option<usize>)> {
        let mut all = self.survey.features.all().enumerate();
        let (place, firing) = all.find(|(_, firing)| firing.feature == feature)?;
        Some((*firing, Some(place).filter(|place| *place < self.ordered())))
    }

    /// All rows in clusters.
    fn grouped(&self) -> Vec<Grouped> {
        let firings: Vec<Firing> = (0..self.ordered())
            .filter_map(|row| self.in_order(row))
            .copied()
            .collect();
        let features: Vec<FeatureId> = firings.iter().map(|firing| firing.feature).collect();
        let clusters = Clusters::new(self.reading, &features, CUT);
        let place: HashMap<FeatureId, &Firing> = firings
            .iter()
            .map(|firing| (firing.feature, firing))
            .collect();
        let all = clusters.all();
        all.filter_map(|(feature, group)| Some((**place.get(&feature)?, group)))
            .collect()
    }

    /// The cluster of a row.
    fn cluster(&self, row: usize) -> Option<usize> {
        self.clusters.as_ref()?.get(row)?.1
    }

    fn rows(&self) -> usize {
        self.ordered() + usize::from(matches!(self.lead, Some((_, None))))
    }

    /// Number of the rows in their order.
    fn ordered(&self) -> usize {
        let features = &self.survey.features;
        let unfolded = self.state.settings.dense_unfolded;
        let dense = if unfolded { features.dense.len() } else { 0 };
        features.listed.len() + features.unknown.len() + dense
    }

    fn firing(&self, row: usize) -> Option<&Firing> {
        if let Some(rows) = &self.clusters {
            return rows.get(row).map(|(firing, _)| firing);
        }
        let Some((lead, place)) = &self.lead else {
            return self.in_order(row);
        };
        match row.checked_sub(1) {
            None => Some(lead),
            Some(row) if place.is_some_and(|place| row >= place) => self.in_order(row + 1),
            Some(row) => self.in_order(row),
        }
    }

    fn in_order(&self, row: usize) -> Option<&Firing> {
        let features = &self.survey.features;
        let (listed, unknown) = (features.listed.len(), features.unknown.len());
        match row {
            row if row < listed => features.listed.get(row),
            row if row < listed + unknown => features.unknown.get(row - listed),
            row => features.dense.get(row - listed - unknown),
        }
    }

    /// The activation and the size that counts as full.
    fn value(&self, row: usize, column: usize) -> Option<(f32, f32)> {
        let firing = self.firing(row)?;
        let act = self.reading.latents.get(column, firing.feature);
        let Some(table) = self.table else {
            return Some((act, self.most));
        };
        let summary = table.summaries.get(firing.feature.index());
        let most = summary.map_or(0.0, |summary| summary.strongest().abs() as f32);
        // A feature that the index never saw is full where it is strongest here.
        let known = most.is_finite() && most > 0.0;
        Some((act, if known { most } else { firing.act.abs() }))
    }
}

impl Shown<'_> {
    /// Draws the line that joins the rows of a cluster, at the left of a row.
    fn cluster_ui(&self, ui: &Ui, row: usize) {
        let cluster = self.cluster(row);
        let joins = |other: Option<usize>| {
            cluster.is_some() && other.is_some_and(|other| self.cluster(other) == cluster)
        };
        let place = ui.max_rect();
        let (first, last) = (joins(row.checked_sub(1)), joins(Some(row + 1)));
        if first || last {
            let top = place.top() + if first { 0.0 } else { 4.0 };
            let bottom = place.bottom() - if last { 0.0 } else { 4.0 };
            let stroke = egui::Stroke::new(2.0, Theme::from_ui(ui).ink.secondary);
            ui.painter().vline(place.left() + 2.0, top..=bottom, stroke);
        }
    }
}

impl Rows for Shown<'_> {
    fn share(&self, row: usize, column: usize) -> f32 {
        let Some((act, most)) = self.value(row, column) else {
            return 0.0;
        };
        let share = act / most;
        if share.is_finite() {
            share.clamp(-1.0, 1.0)
        } else {
            0.0
        }
    }

    fn words(&self, row: usize, column: usize) -> String {
        let (Some(firing), Some((act, most))) = (self.firing(row), self.value(row, column)) else {
            return String::new();
        };
        let feature = firing.feature;
        let surprise = self
            .state
            .rarity()
            .and_then(|rarity| rarity.surprise(feature, act));
        let here = Firing {
            act,
            surprise,
            ..*firing
        };
        let mut words = format!(
            "{} on {:?}, position {column}: {}",
            chips::title(self.state, feature),
            self.reading.texts[column],
            figures(&here)
        );
        if self.table.is_some() && act != 0.0 {
            let share = percent(f64::from(act.abs() / most));
            words = format!("{words}, {share} of its largest");
        }
        if act != 0.0 {
            let share = percent(self.reading.share(column, feature));
            words = format!("{words}, {share} of the token's reconstruction");
        }
        if let Some(cluster) = self.cluster(row) {
            words = format!("{words}, cluster {}", cluster + 1);
        }
        words
    }

    fn csv(&self) -> String {
        let titles = [
            "Feature",
            "Name",
            "Position",
            "Token",
            "Activation",
            "Surprise (bits)",
            "Share of the reconstruction",
            "Cluster",
        ];
        let rows = (0..self.rows()).filter_map(|row| Some((row, self.firing(row)?)));
        let lines = rows.flat_map(|(row, firing)| {
            let cluster = self.cluster(row);
            let feature = firing.feature;
            let name = self.state.name(feature).to_string();
            let acts = (0..self.reading.latents.rows())
                .map(move |at| (at, self.reading.latents.get(at, feature)));
            acts.filter(|(_, act)| *act != 0.0).map(move |(at, act)| {
                let rarity = self.state.rarity();
                let bits = rarity.and_then(|rarity| rarity.surprise(feature, act));
                [
                    Value::Count(u64::from(feature.0)),
                    name.as_str().into(),
                    Value::Count(at as u64),
                    self.reading.texts[at].as_str().into(),
                    Value::Single(act),
                    bits.map_or(Value::Nothing, Value::Number),
                    Value::Number(self.reading.share(at, feature)),
                    cluster.map_or(Value::Nothing, |number| Value::Count(number as u64 + 1)),
                ]
            })
        });
        csv::table(&titles, lines)
    }

    fn name_ui(&mut self, ui: &mut Ui, row: usize) {
        let Some(firing) = self.firing(row).copied() else {
            return;
        };
        let width = ui.available_width();
        let (_, most) = self.value(row, firing.at).unwrap_or((0.0, 1.0));
        let strength = (firing.act.abs() / most).clamp(0.0, 1.0);
        let mut place = ui.max_rect();
        if self.clusters.is_some() {
            self.cluster_ui(ui, row);
            place.min.x += CLUSTER;
        }
        let mut width = width - (ui.max_rect().width() - place.width());
        if let Some(share) = self.state.share(firing.feature) {
            let at = egui::pos2(place.right(), place.center().y);
            let font = egui::FontId::monospace(size::CAPTION);
            let ink = Theme::from_ui(ui).ink.secondary;
            let right = egui::Align2::RIGHT_CENTER;
            ui.painter().text(at, right, percent(share), font, ink);
            width -= SHARE;
        }
        let mut ui = ui.new_child(UiBuilder::new().max_rect(place));
        ui.add_space(1.0);
        chips::chip_ui(
            &mut ui,
            self.state,
            self.commands,
            firing.feature,
            (strength, width),
        );
    }
}
