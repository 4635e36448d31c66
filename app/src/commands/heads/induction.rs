//! The induction lab: measures all heads on random sequences and on held-out text, and a dictionary on sentences with two names.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::heads::induction::{self as core, Options, TextOptions};
use umbra_core::heads::ioi;
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::text::{Most, TextRequest};
use umbra_core::workbench::two_names;

use crate::commands::context::Context;
use crate::dialogs::Ask;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::induction::{
    Event as Lab, Measured, SYNTHETIC_JOB, TEXT_JOB, TEXT_TOKENS, names_job,
};
use crate::state::requests::heads::induction::Command;
use crate::state::view::ViewId;
use crate::state::{Event, Load, selection};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Measure => measure(context),
            Self::OnText => on_text(context),
            Self::Dictionary(id) => {
                context.apply(Event::Heads(Heads::Induction(Lab::Dictionary(id))));
            }
            Self::Names(id, file) => names(context, id, file),
            Self::NamesOfFile(id) => {
                let ask = Ask::File("Open sentences with two names", &["jsonl", "json", "txt"]);
                context.ask(ask, move |path| Self::Names(id, Some(path)).into());
            }
            Self::Select(layer, head) => {
                context.apply(Event::Selection(selection::Event::Head(layer, head)));
                context.layout.go(ViewId::Heads, &context.state.selection);
            }
        }
    }
}

fn measure(context: &mut Context<'_>) {
    let Some(model) = context.state.model() else {
        return;
    };
    let model = Arc::clone(&model.model);
    let of = model.fingerprint().to_owned();
    let event = |of, load| Event::Heads(Heads::Induction(Lab::Synthetic(of, load)));
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    context.jobs.start_or(
        SYNTHETIC_JOB,
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let observe = &mut |at| worker.progress(at);
            let found = core::synthetic(&model, &Options::default(), observe)?.done();
            let load = found.map_or(Load::Absent, |found| Load::Ready(Arc::new(found)));
            worker.send(event(of, load));
            Ok(())
        },
    );
}

fn on_text(context: &mut Context<'_>) {
    let state = &context.state;
    let (Some(project), Some(model)) = (state.project.open(), state.model()) else {
        return;
    };
    let (project, model) = (Arc::clone(project), Arc::clone(&model.model));
    let of = model.fingerprint().to_owned();
    let event = |of, load| Event::Heads(Heads::Induction(Lab::Text(of, load)));
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    context.jobs.start_or(
        TEXT_JOB,
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let request = TextRequest::held_out_of(&project)?.at_most(Most::Tokens(TEXT_TOKENS));
            let text = request.read(&model, None)?;
            worker.notes(&text.said());
            let observe = &mut |at| worker.progress(at);
            let found = core::on_text(&model, &text.rows, &TextOptions::default(), observe)?;
            let load = found.done().map_or(Load::Absent, |found| {
                let phrase = text.phrase.clone();
                Load::Ready(Arc::new(Measured { phrase, found }))
            });
            worker.send(event(of, load));
            Ok(())
        },
    );
}

fn names(context: &mut Context<'_>, id: DictionaryId, file: Option<PathBuf>) {
    let Some(Pair { model, sae, .. }) = context.state.pair(id).cloned() else {
        return;
    };
    let event = move |load| Event::Heads(Heads::Induction(Lab::Ioi(id, load)));
    context.apply(Event::Heads(Heads::Induction(Lab::Dictionary(id))));
    context.apply(event(Load::Loading));
    context.jobs.start_or(
        names_job(&sae.name),
        move |why| event(Load::Failed(why)),
        move |worker| {
            let prompts = two_names::prompts(&model, file.as_deref(), (ioi::PROMPTS, 0))?;
            let observe = &mut |at| worker.progress(at);
            let found = ioi::run(&model, sae.autoencoder()?, (&prompts, &[]), observe)?.done();
            worker.send(event(
                found.map_or(Load::Absent, |found| Load::Ready(Arc::new(found))),
            ));
            Ok(())
        },
    );
}
