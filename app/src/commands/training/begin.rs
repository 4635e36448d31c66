//! Beginning a run that the form describes, and going on with one.

use std::path::Path;
use std::sync::Arc;

use umbra_core::train::{Keeping, Spec};
use umbra_core::workbench::training::OnError;

use super::work::{self, Reads, Task, Work};
use crate::commands::context::Context;
use crate::jobs::Wanted;
use crate::state::catalogue::name_of;
use crate::state::training::plan;
use crate::state::training::{Ended, Event as Training, Member, Run, Source};
use crate::state::{AppState, Event};

/// A run to begin: its source, its dictionaries (those that have ended stay as they are) and whether the others resume from checkpoints.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) source: Source,
    pub(super) members: Vec<Member>,
    /// Part of a dictionary's error that is read in place of the activation.
    pub(super) on: Option<OnError>,
    pub(super) resume: bool,
}

/// Starts the run that the form describes.
pub(super) fn start(context: &mut Context<'_>) {
    let state = &context.state;
    let plan = plan::plan(state);
    if plan.refusal.is_some() {
        return;
    }
    let (Some(described), Some(source)) = (plan.described(state), plan::source(state)) else {
        return;
    };
    let described = described.into_iter();
    let members = described.map(|one| Member::new(one.name, one.folder, one.spec));
    let members = members.collect();
    let beginning = Beginning {
        source,
        members,
        on: plan.on,
        resume: false,
    };
    begin(context, beginning);
}

/// Goes on with those of the run on screen that left a checkpoint. Where one failed, the learning rate of the form is taken: with the old one it would fail
/// again.
pub(super) fn go_on(context: &mut Context<'_>) {
    let state = &context.state;
    let Some(run) = state.training.run.as_ref().filter(|run| run.can_go_on()) else {
        return;
    };
    let rate = plan::plan(state).first.spec.learning_rate;
    let mut members = run.members.clone();
    for member in &mut members {
        if matches!(member.ended, Some(Ended::Failed { .. })) {
            member.spec.learning_rate = rate;
        }
        member.ended.take_if(|ended| ended.checkpoint());
        if member.ended.is_none() {
            member.notes.clear();
        }
    }
    let beginning = Beginning {
        source: run.source.clone(),
        members,
        on: run.on.clone(),
        resume: true,
    };
    begin(context, beginning);
}

/// Starts the job of a run.
pub(super) fn begin(context: &mut Context<'_>, beginning: Beginning) {
    let state = &context.state;
    if state.training.running().is_some() {
        return;
    }
    let Beginning {
        source,
        members,
        on,
        resume,
    } = beginning;
    let reads = match (&source, state.model()) {
        (Source::Text(_, text), Some(loaded)) => {
            Reads::Text(Arc::clone(&loaded.model), Arc::clone(text))
        }
        (Source::Store(store), loaded) => {
            let open = loaded.map(|loaded| Arc::clone(&loaded.model));
            Reads::Store(Arc::clone(store), open)
        }
        (Source::Text(..), None) => {
            return context.fail("Open the model first: the run reads its activations");
        }
    };
    let interval = plan::plan(state).checkpoint;
    let keeping = |folder: &Path, resume: bool| Keeping {
        folder: Some(folder.to_path_buf()),
        interval,
        resume,
        ..Keeping::default()
    };
    let going = members.iter().enumerate();
    let tasks: Vec<Task> = going
        .filter(|(_, member)| member.ended.is_none())
        .map(|(i, member)| Task {
            member: i,
            spec: member.spec.clone(),
            keeping: keeping(&member.folder, resume),
            folder: member.folder.clone(),
            replaces: (state.catalogue.by_folder(&member.folder)).map(|there| there.id),
        })
        .collect();
    let Some(first) = tasks.first() else {
        return;
    };
    let name = match tasks.len() - 1 {
        0 => format!("Train {}", name_of(&first.folder)),
        more => format!("Train {} and {more} more", name_of(&first.folder)),
    };
    let left: Vec<Keeping> = (members.iter())
        .map(|member| keeping(&member.folder, true))
        .collect();
    let shown = state.training.run.as_ref().map_or(0, |run| run.shown);
    let wanted = Wanted::new(state, &name);
    let of = on.clone();
    let job = context.jobs.start_or(
        name,
        move |why| {
            let checkpoints = left.iter().map(|keeping| keeping.check().is_ok());
            Event::Training(Training::Broke(why, checkpoints.collect()))
        },
        move |worker| {
            let work = Work {
                tasks,
                reads,
                on: of,
                wanted,
            };
            work::train(worker, &work)
        },
    );
    context.apply(Event::Training(Training::Started(Box::new(Run {
        job,
        source,
        shown: if resume {
            shown.min(members.len() - 1)
        } else {
            0
        },
        members,
        on,
    }))));
}

/// Writes the dictionary of this member of the run again.
pub(super) fn save_again(context: &mut Context<'_>, which: usize) {
    let run = context.state.training.run.as_ref();
    let Some(member) = run.and_then(|run| run.members.get(which)) else {
        return;
    };
    let Some(Ended::Unsaved { sae, folder, .. }) = member.ended.clone() else {
        return;
    };
    let seen = member.seen();
    let stopped = seen < member.spec.tokens;
    let name = format!("Save {}", member.name);
    context.jobs.start(name, move |worker| {
        work::save_again(worker, &sae, (which, &folder), (seen, stopped));
        Ok(())
    });
}

/// A past run to go on with from its checkpoint; one sentence where it cannot go on.
pub(super) fn past(state: &AppState, folder: &Path) -> Option<Result<Beginning, String>> {
    let past = state.training.past.get(folder)?;
    let curves = state.training.past.curves.get(folder);
    let curves = curves.and_then(crate::state::Load::ready).cloned();
    Some(plan::source_of(state, past).and_then(|source| {
        let spec: Spec = past.record.spec().map_err(|error| error.to_string())?;
        let mut member = Member::new(name_of(folder), folder.to_path_buf(), spec);
        member.curves = curves.as_deref().cloned().unwrap_or_default();
        Ok(Beginning {
            source,
            members: vec![member],
            on: plan::past_parent(state, folder)?,
            resume: true,
        })
    }))
}
