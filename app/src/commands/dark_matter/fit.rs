//! The linear probe: loads the kept one, fits one on the settings of the form.

use std::sync::Arc;

use umbra_core::dark_matter::{FitSpec, Predictor, Probe};
use umbra_core::error::{Error, Key, Result};
use umbra_core::fit::Fit;
use umbra_core::progress::Ended;
use umbra_core::sae::Sae;
use umbra_core::workbench::dark_matter::Sampled;
use umbra_core::workbench::text::TextRequest;

use super::study::Work;
use crate::commands::context::Context;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::fit::{Event as Panel, job};
use crate::state::requests::dark_matter::fit::Command;
use crate::state::{AppState, Event, Load, log};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => look(context, id),
            Self::Compute(id) => fit(context, id),
            Self::Form(form) => context.apply(event(Panel::Form(form))),
        }
    }
}

fn event(event: Panel) -> Event {
    Event::DarkMatter(Lab::Fit(event))
}

fn look(context: &mut Context<'_>, id: DictionaryId) {
    let Some(work) = Work::new(context.state, id) else {
        return;
    };
    let event = move |load| event(Panel::Probe(id, load));
    context.apply(event(Load::Loading));
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            let kept = work.project.kept_probe(&work.name);
            let probe = kept.map(|path| Probe::open(&path)).transpose()?;
            let load = match probe {
                None => Load::Absent,
                Some(probe) => {
                    let fit = Fit::of_probe(&probe, Some(&work.pair.model), Some(&work.pair.sae));
                    if let Some(said) = fit.check(false)? {
                        worker.send(Event::Log(log::Event::Line(said)));
                    }
                    Load::Ready(Arc::new(probe))
                }
            };
            worker.send(event(load));
            Ok(())
        },
    );
}

/// Settings of a fit with the dictionary that the predictor names.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The settings.
    pub(super) spec: FitSpec,
    /// The dictionary.
    pub(super) other: Option<Arc<Sae>>,
}

impl Settings {
    /// Finds the dictionary that the predictor of `spec` names among those that are loaded.
    pub(super) fn new(state: &AppState, spec: FitSpec) -> Result<Self> {
        let Predictor::Other {
            sae, fingerprint, ..
        } = &spec.predictor
        else {
            return Ok(Self { spec, other: None });
        };
        let all = state.catalogue.dictionaries.iter();
        let mut loaded = all.filter_map(|dictionary| Some(&state.pair(dictionary.id)?.sae));
        let other = loaded.find(|loaded| loaded.fingerprint() == *fingerprint);
        let Some(other) = other.cloned() else {
            let what = format!(
                "{sae}, whose reconstruction predicts the error, is not open: open it in Library, or predict from the activation"
            );
            return Err(Error::setting(Key::Sae, what));
        };
        Ok(Self {
            spec,
            other: Some(other),
        })
    }
}

/// Reads the training text and the held-out text of the project, and chooses the rows of both.
pub(super) fn sampled(worker: &Worker, work: &Work, spec: &FitSpec) -> Result<Sampled> {
    let (model, sae) = (&work.pair.model, &work.pair.sae);
    let Some(request) = TextRequest::training_of(&work.project) else {
        let what = "the project names no training text to fit on, add one in Library";
        return Err(Error::input(what, &work.project.folder));
    };
    let both = request.read_split(&work.project.held_out_text, model, Some(sae))?;
    for text in &both {
        worker.notes(&text.said());
    }
    Ok(Sampled::new(spec, both, sae.width()))
}

/// Fits the probe on `sampled` and keeps it with the project; none if it was stopped.
pub(super) fn fitted(
    worker: &Worker,
    work: &Work,
    (sampled, settings): (&Sampled, &Settings),
    wanted: &Wanted,
) -> Result<Option<Probe>> {
    let path = work.project.probe_path(&work.name);
    Probe::check_place(&path)?;
    let at_once = (sampled.tokens_at_once(), true);
    let _computing = worker.place(wanted, &*work.pair.sae, at_once)?;
    let pass = &mut |at| worker.progress(at);
    let other = settings.other.as_deref();
    let Ended::Done(probe) = sampled.fit(&work.pair, other, &settings.spec, pass)? else {
        return Ok(None);
    };
    probe.save(&path)?;
    Ok(Some(probe))
}

fn fit(context: &mut Context<'_>, id: DictionaryId) {
    let Some(work) = Work::new(context.state, id) else {
        return;
    };
    if TextRequest::training_of(&work.project).is_none() {
        return context
            .fail("The project has no training text to fit the probe on: add one in Library");
    }
    let lab = &context.state.dark_matter.fit;
    let spec = match lab.form().spec() {
        Ok(spec) => spec,
        Err(why) => return context.fail(why),
    };
    let settings = match Settings::new(context.state, spec) {
        Ok(settings) => settings,
        Err(why) => return context.fail(why.to_string()),
    };
    let before = context.state.dark_matter.fit.of(id).cloned();
    let before = before.map_or(Load::Absent, Load::Ready);
    let event = move |load| event(Panel::Probe(id, load));
    context.apply(event(Load::Loading));
    let name = job(&work.name);
    let wanted = Wanted::new(context.state, &name);
    context.jobs.start_or(
        name,
        move |why| event(Load::Failed(why)),
        move |worker| {
            let sampled = sampled(worker, &work, &settings.spec)?;
            let probe = fitted(worker, &work, (&sampled, &settings), &wanted)?;
            let load = probe.map_or(before, |probe| Load::Ready(Arc::new(probe)));
            worker.send(event(load));
            Ok(())
        },
    );
}
