//! Dictionaries trained on the error: trains one with one click, and shows each child together with its parent.

mod children;

use egui::{Button, Label, RichText, Ui};
use umbra_core::sae::ErrorPart;
use umbra_core::train::Spec;

use self::children::children_ui;
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId, Evaluation};
use crate::state::dark_matter::train::{children, part_label};
use crate::state::requests::dark_matter::train::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::theme::{Hue, Theme, caption, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::number;
use crate::widgets::settings_form::{Field, Kind};

/// Widths that are offered, as multiples of the parent's.
const TIMES: [usize; 4] = [1, 2, 4, 8];

/// Asks for nothing: children and their figures lie in the project.
pub(super) fn ask(_state: &AppState, _id: DictionaryId, _commands: &mut Commands) {}

/// Returns the answer in one sentence, once a child is measured.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let measured = measured(state, id);
    let best = measured.iter().min_by(|a, b| {
        let pair = |of: &Measured<'_>| {
            of.evaluation
                .figures
                .pair
                .map_or(f64::NAN, |pair| pair.fvu_pair)
        };
        pair(a).total_cmp(&pair(b))
    })?;
    let figures = &best.evaluation.figures;
    let pair = figures.pair?;
    Some(format!(
        "{}: {}.",
        best.child.name,
        pair.conclusion(figures.ce_clean)
    ))
}

/// A child whose figures together with its parent are known.
struct Measured<'a> {
    child: &'a Dictionary,
    evaluation: &'a Evaluation,
}

fn measured(state: &AppState, id: DictionaryId) -> Vec<Measured<'_>> {
    let all = children(state, id).into_iter();
    let known = all.filter_map(|(_, child)| {
        let evaluation = child.evaluation.ready()?;
        evaluation.figures.pair?;
        Some(Measured { child, evaluation })
    });
    known.collect()
}

/// Draws the panel.
pub(super) fn train_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    offer_ui(ui, state, id, commands);
    let all = children(state, id);
    if all.is_empty() {
        return;
    }
    ui.add_space(space::CONTROL);
    children_ui(ui, &all, commands);
    let measured = measured(state, id);
    if !measured.is_empty() {
        ui.add_space(space::CONTROL);
        pairs_ui(ui, state, id, &measured);
    }
}

/// Draws what is trained, what it costs, and the button; while it is trained, where to look.
fn offer_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let panel = &state.dark_matter.train;
    let Some(parent) = state.catalogue.get(id) else {
        return;
    };
    let Some(loaded) = parent.load.ready() else {
        return;
    };
    let words = format!(
        "Trains a dictionary on what {} leaves of the activation. It is saved with the project, names {0} as its parent, and the two reconstruct as one.",
        parent.name
    );
    ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
    let own = loaded.sae.features();
    choice_ui(ui, (panel.part, panel.features, own), commands);
    if panel.waiting.is_some() {
        ui.label(RichText::new("Counting the training text…").color(secondary));
        return;
    }
    if state.training.running().is_some() {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("A run is in progress.").color(secondary));
            if ui.link("Show it in Training").clicked() {
                commands.send(navigation::Command::Go(ViewId::Training));
            }
        });
        return;
    }
    if ui.add(Button::new("Train on the error")).clicked() {
        commands.send(Command::Train(id));
    }
    let features = panel.features.unwrap_or(own);
    let tokens = parent
        .hook()
        .map_or(0, |hook| Spec::default_for(hook).tokens);
    let map = if panel.part.needs_map() {
        " The linear map is that of the kept probe, else fitted first."
    } else {
        ""
    };
    let cost = format!(
        "Reads {} activations of the training text, {} features; Training shows the time left and can stop it.{map}",
        number::count(tokens),
        number::count(features as u64)
    );
    ui.add(Label::new(caption(cost).color(secondary)).wrap());
}

/// Draws the choice of the part of the error and of the number of features.
fn choice_ui(
    ui: &mut Ui,
    (part, features, own): (ErrorPart, Option<usize>, usize),
    commands: &mut Commands,
) {
    let parts = ErrorPart::ALL.map(|part| part_label(part).to_owned());
    let field = Field {
        key: "part",
        label: "Part",
        unit: "",
        help: "The whole error, the part of it that a linear map predicts from the activation, or the rest",
        default: part_label(ErrorPart::Whole),
        origin: "default",
        kind: Kind::Choice(&parts),
        error: None,
    };
    if let Some(chosen) = field.ui(ui, part_label(part)) {
        let found = ErrorPart::ALL
            .into_iter()
            .find(|part| part_label(*part) == chosen);
        commands.send(Command::Choose(found.unwrap_or(part), features));
    }
    let sizes: Vec<String> = TIMES.map(|times| (times * own).to_string()).to_vec();
    let field = Field {
        key: "size",
        label: "Features",
        unit: "",
        help: "Number of features of the new dictionary; the parent's own number, twice, four or eight times as many",
        default: &sizes[0],
        origin: "as many as the parent",
        kind: Kind::Choice(&sizes),
        error: None,
    };
    let value = features.unwrap_or(own).to_string();
    if let Some(chosen) = field.ui(ui, &value) {
        let features = chosen.parse().ok().filter(|features| *features != own);
        commands.send(Command::Choose(part, features));
    }
}

/// Draws FVU and added cross-entropy of the parent alone and with each child that was measured on the text of the first.
fn pairs_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, measured: &[Measured<'_>]) {
    let Some(first) = measured.first() else {
        return;
    };
    let name = state
        .catalogue
        .get(id)
        .map_or("", |there| there.name.as_str());
    let (mut fvu, mut ce) = (Vec::new(), Vec::new());
    let same = measured
        .iter()
        .filter(|one| one.evaluation.text == first.evaluation.text);
    for one in same {
        let figures = &one.evaluation.figures;
        let Some(pair) = figures.pair else { continue };
        if fvu.is_empty() {
            fvu.push(Bar::new(format!("{name} alone"), pair.fvu_parent));
            ce.push(Bar::new(
                format!("{name} alone"),
                pair.ce_parent - figures.ce_clean,
            ));
        }
        let label = format!("with {}", one.child.name);
        fvu.push(Bar::new(label.clone(), pair.fvu_pair));
        ce.push(Bar::new(label, pair.ce_pair - figures.ce_clean));
    }
    for (title, bars, definition) in [
        (
            "FVU",
            &fvu,
            "Fraction of the activation's variance that the dictionary, or it and its child together, leave unexplained on held-out text",
        ),
        (
            "Cross-entropy added, nats",
            &ce,
            "Cross-entropy with the reconstruction in place of the activation, less that of the unchanged model, in nats per token of held-out text",
        ),
    ] {
        ui.label(caption(title));
        Bars::new(title, bars, Fill::Hue(Hue::Error))
            .definition(definition)
            .show(ui);
        ui.add_space(space::CHIP);
    }
    let on = format!("On {}", first.evaluation.text);
    ui.add(Label::new(caption(on).color(Theme::from_ui(ui).ink.secondary)).wrap());
}
