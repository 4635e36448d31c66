//! Features as causes: the answer in a sentence, every active feature by ablation with a·grad beside it, and one against the other.

use std::collections::BTreeSet;

use egui::{Label, Ui};
use umbra_core::causes::features::DEFINITIONS;
use umbra_core::causes::{Causes, FeatureCause, Features};

use super::super::feature::{chip_ui, open};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::steering::causes::attributed::Command;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, caption, space};
use crate::views::dark_matter::panel::table_room;
use crate::views::report;
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::number::{self, number};
use crate::widgets::scatter_plot::{ScatterPlot, ScatterPoint};

/// Name of the table in the settings.
const TABLE: &str = "causes by feature";
/// Rows without scrolling.
const ROWS: f32 = 10.0;
/// Height of the scatter plot.
const HEIGHT: f32 = 260.0;
/// Correlation from which a·grad is trusted.
const TRUSTED: f64 = 0.9;
/// Points of the scatter plot, the largest changes first; the rest lies on top of each other at 0.
const POINTS: usize = 600;

fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}

/// Draws the panel's result.
pub(super) fn features_ui(ui: &mut Ui, state: &AppState, found: &Causes, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(features) = &found.features else {
        let words = "This result has no features: it was made without a dictionary.";
        ui.label(caption(words).color(secondary));
        return;
    };
    let display = |at: usize| token(found, at);
    let said = features.conclusion(&found.said, &display);
    ui.add(Label::new(said).wrap().selectable(true));
    agreement_ui(ui, features);
    ui.add_space(space::CHIP);
    let id = state.catalogue.named(&features.dictionary).map(|of| of.id);
    table_ui(ui, state, (found, features, id), commands);
    ui.add_space(space::CONTROL);
    scatter_ui(ui, found, features, commands);
}

/// Returns the token at a position as it is shown.
fn token(found: &Causes, at: usize) -> String {
    let text = found.texts.get(at).map_or("", String::as_str);
    text.replace('\n', "⏎")
}

fn agreement_ui(ui: &mut Ui, features: &Features) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let agreement = features.agreement;
    let said = |r: Option<f64>| r.map_or("undefined".to_owned(), number);
    let mut words = format!(
        "a·grad against ablation: r = {} up to the median activation ({}), {} over all",
        said(agreement.low),
        number(agreement.median),
        said(agreement.all)
    );
    if agreement.integrated.is_some() {
        words = format!(
            "{words}; integrated gradients {}",
            said(agreement.integrated)
        );
    } else if agreement.all.is_some_and(|r| r < TRUSTED) {
        words.push_str(
            "; integrated gradients too, above, mend the guesses of features that are often on",
        );
    }
    ui.add(Label::new(caption(words).color(secondary)).wrap())
        .on_hover_text(format!("{}. {}", definition("low"), definition("all")));
}

fn columns(integrated: bool) -> Vec<Column<'static>> {
    let mut columns = vec![
        Column::text("feature", "Feature")
            .definition("Feature of the dictionary that is active there; a click opens its page")
            .width(96.0, 180.0)
            .fills()
            .always(),
        Column::text("token", "At")
            .definition("Position of the token, from 0, and the token")
            .width(80.0, 120.0),
        Column::number("activation", "Activation").width(72.0, 84.0),
        Column::number("ablation", "Ablation")
            .definition(definition("ablation"))
            .width(72.0, 84.0),
        Column::number("gradient", "a·grad")
            .definition(definition("gradient"))
            .width(64.0, 84.0),
    ];
    if integrated {
        let column = Column::number("integrated", "Integrated");
        columns.push(
            column
                .definition(definition("integrated"))
                .width(72.0, 84.0),
        );
    }
    columns
}

/// Features by what their ablation does, with what can be done with the chosen ones.
fn table_ui(
    ui: &mut Ui,
    state: &AppState,
    (found, features, id): (&Causes, &Features, Option<DictionaryId>),
    commands: &mut Commands,
) {
    let panel = &state.steering.causes.attributed;
    let integrated = features.features.iter().any(|one| one.integrated.is_some());
    let columns = columns(integrated);
    let once = first_ranks(&features.features);
    let mut selection = Selection::default();
    selection.select(panel.chosen.iter().copied());
    ui.horizontal_wrapped(|ui| {
        let chosen = panel.chosen.len();
        let words = match chosen {
            0 => "Ablate the first".to_owned(),
            1 => "Ablate this".to_owned(),
            _ => format!("Ablate these {chosen}"),
        };
        let help = "Puts edits into the stack of Steering that set these features to 0 at their positions, with this text";
        if ui.button(words).on_hover_text(help).clicked() {
            let rows = if chosen == 0 {
                vec![0]
            } else {
                panel.chosen.clone()
            };
            commands.send(Command::Ablate(rows));
        }
        report::add_ui(ui, commands, || found.section());
        let mut every = panel.every;
        let help = "Lists a feature at every position where it is active, not only where it moves the target most";
        let boxed = ui.checkbox(&mut every, "Every position");
        if boxed.on_hover_text(help).changed() {
            commands.send(Command::Every(every));
        }
        let secondary = Theme::from_ui(ui).ink.secondary;
        let words = format!(
            "{}, {}; choose rows with Ctrl or Shift",
            number::counted(once.len() as u64, "feature"),
            number::counted(features.features.len() as u64, "activation")
        );
        ui.label(caption(words).color(secondary));
    });
    let sort = grid::sort(ui.ctx(), TABLE);
    let mut rows = Listed {
        state,
        found,
        features: &features.features,
        id,
        order: vec![],
        commands,
    };
    rows.order = grid::order(features.features.len(), sort.as_ref(), |row, column| {
        rows.of(row, column)
    });
    rows.order.retain(|rank| panel.every || once.contains(rank));
    let count = rows.count();
    let grid = Grid::new(TABLE, &columns)
        .title("Features as causes")
        .several();
    let reply = table_room(ui, (count, ROWS), |ui| {
        grid.show(ui, &mut rows, &mut selection)
    });
    let at = |row: Option<usize>| row.map(|row| features.features[rows.order[row]].feature);
    let (clicked, opened, beside) = (at(reply.clicked), at(reply.opened), at(reply.beside));
    let chosen: Vec<u64> = selection.keys().collect();
    if chosen != panel.chosen {
        commands.send(Command::Choose(chosen));
    }
    let Some(id) = id else {
        return;
    };
    if let Some(feature) = clicked {
        commands.send(navigation::Command::FollowDictionary(id));
        commands.send(navigation::Command::SelectFeature(Some(feature)));
    }
    if let Some(feature) = opened.or(beside) {
        open(commands, (id, feature), beside.is_some());
    }
}

/// Returns the rank at which each feature stands first, where its ablation changes the target most.
fn first_ranks(features: &[FeatureCause]) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let all = features.iter().enumerate();
    let first = all.filter(|(_, one)| seen.insert(one.feature));
    first.map(|(rank, _)| rank).collect()
}

/// Rows of the table.
struct Listed<'a> {
    state: &'a AppState,
    found: &'a Causes,
    features: &'a [FeatureCause],
    id: Option<DictionaryId>,
    /// Rank of each row.
    order: Vec<usize>,
    commands: &'a mut Commands,
}

impl Listed<'_> {
    fn of(&self, rank: usize, column: &str) -> Value {
        let one = &self.features[rank];
        match column {
            "feature" => Value::from(one.feature.index()),
            "token" => Value::Text(format!(
                "{} “{}”",
                one.position,
                token(self.found, one.position)
            )),
            "activation" => Value::Single(one.activation),
            "ablation" => Value::from(one.ablation),
            "gradient" => Value::from(one.gradient),
            "integrated" => one.integrated.map_or(Value::Nothing, Value::from),
            _ => Value::Nothing,
        }
    }
}

impl Rows for Listed<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.order[row] as u64
    }

    fn words(&self, row: usize) -> String {
        let one = &self.features[self.order[row]];
        format!(
            "Feature {} at position {}, ablation {}",
            one.feature,
            one.position,
            number::signed(one.ablation)
        )
    }

    fn value(&self, row: usize, column: &str) -> Value {
        self.of(self.order[row], column)
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        let (Some(id), "feature") = (self.id, column) else {
            return false;
        };
        let one = &self.features[self.order[row]];
        let words = self.words(row);
        let of = (one.feature, words.as_str());
        chip_ui(ui, (self.state, id), of, self.commands);
        true
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (column, self.value(row, column)) {
            ("ablation" | "gradient" | "integrated", Value::Number(value)) => number::signed(value),
            (_, value) => grid::short(&value),
        }
    }
}

/// a·grad against ablation, with the errors beside the features.
fn scatter_ui(ui: &mut Ui, found: &Causes, features: &Features, commands: &mut Commands) {
    let listed = features.features.iter().take(POINTS);
    let of_features = listed.map(|one| ScatterPoint {
        name: format!("#{} at “{}”", one.feature, token(found, one.position)),
        at: [one.gradient, one.ablation],
        chosen: false,
    });
    // The largest errors keep their names where names would lie on each other.
    let mut errors: Vec<_> = features.errors.iter().collect();
    errors.sort_by(|a, b| b.ablation.abs().total_cmp(&a.ablation.abs()));
    let of_errors = errors.into_iter().map(|one| ScatterPoint {
        name: format!("Error at “{}”", token(found, one.position)),
        at: [one.gradient, one.ablation],
        chosen: true,
    });
    let points: Vec<ScatterPoint> = of_features.chain(of_errors).collect();
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(
        Label::new(
            caption("a·grad against ablation: features, and the dictionary's errors highlighted")
                .color(secondary),
        )
        .wrap(),
    );
    let plot = ScatterPlot {
        name: "a·grad against ablation",
        x: "a·grad",
        y: "Ablation",
        points: &points,
        height: HEIGHT,
        shares: false,
        definition: definition("gradient"),
    };
    let (_, clicked) = plot.show(ui);
    if let Some(rank) = clicked.filter(|at| *at < features.features.len().min(POINTS)) {
        commands.send(Command::Choose(vec![rank as u64]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_listed_once_where_it_moves_the_target_most() {
        let of = |feature: u32, position: usize| FeatureCause {
            feature: umbra_core::ids::FeatureId(feature),
            position,
            activation: 1.0,
            ablation: 0.0,
            gradient: 0.0,
            integrated: None,
        };
        let ranked = [of(5, 4), of(5, 2), of(7, 1), of(5, 1), of(7, 3)];
        let ranks: Vec<usize> = first_ranks(&ranked).into_iter().collect();
        assert_eq!(ranks, [0, 2]);
    }
}
