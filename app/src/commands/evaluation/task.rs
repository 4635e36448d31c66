//! The task with a known answer: a kept result is looked for, or a job runs it.

use crate::commands::context::Context;
use crate::state::Event;
use crate::state::evaluation::Event as Area;
use crate::state::evaluation::task::{Event as Panel, JOB};
use crate::state::requests::evaluation::task::Command;
use crate::state::requests::shell;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Form(form) => context.apply(event(Panel::Form(*form))),
            Self::Stop => {
                let mut running = context.state.jobs.running();
                if let Some(job) = running.find(|job| job.name == JOB) {
                    let stop = shell::Command::StopJob(job.id);
                    context.commands.send(stop);
                }
            }
            Self::Look | Self::Run | Self::Inspect(_) => {}
        }
    }
}

fn event(panel: Panel) -> Event {
    Event::Evaluation(Area::Task(panel))
}
