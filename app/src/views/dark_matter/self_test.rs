//! Whether the split can be trusted: planted errors found again on the settings in use.

use egui::{Label, Ui};
use umbra_core::dark_matter::self_test::{DEFINITIONS, Grid, Planted, SelfTest};

use super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::self_test::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::self_test::Command;
use crate::theme::{Hue, Theme, body_strong, caption, space};
use crate::views::report;
use crate::widgets::meaning::sentence;
use crate::widgets::number::{count, number, percent};
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.self_test.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let found = state.dark_matter.self_test.study.result(&id)?;
    Some(format!("{}.", found.conclusion()))
}

/// Draws the panel.
pub(super) fn self_test_ui(
    ui: &mut Ui,
    state: &AppState,
    id: DictionaryId,
    commands: &mut Commands,
) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    if let Some(found) = state.dark_matter.self_test.study.result(&id) {
        found_ui(ui, found);
        report::add_ui(ui, commands, || found.section());
    }
    let offer = Offer {
        what: "Takes this dictionary's reconstructions for the truth, plants a linear, an absent-feature and a nonlinear error of known size, and shows whether the split finds them.",
        cost: "It reads part of the training text and of the held-out text once, and fits 80 times: about a minute at 256 dimensions.",
        button: "Run the self-test",
        again: "Run again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.self_test.study, &offer) {
        commands.send(Command::Compute(id));
    }
}

fn found_ui(ui: &mut Ui, found: &SelfTest) {
    let theme = Theme::from_ui(ui);
    let kinds = [
        Portion {
            name: "found linear",
            colour: theme.mark(Hue::Error, 0.5),
        },
        Portion {
            name: "found nonlinear",
            colour: theme.hue(Hue::Error),
        },
    ];
    let list: Vec<StackedBar> = found.planted.iter().map(bar).collect();
    ui.label(body_strong("FVU planted, and what the split finds of it"))
        .on_hover_text(sentence(definition("planted")));
    let bars = StackedBars {
        name: "Planted errors and what the split finds",
        title: "Planted",
        kinds: &kinds,
        list: &list,
        most: None,
        format: number,
        clickable: false,
        definition: definition("found"),
    };
    bars.show(ui);
    ui.add_space(space::CONTROL);
    let secondary = theme.ink.secondary;
    for grid in &found.grids {
        let words = caption(correlations(grid)).color(secondary);
        let line = ui.add(Label::new(words).wrap());
        line.on_hover_text(sentence(definition("correlation")));
    }
    let basis = format!(
        "Fitted on {} activations, measured on {} held out, ridge {}.",
        count(found.fit_tokens),
        count(found.held_out_tokens),
        number(found.settings.ridge)
    );
    ui.add(Label::new(caption(basis).color(secondary)).wrap());
    ui.add_space(space::CONTROL);
}

/// A planted error: what was found of it, with ticks where the linear part and the whole should end.
fn bar(planted: &Planted) -> StackedBar {
    let parts = [planted.estimated.linear, planted.estimated.nonlinear];
    let verdict = if planted.found { "found" } else { "not found" };
    StackedBar {
        label: sentence(planted.kind.name()),
        parts: parts.to_vec(),
        text: verdict.to_owned(),
        marks: vec![
            ("linear as planted", planted.expected.linear),
            ("whole as planted", planted.planted),
        ],
        hover: format!(
            "{} of the variance was planted as nonlinear error",
            percent(planted.expected.nonlinear)
        ),
        ..StackedBar::default()
    }
}

/// Correlations of one grid in words.
fn correlations(grid: &Grid) -> String {
    let [[a, b], [c, d]] = grid.correlation;
    let verdict = if grid.passes() {
        "told apart"
    } else {
        "not told apart"
    };
    format!(
        "With {} of the features ablated, noises are {verdict}: noise on the activation correlates {a:.2} with the linear and {b:.2} with the nonlinear part, noise on the reconstruction {c:.2} and {d:.2}.",
        percent(grid.ablated)
    )
}

fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::state::dark_matter::question::Question;
    use crate::state::requests;
    use crate::testing::error_parts::{self_test, shown};

    #[test]
    fn a_planted_error_stands_beside_what_was_found_of_it() {
        let found = self_test();
        let bar = bar(&found.planted[1]);
        assert_eq!(
            (bar.label.as_str(), bar.text.as_str()),
            ("Absent features", "not found")
        );
        assert_eq!(bar.marks[1], ("whole as planted", found.planted[1].planted));
        let words = correlations(&found.grids[2]);
        assert!(
            words.contains("not told apart") && words.contains("0.60"),
            "{words}"
        );
    }

    #[test]
    fn the_panel_says_what_was_not_found() {
        let mut harness = shown(Question::Linear);
        harness.get_by_label_contains("does not find absent features");
        harness.get_by_label_contains("Linear error, found");
        harness.get_by_label("Run again").click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        let asked = requests::dark_matter::Command::SelfTest(Command::Compute(DictionaryId(0)));
        assert!(
            sent.contains(&requests::Command::DarkMatter(asked)),
            "{sent:?}"
        );
    }
}
