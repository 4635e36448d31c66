//! The error along the depth of the model: a bar for each of its dictionaries.

use egui::{Label, Ui};
use umbra_core::dark_matter::depth::{Depth, DepthRow};

use super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::depth::JOB;
use crate::state::requests::dark_matter::depth::Command;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Hue, Theme, caption, space};
use crate::views::report;
use crate::widgets::number::{count, number, percent};
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};

/// Definition of the bars.
const DEFINITION: &str = "FVU on held-out text by dictionary, in the order of a forward pass: what the linear part of the error takes away, and what is left. The line is the 95 % interval of the whole by bootstrap over documents";

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, commands: &mut Commands) {
    let Some(loaded) = state.model() else {
        return;
    };
    let of = state.dark_matter.depth.study.of.as_deref();
    if of != Some(loaded.model.fingerprint()) {
        commands.send(Command::Look);
    }
}

/// Draws the panel.
pub(super) fn depth_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let Some(loaded) = state.model() else {
        return;
    };
    let study = &state.dark_matter.depth.study;
    let found = study.result(&loaded.model.fingerprint().to_owned());
    if let Some(found) = found {
        let answer = format!("{}.", found.conclusion());
        ui.add(Label::new(answer).wrap().selectable(true));
        ui.add_space(space::CHIP);
        bars_ui(ui, state, (found, id), commands);
        report::add_ui(ui, commands, || found.section());
    }
    let offer = Offer {
        what: "Measures the error of every loaded dictionary of this model on the same text.",
        cost: "It reads the model once over part of the training text and of the held-out text, and runs every dictionary on each token.",
        button: "Measure all dictionaries",
        again: "Measure again",
        job: JOB,
    };
    if offer_ui(ui, state, study, &offer) {
        commands.send(Command::Compute);
    }
}

fn bars_ui(
    ui: &mut Ui,
    state: &AppState,
    (found, id): (&Depth, DictionaryId),
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    let own = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let list: Vec<StackedBar> = found.rows.iter().map(|row| bar(row, own)).collect();
    let kinds = [
        Portion {
            name: "linear error",
            colour: theme.mark(Hue::Error, 0.5),
        },
        Portion {
            name: "nonlinear error",
            colour: theme.hue(Hue::Error),
        },
    ];
    let bars = StackedBars {
        name: "Unexplained by dictionary",
        title: "Dictionary",
        kinds: &kinds,
        list: &list,
        most: None,
        format: percent,
        clickable: true,
        definition: DEFINITION,
    };
    let chosen = bars.show(ui).and_then(|at| found.rows.get(at));
    let all = &state.catalogue.dictionaries;
    let other = chosen.and_then(|row| all.iter().find(|d| d.name == row.sae));
    if let Some(dictionary) = other {
        commands.send(navigation::Command::SelectDictionary(dictionary.id));
    }
    let mut words = format!(
        "Measured on {} held-out activations; intervals: {}. Click a bar to study its dictionary.",
        count(found.held_out_tokens),
        found.drawn
    );
    for (name, why) in &found.left_out {
        words = format!("{words} {name} is left out: {why}.");
    }
    ui.add(Label::new(caption(words).color(theme.ink.secondary)).wrap());
}

fn bar(row: &DepthRow, own: &str) -> StackedBar {
    let mark = if row.sae == own { " (this one)" } else { "" };
    StackedBar {
        label: format!("{}{mark}", row.sae),
        parts: vec![row.fvu_linear(), row.fvu_nonlinear],
        text: percent(row.fvu_total),
        interval: row.total,
        marks: vec![],
        hover: format!(
            "{}, {} features, L0 {}\nR² of the error {}, of its squared norm {}",
            row.hook,
            count(row.features as u64),
            number(row.l0),
            number(row.r2_weighted),
            number(row.r2_norm)
        ),
    }
}
