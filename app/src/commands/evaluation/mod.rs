//! Evaluation: the tab that is shown, and measuring the numbers of dictionaries.

mod task;

use umbra_core::workbench::passes::{Amount, Pass};

use super::context::Context;
use super::passes;
use crate::state::requests::evaluation::Command;
use crate::state::view::ViewId;
use crate::state::{Event, selection};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Show(tab) => {
                context.apply(Event::Selection(selection::Event::Evaluation(tab)));
                context
                    .layout
                    .go(ViewId::Evaluation, &context.state.selection);
            }
            Self::Task(command) => command.run(context),
            Self::Measure(ids) => {
                let amount = Amount::Tokens(Pass::Evaluation.default_tokens());
                passes::evaluate(context, &ids, amount);
            }
        }
    }
}
