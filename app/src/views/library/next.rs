//! Next steps with the dictionary in use, for a person who opens the program for the first time.

use egui::{Button, Label, RichText, Ui, vec2};
use umbra_core::ids::Layer;

use crate::state::AppState;
use crate::state::requests::{Command, Commands, dictionary, navigation};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, space};
use crate::widgets::number;

/// Width of the buttons, so that the sentences stand in one column.
const BUTTON: f32 = 148.0;

/// Height of a step.
const STEP: f32 = space::CONTROL_ROW + 4.0;

/// A step: its button, what it is for, what it does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    words: String,
    why: String,
    command: Command,
}

impl Step {
    fn new(words: impl Into<String>, why: impl Into<String>, command: impl Into<Command>) -> Self {
        Self {
            words: words.into(),
            why: why.into(),
            command: command.into(),
        }
    }
}

/// Returns the steps, the most useful first; none before the dictionary in use and the model are loaded.
pub(super) fn steps(state: &AppState) -> Vec<Step> {
    let Some(of) = state.dictionary() else {
        return vec![];
    };
    let (Some(loaded), true) = (of.load.ready(), state.model().is_some()) else {
        return vec![];
    };
    let name = &of.name;
    if state.unfit(of.id).is_some() {
        let other = state.fitting().find(|other| other.load.ready().is_some());
        let other = other.map(|other| {
            let use_it = navigation::Command::SelectDictionary(other.id);
            let why = format!("{name} does not fit the open model, {} does", other.name);
            Step::new(format!("Use {}", other.name), why, use_it)
        });
        return other.into_iter().collect();
    }
    let mut steps = vec![];
    if state.index_of(of.id).is_some() {
        let features = number::count(loaded.sae.features() as u64);
        let why =
            format!("{features} features of {name}: where each is active and what it promotes");
        let go = navigation::Command::Go(ViewId::Features);
        steps.push(Step::new("Explore features", why, go));
    } else if of.index.is_absent() && of.index_path.is_none() {
        let why = format!("Features of {name} get names, examples and a search by it");
        steps.push(Step::new(
            "Build index…",
            why,
            dictionary::Command::BuildIndex(of.id),
        ));
    }
    if of.evaluation.is_absent() {
        let why = format!("Nobody measured yet how much of the activations {name} reconstructs");
        steps.push(Step::new(
            "Evaluate…",
            why,
            dictionary::Command::Evaluate(of.id),
        ));
    }
    let go = navigation::Command::Go(ViewId::Prompt);
    let why = "See which features are active on a sentence of your own";
    steps.push(Step::new("Read a sentence", why, go));
    let mut layers = (0..state
        .model()
        .map_or(0, |loaded| loaded.model.config().layers))
        .map(Layer::from);
    if layers.any(|layer| state.z_dictionary(layer).is_some()) {
        let go = navigation::Command::Go(ViewId::Heads);
        let why = "See which attention heads write which features";
        steps.push(Step::new("Look at heads", why, go));
    }
    let go = navigation::Command::Go(ViewId::Steering);
    let why = "Change a feature and compare what the model writes";
    steps.push(Step::new("Steer the text", why, go));
    steps
}

/// Returns the height that `steps` take.
pub(super) fn height(steps: &[Step]) -> f32 {
    if steps.is_empty() {
        return 0.0;
    }
    (steps.len() as f32 + 1.0) * STEP + space::GROUP
}

/// Draws the steps.
pub(super) fn next_ui(ui: &mut Ui, steps: &[Step], commands: &mut Commands) {
    if steps.is_empty() {
        return;
    }
    ui.add_space(space::CONTROL);
    ui.label(theme::panel_title("Next"));
    ui.spacing_mut().item_spacing.y = space::CHIP;
    let secondary = Theme::from_ui(ui).ink.secondary;
    for step in steps {
        ui.horizontal(|ui| {
            let button = Button::new(step.words.as_str()).truncate();
            let size = vec2(BUTTON, space::CONTROL_ROW);
            if ui.add_sized(size, button).clicked() {
                commands.send(step.command.clone());
            }
            let why = RichText::new(step.why.as_str()).color(secondary);
            ui.add(Label::new(why).wrap());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalogue::DictionaryId;
    use crate::testing;

    fn words(state: &AppState) -> Vec<String> {
        steps(state).into_iter().map(|step| step.words).collect()
    }

    #[test]
    fn what_comes_next_depends_on_what_is_there() {
        let state = testing::with_model();
        let before = [
            "Build index…",
            "Evaluate…",
            "Read a sentence",
            "Look at heads",
            "Steer the text",
        ];
        assert_eq!(words(&state), before);
        assert_eq!(words(&testing::typical()), [""; 0], "there is no model");
        let unfit = testing::with_demo_model(testing::typical());
        assert!(unfit.misfit().is_some());
        assert_eq!(words(&unfit), [""; 0], "no other dictionary fits");
        let folder = tempfile::tempdir().unwrap();
        let demo = testing::demo(folder.path());
        let first = steps(&demo.state).remove(0);
        assert_eq!(first.words, "Explore features");
        assert!(
            first.why.starts_with("2048 features of resid-2"),
            "{}",
            first.why
        );
        let evaluate = steps(&state).remove(1).command;
        assert_eq!(
            evaluate,
            dictionary::Command::Evaluate(DictionaryId(0)).into()
        );
    }
}
