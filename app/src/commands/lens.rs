//! The logit lens of the sentence in Prompt.

use std::sync::Arc;

use umbra_core::lens;

use super::context::Context;
use crate::state::requests::lens::Command;
use crate::state::{Event, Load, lens as area};

/// Next tokens kept per cell.
const TOP: usize = 5;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Read => read(context),
        }
    }
}

fn read(context: &mut Context<'_>) {
    let state = &context.state;
    let (Some(of), Some(model)) = (state.sentence(), state.model()) else {
        return;
    };
    if let Some(job) = state.lens.job {
        context.jobs.stop(job);
    }
    let model = Arc::clone(&model.model);
    let event = |of, load| Event::Lens(area::Event::Lens(of, load));
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    let job = context.jobs.start_or(
        "Compute the logit lens",
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let model = of.input.reader(&model)?;
            let (tokens, beyond) = of.input.tokens(&model)?;
            let observe = &mut |at| worker.progress(at);
            let lens = lens::read(&model, &tokens, TOP, observe)?.done();
            let load = lens.map_or(Load::Absent, |mut lens| {
                lens.cut += beyond;
                Load::Ready(Arc::new(lens))
            });
            worker.send(event(of, load));
            Ok(())
        },
    );
    context.apply(Event::Lens(area::Event::Job(job)));
}
