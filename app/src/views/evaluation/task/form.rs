//! Settings of a run: prompts, seed, places, dictionaries.

use egui::{DragValue, Label, TextEdit, Ui, vec2};

use crate::state::AppState;
use crate::state::evaluation::task::{self, Form};
use crate::state::requests::{Commands, shell};
use crate::theme::{Theme, caption, space};
use crate::widgets::form::{Row, fold};
use crate::widgets::number::{counted, counting};

/// Name of the part with the settings.
const PART: &str = "task settings";

/// Most prompts of a run.
const MOST: usize = 100_000;

/// Draws the settings, or the line that unfolds them; a person's changes go into `draft`.
pub(super) fn form_ui(ui: &mut Ui, state: &AppState, draft: &mut Form, commands: &mut Commands) {
    let open = state.settings.unfolded.contains(PART);
    let many = task::chosen(state).len() as u64;
    let places = if draft.places.trim().is_empty() {
        "places found"
    } else {
        "places given"
    };
    let summary = format!(
        "{}, seed {}, {places}, {}",
        counted(draft.prompts as u64, "prompt"),
        draft.seed,
        counted(many, "dictionary")
    );
    if fold(ui, open, "Settings of the next run", &summary) {
        commands.send(shell::Command::Unfold(PART, !open));
    }
    if open {
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = space::CHIP;
            numbers_ui(ui, draft);
            places_ui(ui, draft);
            dictionaries_ui(ui, state, draft);
        });
    }
}

fn numbers_ui(ui: &mut Ui, draft: &mut Form) {
    let usual = Form::default();
    let back = usual.prompts.to_string();
    let row = Row {
        label: "Prompts",
        help: "Sentences from templates, with names that the model reads as one token. The first half builds directions, means and scores; the second half tests",
        reset: (draft.prompts != usual.prompts).then_some(back.as_str()),
        ..Row::default()
    };
    let reset = row.ui(ui, |ui, width| {
        let drag = DragValue::new(&mut draft.prompts).range(task::LEAST..=MOST);
        ui.add_sized(vec2(width, space::CONTROL_ROW), counting(drag))
    });
    if reset {
        draft.prompts = usual.prompts;
    }
    let row = Row {
        label: "Seed",
        help: "Decides names, templates and every draw; one seed gives one result",
        reset: (draft.seed != usual.seed).then_some("0"),
        ..Row::default()
    };
    let reset = row.ui(ui, |ui, width| {
        let drag = DragValue::new(&mut draft.seed);
        ui.add_sized(vec2(width, space::CONTROL_ROW), drag)
    });
    if reset {
        draft.seed = usual.seed;
    }
}

fn places_ui(ui: &mut Ui, draft: &mut Form) {
    let error = draft.request().err();
    let row = Row {
        label: "Places",
        help: "Hooks, heads and positions that are edited together, separated by spaces: blocks.2.attn.hook_z:0,3@end. Positions are io, s1, s2 and end. Without places, the heads whose mean ablation at the end changes the answer most",
        reset: (!draft.places.is_empty()).then_some("places that are found"),
        error: error.as_deref(),
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, width| {
        let edit = TextEdit::singleline(&mut draft.places)
            .desired_width(width - 8.0)
            .hint_text("found by mean ablation");
        ui.add(edit)
    });
}

fn dictionaries_ui(ui: &mut Ui, state: &AppState, draft: &mut Form) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let all: Vec<_> = task::candidates(state).collect();
    if all.is_empty() {
        let words = "No dictionary of the project fits the model: only those made from the right answers are tested.";
        ui.add(Label::new(caption(words).color(secondary)).wrap());
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let help = "Dictionaries that are tested, each at the places of the hook that it reads";
        ui.label("Dictionaries").on_hover_text(help);
        for dictionary in all {
            let was = draft.takes(dictionary);
            let mut takes = was;
            let words = dictionary
                .hook()
                .map_or_else(String::new, |hook| hook.to_string());
            ui.checkbox(&mut takes, dictionary.name.as_str())
                .on_hover_text(words);
            if takes != was {
                draft.ticked.insert(dictionary.id, takes);
            }
        }
    });
}
