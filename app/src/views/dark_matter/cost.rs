//! The cost of the error: cross-entropy of the model with each part put back.

use egui::{Label, Ui};
use umbra_core::dark_matter::splice::{ByPart, Costs, DEFINITIONS, Spliced};

use super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::splice::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::splice::Command;
use crate::theme::{Hue, Theme, caption, panel_title, space};
use crate::views::report;
use crate::widgets::number::{count, number, percent};
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};
use crate::words;

const RISE: &str = "Mean cross-entropy in nats with this in place of the activation, less that of the unmodified model. x̂ is the reconstruction; “x, linear part swapped” is the activation with the linear part of another token's error in place of its own";

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.splice.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let costs = state.dark_matter.splice.study.result(&id)?;
    let one = chosen(costs, &state.catalogue.get(id)?.name)?;
    Some(format!("{}.", one.conclusion()))
}

/// Draws the panel.
pub(super) fn splice_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    if let Some(costs) = state.dark_matter.splice.study.result(&id) {
        costs_ui(ui, costs, name);
        report::add_ui(ui, commands, || costs.section());
    }
    let offer = Offer {
        what: "Replaces the activation by the reconstruction, alone and with each part of the error put back or taken from another token, and measures the cross-entropy of the model, for every dictionary of the project.",
        cost: "It reads part of the training text once and part of the held-out text once, and runs the model six times for each dictionary from its layer on.",
        button: "Measure cross-entropy",
        again: "Measure again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.splice.study, &offer) {
        commands.send(Command::Compute(id));
    }
}

/// The figures of the dictionary of that name.
fn chosen<'a>(costs: &'a Costs, name: &str) -> Option<&'a Spliced> {
    let mut all = costs.dictionaries.iter();
    all.find(|one| one.sae == name)
        .or(costs.dictionaries.first())
}

fn costs_ui(ui: &mut Ui, costs: &Costs, name: &str) {
    let Some(one) = chosen(costs, name) else {
        return;
    };
    ui.label(panel_title("Cross-entropy above the clean model"));
    let kinds = [Portion {
        name: "rise",
        colour: Theme::from_ui(ui).hue(Hue::Error),
    }];
    let list = rises(one);
    let bars = StackedBars {
        name: "Cross-entropy above the clean model",
        title: "In place of the activation",
        kinds: &kinds,
        list: &list,
        most: None,
        format: nats,
        clickable: false,
        definition: RISE,
    };
    bars.show(ui);
    note_ui(
        ui,
        &format!(
            "The clean model has {} nats, with zeros in place of the activation {}; of what lies between, x̂ keeps {}. A swapped part is that of another token.",
            number(one.ce_clean),
            number(one.ce_zero),
            percent(one.ce_recovered_zero())
        ),
    );
    ui.add_space(space::GROUP);
    ui.label(panel_title("Share recovered by each part"));
    let list = shares(costs);
    let bars = StackedBars {
        name: "Share recovered by each part",
        title: "Part put back",
        kinds: &[Portion {
            name: "cross-entropy recovered",
            ..kinds[0]
        }],
        list: &list,
        most: Some(longest(&list)),
        format: percent,
        clickable: false,
        definition: definition("recovered"),
    };
    bars.show(ui);
    note_ui(ui, &basis(costs));
    if costs.dictionaries.len() > 1 {
        note_ui(ui, &format!("{}.", costs.conclusion()));
    }
    for note in &costs.notes {
        note_ui(ui, note);
    }
    ui.add_space(space::CONTROL);
}

fn note_ui(ui: &mut Ui, words: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}

/// Nats, with the sign of the rise.
fn nats(value: f64) -> String {
    format!("{value:+.4}")
}

/// Rises of cross-entropy of one dictionary.
fn rises(one: &Spliced) -> Vec<StackedBar> {
    let swapped = one.ce_swapped;
    let rows = [
        ("x̂", one.ce_sae, one.cost_interval),
        ("x̂ + linear part", one.ce_linear, None),
        ("x̂ + nonlinear part", one.ce_nonlinear, None),
        ("x, linear part swapped", swapped.linear, None),
        ("x, nonlinear part swapped", swapped.nonlinear, None),
    ];
    let bar = |(label, ce, interval): (&str, f64, Option<[f64; 2]>)| StackedBar {
        label: label.to_owned(),
        parts: vec![ce - one.ce_clean],
        text: nats(ce - one.ce_clean),
        interval,
        hover: format!("{} nats in all", number(ce)),
        ..StackedBar::default()
    };
    rows.map(bar).to_vec()
}

/// Shares recovered by each part of each dictionary that costs something, beside the part's share of the error.
fn shares(costs: &Costs) -> Vec<StackedBar> {
    let several = costs.dictionaries.len() > 1;
    let of = |one: &Spliced| {
        let bar = |part: &str, pick: fn(ByPart<f64>) -> f64, recovered, interval| StackedBar {
            label: if several {
                format!("{}, {part}", one.sae)
            } else {
                part.to_owned()
            },
            parts: vec![recovered],
            text: percent(recovered),
            interval,
            marks: vec![
                ("share of R²", pick(one.r2_share)),
                ("share of length", pick(one.norm_share)),
            ],
            hover: one.hook.clone(),
        };
        let (recovered, interval) = (one.recovered, one.recovered_interval);
        let linear = recovered
            .linear
            .map(|share| bar("linear", |by| by.linear, share, interval.linear));
        let nonlinear = recovered
            .nonlinear
            .map(|share| bar("nonlinear", |by| by.nonlinear, share, interval.nonlinear));
        [linear, nonlinear]
    };
    let dear = costs
        .dictionaries
        .iter()
        .filter(|one| one.costs_something());
    dear.flat_map(of).flatten().collect()
}

/// Share whose bar is longest: the whole, or what lies above it.
fn longest(list: &[StackedBar]) -> f64 {
    let end = |bar: &StackedBar| {
        let whole = bar.parts.iter().sum();
        bar.interval.map_or(whole, |[_, high]| high.max(whole))
    };
    list.iter().map(end).fold(1.0, f64::max)
}

/// Describes the texts that the figures rest on.
fn basis(costs: &Costs) -> String {
    format!(
        "Fitted on {} activations, measured on {} held out, {}; intervals of 95 % over {}.",
        count(costs.fit_tokens),
        count(costs.held_out_tokens),
        words::said(&costs.positions.said(None)),
        costs.blocks,
    )
}

fn definition(key: &str) -> &'static str {
    words::defined(DEFINITIONS, key)
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::state::dark_matter::question::Question;
    use crate::state::requests;
    use crate::testing::error_parts::{costs, shown};

    #[test]
    fn bars_show_rises_and_shares_with_what_they_are_compared_with() {
        let costs = costs();
        let rises = rises(&costs.dictionaries[0]);
        let parts: Vec<f64> = rises.iter().map(|bar| bar.parts[0]).collect();
        assert_eq!(parts, [0.5, 0.375, 0.125, 0.25, 1.0]);
        assert_eq!(rises[0].interval, Some([0.4, 0.6]));
        // A dictionary that costs nothing has no share to show.
        let shares = shares(&costs);
        let labels: Vec<&str> = shares.iter().map(|bar| bar.label.as_str()).collect();
        assert_eq!(labels, ["z0, linear", "z0, nonlinear"]);
        assert_eq!(shares[1].parts, [0.75]);
        // Shares above the whole are drawn in full.
        let mut above = shares.clone();
        above[1].interval = Some([0.5, 1.5]);
        assert_eq!((longest(&shares), longest(&above)), (1.0, 1.5));
        let marks = [("share of R²", 0.75), ("share of length", 0.9)];
        assert_eq!(shares[1].marks, marks);
        let of = |name: &str| chosen(&costs, name).map(|one| one.sae.clone());
        assert_eq!(of("attn-1").as_deref(), Some("attn-1"));
    }

    #[test]
    fn the_panel_shows_its_answer_its_bars_and_offers_to_measure_again() {
        let mut harness = shown(Question::Cost);
        let said = "z0 costs 0.5000 nats";
        assert!(harness.query_all_by_label_contains(said).count() > 0);
        harness.get_by_label("x̂ + linear part, +0.3750");
        harness.get_by_label_contains("z0, nonlinear, 75.0");
        harness.get_by_label_contains("few activations");
        harness.get_by_label_contains("too little is lost to say it of attn-1");
        harness.get_by_label("Measure again").click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        let asked = requests::dark_matter::Command::Splice(Command::Compute(DictionaryId(0)));
        assert!(
            sent.contains(&requests::Command::DarkMatter(asked)),
            "{sent:?}"
        );
    }
}
