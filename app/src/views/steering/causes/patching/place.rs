//! Patching by place: which kind, the map of layer by position or head, and the chosen place.

use egui::{Button, Label, Ui};
use umbra_core::causes::patch::{PatchSite, Patching};
use umbra_core::workbench::patching::Asked;

use super::map::{Line, Shares, note_ui};
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::requests::steering::causes::patching::{Command, Pair};
use crate::state::steering::causes::patching::{Form, PLACES_JOB};
use crate::theme::space;
use crate::views::dark_matter::panel::{Offer, offer_ui};
use crate::views::report;
use crate::widgets::number::{number, percent};
use crate::widgets::parts::shortened;

/// Rows of the table at most.
const LISTED: usize = 200;

/// Longest name of a column, in letters.
const LONGEST: usize = 7;

/// Definition of each kind of place.
fn help(site: PatchSite) -> &'static str {
    match site {
        PatchSite::ResidPre => "The residual stream that enters a block, at one position",
        PatchSite::AttnOut => "The sum that attention adds to the residual stream, at one position",
        PatchSite::MlpOut => "The sum that the MLP adds to the residual stream, at one position",
        PatchSite::Z => {
            "The mixed values of one head before its output projection, at all positions"
        }
    }
}

/// Draws the choice of the kind, the offer, and the result.
pub(super) fn places_ui(
    ui: &mut Ui,
    state: &AppState,
    (form, asked): (&mut Form, Option<Pair>),
    commands: &mut Commands,
) {
    ui.horizontal_wrapped(|ui| {
        for (site, _) in PatchSite::ALL {
            let words = site.words();
            let words = format!("{}{}", words[..1].to_uppercase(), &words[1..]);
            let button = ui.add(Button::selectable(form.site == site, words));
            if button.on_hover_text(help(site)).clicked() {
                form.site = site;
            }
        }
    });
    ui.add_space(space::CHIP);
    let Some(loaded) = state.model() else {
        return;
    };
    let panel = &state.steering.causes.patching;
    let found = panel.places.result(&loaded.model.fingerprint().to_owned());
    if let Some(found) = found {
        found_ui(
            ui,
            (found, asked.as_ref(), form.site),
            panel.place,
            commands,
        );
    }
    let Some(asked) = asked else {
        return;
    };
    let offer = Offer {
        what: "Takes every place of this kind from the first text in turn and reads the target on the second.",
        cost: "One pass for each place, from its layer on.",
        button: "Patch every place",
        again: "Patch again",
        job: PLACES_JOB,
    };
    if offer_ui(ui, state, &panel.places, &offer) {
        commands.send(Command::Form(Box::new(form.clone())));
        commands.send(Command::Places(asked));
    }
}

fn found_ui(
    ui: &mut Ui,
    (found, asked, site): (&Asked<Patching>, Option<&Pair>, PatchSite),
    selected: Option<(usize, usize)>,
    commands: &mut Commands,
) {
    let result = &found.result;
    ui.add(Label::new(result.conclusion()).wrap().selectable(true));
    let words = format!(
        "Target {} on the first text, {} on the second",
        number(result.pair.clean_value),
        number(result.pair.corrupt_value)
    );
    note_ui(ui, &words);
    let differs = asked.is_some_and(|asked| {
        let same = (found.clean.as_deref(), &found.corrupt, &result.pair.target)
            == (Some(asked.clean.as_str()), &asked.corrupt, &asked.target);
        !same || result.site != site
    });
    if differs {
        note_ui(
            ui,
            &format!(
                "The map is of {} in “{}” with “{}” taken from it, target {}.",
                result.site.words(),
                found.corrupt,
                found.clean.as_deref().unwrap_or_default(),
                result.pair.target
            ),
        );
    }
    ui.add_space(space::CHIP);
    let (columns, recovered, lines) = (columns(result), result.recovered(), lines(result));
    let title = if result.site.is_by_head() {
        "Head"
    } else {
        "Token of the second text, ▸ where the texts differ"
    };
    let shares = Shares {
        name: "patched places",
        columns: (title, &columns),
        layers: result.values.len(),
        by_cell: &recovered,
        lines: &lines,
        selected,
        what: "Place",
    };
    let describe = |layer: usize, at: usize| describe(result, (layer, at));
    if let Some((layer, at)) = shares.ui(ui, &describe) {
        commands.send(Command::Place(layer, at));
    }
    let is_there = |(layer, at): &(usize, usize)| {
        let row = result.values.get(*layer);
        row.is_some_and(|row| *at < row.len())
    };
    ui.horizontal_wrapped(|ui| {
        chosen_ui(ui, selected.filter(is_there), commands);
        report::add_ui(ui, commands, || result.section());
    });
}

/// Returns the names of the columns: heads, or tokens of the second text.
fn columns(result: &Patching) -> Vec<String> {
    if result.site.is_by_head() {
        let heads = result.values.first().map_or(0, Vec::len);
        return (0..heads).map(|head| head.to_string()).collect();
    }
    let marks = result.pair.differs().into_iter();
    let tokens = result.pair.corrupt_texts.iter().zip(marks);
    let name = |(token, differs): (&String, bool)| {
        let mark = if differs { "▸" } else { "" };
        format!("{mark}{}", shortened(&token.replace('\n', "⏎"), LONGEST))
    };
    tokens.map(name).collect()
}

/// Returns the rows of the table: the places that change the target at all.
fn lines(result: &Patching) -> Vec<Line> {
    let untouched = result.pair.corrupt_value.to_bits();
    let places = result.places().into_iter();
    places
        .filter(|place| place.value.to_bits() != untouched)
        .take(LISTED)
        .map(|place| Line {
            cell: (place.layer, place.at),
            name: place_name(result, (place.layer, place.at)),
            value: place.value,
            share: place.recovered,
        })
        .collect()
}

/// Names a place, as the beginning of a line.
fn place_name(result: &Patching, (layer, at): (usize, usize)) -> String {
    let name = result.place_name(layer, at);
    let first = name.chars().take(1).flat_map(char::to_uppercase);
    first.chain(name.chars().skip(1)).collect()
}

fn describe(result: &Patching, (layer, at): (usize, usize)) -> String {
    let Some(value) = result.values.get(layer).and_then(|row| row.get(at)) else {
        return String::new();
    };
    let share = result.pair.recovered(*value);
    let share = share.map_or_else(String::new, |share| {
        format!(", {} recovered", percent(share))
    });
    format!(
        "{}: target {}{share}",
        place_name(result, (layer, at)),
        number(*value)
    )
}

/// Draws the way of the chosen place into Steering.
fn chosen_ui(ui: &mut Ui, chosen: Option<(usize, usize)>, commands: &mut Commands) {
    let help = "Adds an edit that takes this place from the first text, with the second text as the text to continue";
    let button = Button::new("Patch this in Steering");
    let button = ui.add_enabled(chosen.is_some(), button);
    let none = "Click a cell of the map or a row of the table to choose its place first";
    let button = button.on_hover_text(help).on_disabled_hover_text(none);
    if let (true, Some((layer, at))) = (button.clicked(), chosen) {
        commands.send(Command::Steer(layer, at));
    }
}
