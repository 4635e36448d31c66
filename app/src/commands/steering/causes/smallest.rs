//! The smallest set of edits: searched by a job, kept with the project, carried into the stack of edits.

use std::sync::Arc;

use umbra_core::causes::smallest::{
    self, CANDIDATES, EffectRequest, Goal, Smallest, TowardRequest,
};
use umbra_core::causes::{Target, check_texts};
use umbra_core::error::{Error, Result};
use umbra_core::progress::Ended;
use umbra_core::project::Project;
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::patching::{self as core, Asked, Study, Texts};

use crate::commands::context::Context;
use crate::jobs::Worker;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::study::Change;
use crate::state::requests::steering;
use crate::state::requests::steering::causes::smallest::{Asked as Inputs, Command};
use crate::state::steering::EditDraft;
use crate::state::steering::causes::Event as Causes;
use crate::state::steering::causes::smallest::{Aim, Event as Panel, Form, JOB};
use crate::state::{Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Form(form) => context.apply(event(Panel::Form(form))),
            Self::Look(id) => look(context, id),
            Self::Search(id, inputs) => search(context, id, inputs),
            Self::Steer(id, steps) => steer(context, id, steps),
        }
    }
}

fn event(of: Panel) -> Event {
    Event::Steering(crate::state::steering::Event::Causes(Causes::Smallest(of)))
}

/// Looks for the result that is kept with the project; one by another dictionary is none.
fn look(context: &mut Context<'_>, id: DictionaryId) {
    let state = &context.state;
    let (Some(pair), Some(project)) = (state.pair(id), state.project.open()) else {
        return;
    };
    let (pair, project) = (pair.clone(), Arc::clone(project));
    context.apply(event(Panel::Study(Change::Kept(id, Load::Loading))));
    context.jobs.start_quiet(
        move |why| event(Panel::Study(Change::Kept(id, Load::Failed(why)))),
        move |worker| {
            let kept: Option<Asked<Smallest>> = core::kept(&project, Study::Least, &pair.model)?;
            let kept = kept.filter(|kept| kept.result.dictionary == pair.sae.name);
            let load = kept.map_or(Load::Absent, |kept| Load::Ready(Arc::new(kept)));
            worker.send(event(Panel::Study(Change::Kept(id, load))));
            Ok(())
        },
    );
}

/// Inputs of a job.
struct Work {
    pair: Pair,
    project: Option<Arc<Project>>,
    form: Form,
    inputs: Inputs,
}

fn search(context: &mut Context<'_>, id: DictionaryId, inputs: Inputs) {
    let state = &context.state;
    let Some(pair) = state.pair(id) else {
        return;
    };
    let work = Work {
        pair: pair.clone(),
        project: state.project.open().cloned(),
        form: state.steering.causes.smallest.form.clone(),
        inputs,
    };
    context.apply(event(Panel::Study(Change::Began(id))));
    context.jobs.start_or(
        JOB,
        move |why| event(Panel::Study(Change::Failed(id, why))),
        move |worker| {
            let Some(result) = work.run(worker)?.done() else {
                worker.send(event(Panel::Study(Change::Ended(id, None))));
                return Ok(());
            };
            let second = work.inputs.second.clone();
            let asked = Asked {
                clean: second.filter(|_| work.form.aim == Aim::Toward),
                corrupt: work.inputs.text.clone(),
                result,
            };
            if let Some(project) = &work.project {
                let of = (&*work.pair.model, &[&*work.pair.sae][..]);
                core::keep(project, Study::Least, of, &asked)?;
            }
            let ended = Change::Ended(id, Some(Arc::new(asked)));
            worker.send(event(Panel::Study(ended)));
            Ok(())
        },
    );
}

impl Work {
    fn run(&self, worker: &Worker) -> Result<Ended<Smallest>> {
        let (model, sae) = (&self.pair.model, self.pair.sae.by_token()?);
        let pass = &mut |at| worker.progress(at);
        let target = || Target::parse(&self.inputs.target, model.codec());
        if self.form.aim == Aim::Toward {
            let missing = || {
                Error::setting(
                    "second text",
                    "is missing: write one in “Where does it matter?”",
                )
            };
            let second = self.inputs.second.as_deref().ok_or_else(missing)?;
            let (texts, notes) =
                Texts::read(model, &second[..].into(), &self.inputs.text.as_str().into())?;
            worker.notes(&notes);
            let target = target().ok();
            check_texts(model, (&texts.clean, &texts.corrupt), target)?;
            let request = TowardRequest {
                clean: &texts.clean,
                corrupt: &texts.corrupt,
                target,
                positions: &[],
                rounds: self.form.rounds,
            };
            return smallest::toward(model, sae, &request, pass);
        }
        let goal = match self.form.aim {
            Aim::Reach => {
                let value = self.form.reach.trim().parse();
                let wrong =
                    |_| Error::setting("value", format!("“{}” is no number", self.form.reach));
                Goal::Value(target()?, value.map_err(wrong)?)
            }
            Aim::Wins | Aim::Toward => {
                Goal::Wins(model.codec().one_token(&self.form.wins, "token")?)
            }
        };
        let (tokens, notes) = core::tokens(model, &self.inputs.text.as_str().into())?;
        worker.notes(&notes);
        let request = EffectRequest {
            tokens: &tokens,
            goal,
            rounds: self.form.rounds,
            candidates: CANDIDATES,
        };
        smallest::effect(model, sae, &request, pass)
    }
}

/// Puts the first `steps` edits into the stack, each a multiple of a decoder row at one position, with the text that they are of.
fn steer(context: &mut Context<'_>, id: DictionaryId, steps: usize) {
    let state = &context.state;
    let Some(of) = state.catalogue.get(id) else {
        return;
    };
    let Some(found) = state.steering.causes.smallest.study.result(&id) else {
        return;
    };
    let edit = |step: &smallest::Step| EditDraft {
        amount: step.strength,
        positions: step.position.to_string(),
        ..EditDraft::of_feature(&of.name, step.feature)
    };
    let edits = found.result.steps.iter().take(steps).map(edit).collect();
    let text = Some(found.corrupt.clone());
    context.commands.send(steering::Command::Put(edits, text));
}
