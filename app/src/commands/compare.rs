//! Comparing two dictionaries.

use std::sync::Arc;

use umbra_core::compare;
use umbra_core::workbench::text::TextRequest;

use super::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::compare::{Compared, Event as Area, Measured, Two, most_comparable};
use crate::state::requests::compare::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::words;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Show(id) => show(context, id),
            Self::Choose(two) => context.apply(Event::Compare(Area::Chosen(two))),
            Self::Compare(two) => compare(context, two),
            Self::Together(two) => together(context, two),
        }
    }
}

/// Asks for the comparison of the two chosen dictionaries, once both are loaded.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let area = &state.compare;
    let Some(two) = area.chosen.filter(|two| area.of != Some(*two)) else {
        return;
    };
    let is_loaded = |id| {
        let load = state.catalogue.get(id).map(|dictionary| &dictionary.load);
        load.is_some_and(|load| load.ready().is_some())
    };
    if is_loaded(two.0) && is_loaded(two.1) {
        commands.send(Command::Compare(two));
    }
}

/// Shows a dictionary beside the one most like it.
fn show(context: &mut Context<'_>, id: DictionaryId) {
    if let Some(own) = context.state.catalogue.get(id) {
        let name = own.name.clone();
        if let Some(two) = most_comparable(context.state, Some(id)) {
            context.apply(Event::Compare(Area::Chosen(two)));
        } else {
            return context.fail(format!(
                "No other dictionary can be compared with {name}: open or train one of the same width"
            ));
        }
    }
    let go = navigation::Command::Go(ViewId::Compare);
    context.commands.send(go);
}

fn compare(context: &mut Context<'_>, two: Two) {
    let of = |id| {
        let dictionary = context.state.catalogue.get(id)?;
        Some((
            dictionary.name.clone(),
            Arc::clone(&dictionary.load.ready()?.sae),
        ))
    };
    let (Some((name_a, a)), Some((name_b, b))) = (of(two.0), of(two.1)) else {
        return;
    };
    let event = move |load| Event::Compare(Area::Compared(two, load));
    context.apply(event(Load::Loading));
    context.jobs.start_or(
        format!("Compare {name_a} and {name_b}"),
        move |why| event(Load::Failed(why)),
        move |worker| {
            let found = compare::compare(&a, &b, &mut |at| worker.progress(at))?.done();
            let load = found.map_or(Load::Absent, |found| {
                Load::Ready(Arc::new(Compared::new(found)))
            });
            worker.send(event(load));
            Ok(())
        },
    );
}

/// Co-activation of each pair's features on held-out text.
fn together(context: &mut Context<'_>, two: Two) {
    let state = &context.state;
    let loaded = state.catalogue.get(two.1).and_then(|d| d.load.ready());
    let (Some(b), Load::Ready(compared)) = (loaded, &state.compare.compared) else {
        return;
    };
    if let Some(why) = state.unfit(two.0) {
        return context.fail(why.to_owned());
    }
    let (Some(project), Some(pair)) = (state.project.open(), state.pair(two.0)) else {
        return context
            .fail("Open a project and a model first: pairs are measured on the project's text");
    };
    let (project, pair) = (Arc::clone(project), pair.clone());
    let (b, compared) = (Arc::clone(&b.sae), Arc::clone(compared));
    let event = move |load| Event::Compare(Area::Together(two, load));
    context.apply(event(Load::Loading));
    context.jobs.start_or(
        format!("Measure the pairs of {} and {}", pair.sae.name, b.name),
        move |why| event(Load::Failed(why)),
        move |worker| {
            let text = worker.read(&TextRequest::held_out_of(&project)?, &pair)?;
            let rows = &text.rows;
            worker.notes(&pair.notes_on(&b, rows));
            let (both, reader) = ((&*pair.sae, &*b), (&*pair.model, rows));
            let observe = &mut |at| worker.progress(at);
            let found = compare::together(both, &compared.found.pairs, reader, observe)?.done();
            let load = found.map_or(Load::Absent, |pairs| {
                Load::Ready(Arc::new(Measured {
                    pairs,
                    text: format!(
                        "{}, {}",
                        text.phrase,
                        words::said(&rows.mask().rule.said(Some(rows.left_out() as u64)))
                    ),
                }))
            });
            worker.send(event(load));
            Ok(())
        },
    );
}
