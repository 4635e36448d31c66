//! Attention patterns on the sentence in Prompt.

use std::sync::Arc;

use umbra_core::attention;
use umbra_core::ids::Layer;

use super::context::Context;
use crate::state::requests::attention::Command;
use crate::state::{Event, Load, attention as area};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Overview => overview(context),
            Self::Patterns(layer) => patterns(context, layer),
        }
    }
}

fn overview(context: &mut Context<'_>) {
    let state = &context.state;
    let (Some(of), Some(model)) = (state.sentence(), state.model()) else {
        return;
    };
    let model = Arc::clone(&model.model);
    let event = |of, load| Event::Attention(area::Event::Overview(of, load));
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    context.jobs.start_or(
        "Compute all attention patterns",
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let model = of.input.reader(&model)?;
            let (tokens, beyond) = of.input.tokens(&model)?;
            let observe = &mut |at| worker.progress(at);
            let found = attention::overview(&model, &tokens, observe)?.done();
            let load = found.map_or(Load::Absent, |mut overview| {
                overview.cut += beyond;
                Load::Ready(Arc::new(overview))
            });
            worker.send(event(of, load));
            Ok(())
        },
    );
}

fn patterns(context: &mut Context<'_>, layer: Layer) {
    let state = &context.state;
    let (Some(of), Some(model)) = (state.sentence(), state.model()) else {
        return;
    };
    let model = Arc::clone(&model.model);
    let event = move |of, load| Event::Attention(area::Event::Patterns(of, layer, load));
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    context.jobs.start_or(
        format!("Patterns of layer {layer}"),
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let model = of.input.reader(&model)?;
            let (tokens, beyond) = of.input.tokens(&model)?;
            let mut found = attention::patterns(&model, &tokens, layer)?;
            found.cut += beyond;
            worker.send(event(of, Load::Ready(Arc::new(found))));
            Ok(())
        },
    );
}
