//! Studies of heads on the project's held-out text, and the person's verdicts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use umbra_core::features::Index;
use umbra_core::heads::features::HeadFeatures;
use umbra_core::heads::roles::{Settings, TOKENS};
use umbra_core::ids::Head;
use umbra_core::progress::{Ended, Progress};
use umbra_core::project::HeadVerdict;
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::passes::{self, Amount};
use umbra_core::workbench::roles as core;
use umbra_core::workbench::text::TextRequest;

use crate::commands::context::Context;
use crate::jobs::Worker;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::roles::{Event as Roles, Place, Studied};
use crate::state::requests::heads::roles::Command;
use crate::state::{AppState, Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Study(ids) => study(context, &ids),
            Self::Effects(id, head) => effects(context, id, head),
            Self::ReadOwn => read_own(context),
            Self::Set(own) => set(context, own),
        }
    }
}

fn event(of: Roles) -> Event {
    Event::Heads(Heads::Roles(of))
}

/// Asks for the text of a study, or says what is missing.
fn request(state: &AppState) -> Result<TextRequest, String> {
    let project = state.project.open();
    let project = project.ok_or("Open or create a project first: its held-out text is studied")?;
    passes::held_out(project, Amount::Tokens(TOKENS)).map_err(|why| why.to_string())
}

/// A layer to study.
struct Work {
    id: DictionaryId,
    pair: Pair,
    name: String,
    index: Option<PathBuf>,
}

fn study(context: &mut Context<'_>, ids: &[DictionaryId]) {
    let request = match request(context.state) {
        Ok(request) => request,
        Err(sentence) => return context.fail(sentence),
    };
    let state = &context.state;
    let of = |id: &DictionaryId| {
        let studying = state
            .heads
            .roles
            .studies
            .get(id)
            .is_some_and(Load::is_loading);
        let work = Work {
            id: *id,
            pair: state.pair(*id)?.clone(),
            name: state.catalogue.get(*id)?.name.clone(),
            index: state.index_of(*id).map(|index| index.path.clone()),
        };
        (!studying).then_some(work)
    };
    let works: Vec<Work> = ids.iter().filter_map(of).collect();
    let title = match works.as_slice() {
        [] => return,
        [one] => format!("Study the heads of {}", one.name),
        several => format!("Study the heads of {} layers", several.len()),
    };
    context.apply(event(Roles::Study(works[0].id, Load::Loading)));
    let all: Vec<DictionaryId> = works.iter().map(|work| work.id).collect();
    // The layer at work: what stops the job is told of it alone.
    let at = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&at);
    context.jobs.start_or(
        title,
        move |why| {
            event(Roles::Study(
                all[current.load(Ordering::Relaxed)],
                Load::Failed(why),
            ))
        },
        move |worker| {
            let layers = works.len();
            for (layer, work) in works.iter().enumerate() {
                at.store(layer, Ordering::Relaxed);
                worker.send(event(Roles::Study(work.id, Load::Loading)));
                let load = match studied(worker, work, &request, (layer, layers)) {
                    Ok(Ended::Done(studied)) => Load::Ready(studied),
                    Ok(Ended::Stopped(())) => Load::Absent,
                    Err(why) => Load::Failed(why.to_string()),
                };
                worker.send(event(Roles::Study(work.id, load)));
            }
            Ok(())
        },
    );
}

fn studied(
    worker: &Worker,
    work: &Work,
    request: &TextRequest,
    (layer, layers): (usize, usize),
) -> umbra_core::Result<Ended<Studied>> {
    if worker.stopped() {
        return Ok(Ended::STOPPED);
    }
    let text = worker.read(request, &work.pair)?;
    let index = work.index.as_deref().map(Index::open).transpose()?;
    let of = (&text.rows, index.as_ref());
    let mut observe = |at: Progress| {
        let whole = Progress {
            done: at.done + layer as u64 * at.total,
            total: at.total * layers as u64,
            ..at
        };
        worker.progress(whole)
    };
    let found = core::study(&work.pair, of, &Settings::default(), &mut observe)?;
    Ok(found.map(|study| Studied {
        features: study.features.clone(),
        study: Arc::new(study),
        text: text.phrase,
    }))
}

fn effects(context: &mut Context<'_>, id: DictionaryId, head: Head) {
    let request = match request(context.state) {
        Ok(request) => request,
        Err(sentence) => return context.fail(sentence),
    };
    let state = &context.state;
    let Some(pair) = state.pair(id).cloned() else {
        return;
    };
    let study = state.heads.roles.study(id);
    let rows: Option<HeadFeatures> =
        study.and_then(|study| study.features.get(head.index()).cloned());
    let Some(rows) = rows else { return };
    let of = (id, head);
    context.apply(event(Roles::Effects(of, Load::Loading)));
    context.jobs.start_or(
        format!("Measure causal effects at head {head}"),
        move |why| event(Roles::Effects(of, Load::Failed(why))),
        move |worker| {
            let text = worker.read(&request, &pair)?;
            let settings = Settings::default();
            let pass = &mut |at| worker.progress(at);
            let found = core::causal(&pair, (&text.rows, &rows), &settings, pass)?;
            let load = found.done().map_or(Load::Absent, Load::Ready);
            worker.send(event(Roles::Effects(of, load)));
            Ok(())
        },
    );
}

fn place(state: &AppState) -> Option<Place> {
    let folder = state.project.folder()?.to_path_buf();
    Some((folder, state.model()?.model.fingerprint().to_owned()))
}

fn read_own(context: &mut Context<'_>) {
    let Some(of) = place(context.state) else {
        return;
    };
    let Some(project) = context.state.project.open() else {
        return;
    };
    let read = || match project.labels_there()? {
        Some(labels) => labels.verdicts(&of.1),
        None => Ok(Vec::new()),
    };
    let verdicts = read();
    match verdicts {
        Ok(verdicts) => context.apply(event(Roles::Own(of, verdicts))),
        Err(why) => {
            context.apply(event(Roles::Own(of, Vec::new())));
            context.fail(format!("Your verdicts could not be read: {why}"));
        }
    }
}

/// Writes one row of `labels.sqlite` at once, as labels are written.
fn set(context: &mut Context<'_>, own: HeadVerdict) {
    let Some((_, model)) = place(context.state) else {
        return context.fail("Open or create a project first: your verdicts are kept with it");
    };
    let Some(project) = context.state.project.open() else {
        return;
    };
    let written = project
        .labels()
        .and_then(|labels| labels.set_verdict(&model, &own));
    match written {
        Ok(_) => context.apply(event(Roles::Set(own))),
        Err(why) => context.fail(format!("Your verdict could not be saved: {why}")),
    }
}
