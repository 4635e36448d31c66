//! The linear probe: loads the kept one, fits one.

use std::sync::Arc;

use umbra_core::dark_matter::{FitSpec, Probe};
use umbra_core::fit::Fit;
use umbra_core::progress::Ended;
use umbra_core::workbench::dark_matter::Sampled;
use umbra_core::workbench::text::TextRequest;

use super::study::Work;
use crate::commands::context::Context;
use crate::jobs::Wanted;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::fit::{Event as Panel, job};
use crate::state::requests::dark_matter::fit::Command;
use crate::state::{Event, Load, log};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => look(context, id),
            Self::Compute(id) => fit(context, id),
        }
    }
}

fn look(context: &mut Context<'_>, id: DictionaryId) {
    let Some(work) = Work::new(context.state, id) else {
        return;
    };
    let event = move |load| Event::DarkMatter(Lab::Fit(Panel::Probe(id, load)));
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

fn fit(context: &mut Context<'_>, id: DictionaryId) {
    let Some(work) = Work::new(context.state, id) else {
        return;
    };
    let Some(request) = TextRequest::training_of(&work.project) else {
        return context
            .fail("The project has no training text to fit the probe on: add one in Library");
    };
    let before = context.state.dark_matter.fit.of(id).cloned();
    let before = before.map_or(Load::Absent, Load::Ready);
    let event = move |load| Event::DarkMatter(Lab::Fit(Panel::Probe(id, load)));
    context.apply(event(Load::Loading));
    let name = job(&work.name);
    let wanted = Wanted::new(context.state, &name);
    context.jobs.start_or(
        name,
        move |why| event(Load::Failed(why)),
        move |worker| {
            let path = work.project.probe_path(&work.name);
            Probe::check_place(&path)?;
            let (model, sae) = (&work.pair.model, &work.pair.sae);
            let both = request.read_split(&work.project.held_out_text, model, Some(sae))?;
            for text in &both {
                worker.notes(&text.said());
            }
            let spec = FitSpec::default();
            let sampled = Sampled::new(&spec, both, sae.width());
            let at_once = sampled.tokens_at_once();
            let _computing = worker.place(&wanted, &**sae, (at_once, true))?;
            let pass = &mut |at| worker.progress(at);
            let fitted = sampled.fit(&work.pair, None, &spec, pass)?;
            let Ended::Done(probe) = fitted else {
                worker.send(event(before));
                return Ok(());
            };
            probe.save(&path)?;
            worker.send(event(Load::Ready(Arc::new(probe))));
            Ok(())
        },
    );
}
