//! Heads lab: the step that is shown; the panels' requests have a file each.

mod attribution;
mod circuit;
mod features;
mod induction;
mod roles;
mod survey;

use umbra_core::ids::{Head, Layer};

use super::context::Context;
use crate::state::heads::step::{Shown, Step};
use crate::state::requests::Commands;
use crate::state::requests::heads::Command;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, heads, selection};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let shown = context.state.selection.shown;
        match self {
            Self::Step(step) => show(context, Shown { step, ..shown }),
            Self::Tab(tab) => show(
                context,
                Shown {
                    step: Step::Why,
                    tab,
                },
            ),
            Self::Map(map) => context.apply(Event::Heads(heads::Event::Map(map))),
            Self::Choose(layer, head) => choose(context, layer, head),
            Self::Features(command) => command.run(context),
            Self::Roles(command) => command.run(context),
            Self::Attribution(command) => command.run(context),
            Self::Circuit(command) => command.run(context),
            Self::Induction(command) => command.run(context),
            Self::Survey(command) => command.run(context),
        }
    }
}

/// Asks for what the open question needs; the screen asks for the rest once it is shown.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    survey::follow(state, commands);
}

/// Shows a step of Heads: a place of the list that back and forward walk.
fn show(context: &mut Context<'_>, shown: Shown) {
    context.apply(Event::Selection(selection::Event::Shown(shown)));
    context.layout.go(ViewId::Heads, &context.state.selection);
}

fn choose(context: &mut Context<'_>, layer: Layer, head: Head) {
    context.apply(Event::Selection(selection::Event::Head(layer, head)));
    let shown = context.state.selection.shown;
    show(
        context,
        Shown {
            step: Step::Head,
            ..shown
        },
    );
}
