//! Dictionaries trained on the error: fills the form of Training, begins once the text is counted, and measures the child with its parent.

use umbra_core::workbench::passes::{Amount, Pass};

use crate::commands::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::train::Event as Panel;
use crate::state::requests::dark_matter::train::Command;
use crate::state::requests::{Commands, passes, training};
use crate::state::training::plan::plan;
use crate::state::training::{Ended, Event as Training, Form};
use crate::state::{AppState, Event};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Choose(part, features) => context.apply(event(Panel::Chosen(part, features))),
            Self::Train(id) => train(context, id),
            Self::Begin => begin(context),
            Self::GiveUp(why) => {
                context.apply(event(Panel::Waiting(None)));
                context.fail(why);
            }
            Self::Measure(id) => {
                context.apply(event(Panel::Measuring(None)));
                let amount = Amount::default_for(Pass::Evaluation);
                context
                    .commands
                    .send(passes::Command::Run(id, Pass::Evaluation, amount));
            }
            Self::Forget => context.apply(event(Panel::Measuring(None))),
        }
    }
}

/// Begins what waits once the form can start, and measures a child that was trained here.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let panel = &state.dark_matter.train;
    if panel.waiting.is_some() {
        await_text(state, commands);
    }
    let Some(folder) = &panel.to_measure else {
        return;
    };
    let run = state.training.run.as_ref();
    let member = run.and_then(|run| run.members.iter().find(|there| there.folder == *folder));
    let child = state.catalogue.by_folder(folder);
    match (member.and_then(|there| there.ended.as_ref()), child) {
        (Some(Ended::Failed { .. } | Ended::Unsaved { .. }), _) => commands.send(Command::Forget),
        (Some(Ended::Saved { .. }), Some(child)) if child.load.failure().is_some() => {
            commands.send(Command::Forget);
        }
        (Some(Ended::Saved { .. }), Some(child)) if state.pair(child.id).is_some() => {
            commands.send(Command::Measure(child.id));
        }
        _ => {}
    }
}

/// Counts the text of the form, then begins; gives up where the form cannot start for another reason.
fn await_text(state: &AppState, commands: &mut Commands) {
    let plan = plan(state);
    let training = &state.training;
    if plan.refusal.is_none() {
        commands.send(Command::Begin);
    } else if let Some(key) = &plan.key
        && state.model().is_some()
        && training.text_of.as_ref() != Some(key)
    {
        commands.send(training::Command::CountText(key.clone()));
    } else if !training.text.is_loading()
        && let Some(why) = plan.refusal
    {
        commands.send(Command::GiveUp(why));
    }
}

/// Fills the form of Training and waits until it can start.
fn train(context: &mut Context<'_>, id: DictionaryId) {
    let panel = &context.state.dark_matter.train;
    let (part, features) = (panel.part, panel.features);
    let Some(parent) = context.state.catalogue.get(id) else {
        return;
    };
    let Some(loaded) = parent.load.ready() else {
        return;
    };
    let features = features.unwrap_or(loaded.sae.features());
    let mut form = Form::default();
    form.settings
        .insert("features".to_owned(), features.to_string());
    let form = form.on_error(part, parent.folder.clone(), parent.hook());
    context.apply(Event::Training(Training::Form(form)));
    context.apply(event(Panel::Waiting(Some(id))));
}

fn begin(context: &mut Context<'_>) {
    let plan = plan(context.state);
    let described = plan.described(context.state);
    let folder = described.and_then(|all| all.into_iter().next());
    context.apply(event(Panel::Waiting(None)));
    context.apply(event(Panel::Measuring(folder.map(|one| one.folder))));
    context.commands.send(training::Command::Start);
}

fn event(change: Panel) -> Event {
    Event::DarkMatter(Lab::Train(change))
}
