//! Panel “Where does it matter?”: a second text beside the first, and what of the first brings its prediction back in the second, by place and by path.

mod map;
mod pair;
mod path;
mod place;

use egui::{Button, Label, Ui};

use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::requests::steering::causes::patching::{Command, Pair};
use crate::state::steering::causes::patching::{Form, View};
use crate::theme::{Theme, caption, space};

/// Says what the panel does.
const INTRODUCTION: &str = "Change the text where the answer should turn. Every place of the model is then taken from the first text, one at a time, while the model reads the second: where the first text's answer comes back, there the model keeps what the texts differ in.";

/// Asks for the kept results.
pub(super) fn ask(state: &AppState, commands: &mut Commands) {
    let Some(loaded) = state.model() else {
        return;
    };
    let of = state.steering.causes.patching.places.of.as_deref();
    if of != Some(loaded.model.fingerprint()) && state.project.open().is_some() {
        commands.send(Command::Look);
    }
}

/// Draws the panel for the first text and the target, as they are written.
pub(super) fn patching_ui(
    ui: &mut Ui,
    state: &AppState,
    (text, target): (&str, &str),
    commands: &mut Commands,
) {
    ask(state, commands);
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(INTRODUCTION).color(secondary)).wrap());
    ui.add_space(space::CHIP);
    let form = &state.steering.causes.patching.form;
    let mut changed = form.clone();
    let ready = pair::pair_ui(ui, state, text, &mut changed);
    ui.add_space(space::CONTROL);
    views_ui(ui, &mut changed);
    if ready && target.is_empty() {
        map::note_ui(
            ui,
            "Write a target above: a token's logit, a difference of two, or the loss.",
        );
    }
    let asked = (ready && !target.is_empty()).then(|| Pair {
        clean: text.to_owned(),
        corrupt: changed.second.clone().unwrap_or_default(),
        target: target.to_owned(),
    });
    match changed.view {
        View::Places => place::places_ui(ui, state, (&mut changed, asked), commands),
        View::Paths => path::paths_ui(ui, state, (&mut changed, asked), commands),
    }
    if changed != *form {
        commands.send(Command::Form(Box::new(changed)));
    }
}

/// Draws the choice between places and paths.
fn views_ui(ui: &mut Ui, form: &mut Form) {
    ui.horizontal_wrapped(|ui| {
        for (view, name) in View::ALL {
            if ui
                .add(Button::selectable(form.view == view, name))
                .clicked()
            {
                form.view = view;
            }
        }
    });
    ui.add_space(space::CHIP);
}
