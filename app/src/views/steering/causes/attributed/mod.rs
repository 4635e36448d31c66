//! Panels “Which features?” and “Which parts write it?”: one computation for both, and what each of them shows of it.

mod features;
mod parts;

use egui::{Label, Ui};
use umbra_core::causes::{Causes, Target};
use umbra_core::workbench::patching::Asked;

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::Commands;
use crate::state::requests::steering::causes::attributed::{Command, Inputs};
use crate::state::steering::causes::attributed::JOB;
use crate::state::steering::causes::question::Question;
use crate::theme::{Theme, caption, space};
use crate::views::dark_matter::panel::{Offer, offer_ui};

/// Draws the panel of `question` for the text and the target, as they are written.
pub(super) fn attributed_ui(
    ui: &mut Ui,
    state: &AppState,
    (question, text, target): (Question, &str, &str),
    commands: &mut Commands,
) {
    let Some(loaded) = state.model() else {
        return;
    };
    let of = loaded.model.fingerprint().to_owned();
    let panel = &state.steering.causes.attributed;
    if panel.study.of.as_ref() != Some(&of) && state.project.open().is_some() {
        commands.send(Command::Look);
    }
    let dictionary = state.dictionary().map(|of| of.id);
    let dictionary = dictionary.filter(|id| state.pair(*id).is_some());
    let inputs = Inputs {
        text: text.to_owned(),
        target: target.to_owned(),
        dictionary,
    };
    if question == Question::Features {
        settings_ui(ui, state, dictionary, commands);
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    let ready = Target::parse(target, loaded.model.codec()).is_ok() && !text.trim().is_empty();
    if ready {
        let offer = Offer {
            what: "Sets every active feature of the dictionary to 0 in turn, and splits the target over embeddings, heads and MLPs.",
            cost: match question {
                Question::Parts => "One pass, and the answer to “Which features?” in the same run.",
                _ => {
                    "One backward pass, then one changed pass for each activation, from the dictionary's layer on."
                }
            },
            button: "Find the causes",
            again: "Find them again",
            job: JOB,
        };
        if offer_ui(ui, state, &panel.study, &offer) {
            commands.send(Command::Find(inputs.clone()));
        }
    } else {
        let words =
            "Choose a target above: click one of the next tokens, or two for their difference.";
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
    ui.add_space(space::CHIP);
    let Some(found) = panel.study.result(&of) else {
        return;
    };
    stale_ui(ui, state, (found, &inputs));
    match question {
        Question::Parts => parts::parts_ui(ui, state, &found.result, commands),
        _ => features::features_ui(ui, state, &found.result, commands),
    }
}

/// Draws the dictionary in use and the choice of integrated gradients.
fn settings_ui(
    ui: &mut Ui,
    state: &AppState,
    dictionary: Option<DictionaryId>,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(of) = dictionary.and_then(|id| state.catalogue.get(id)) else {
        let words = "Choose a dictionary that fits the model in the bar above: its features are asked. Without one, “Which parts write it?” still answers.";
        ui.add(Label::new(caption(words).color(secondary)).wrap());
        return;
    };
    ui.horizontal_wrapped(|ui| {
        let words = format!("Features of {}", of.name);
        ui.label(caption(words).color(secondary));
        let mut integrated = state.steering.causes.attributed.integrated;
        let help = "Averages the gradient over points between each feature's activation and 0, which mends a·grad where a feature that is often on flips the sign of its own gradient. It takes several times as long.";
        let boxed = ui.checkbox(&mut integrated, "Integrated gradients too");
        if boxed.on_hover_text(help).changed() {
            commands.send(Command::Integrate(integrated));
        }
    });
}

/// Says what the result is of, where the form has changed since.
fn stale_ui(ui: &mut Ui, state: &AppState, (found, inputs): (&Asked<Causes>, &Inputs)) {
    let Some(loaded) = state.model() else {
        return;
    };
    let written = found.result.target.written(loaded.model.codec());
    if found.corrupt == inputs.text && written == inputs.target {
        return;
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    let words = format!(
        "These are the causes of {} in “{}”.",
        found.result.said, found.corrupt
    );
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}
