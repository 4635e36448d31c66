//! Features and parts as causes: computed by a job, kept with the project, carried into the stack of edits.

use std::sync::Arc;

use umbra_core::causes::{Causes, Target, causes};
use umbra_core::error::Result;
use umbra_core::ids::TokenId;
use umbra_core::models::Model;
use umbra_core::progress::Ended;
use umbra_core::project::Project;
use umbra_core::prompt::{self, Input};
use umbra_core::sae::Sae;
use umbra_core::workbench::patching::{self as core, Asked, Study};

use crate::commands::context::Context;
use crate::jobs::Worker;
use crate::state::dark_matter::study::Change;
use crate::state::requests::steering;
use crate::state::requests::steering::causes::attributed::{Command, Inputs};
use crate::state::steering::EditDraft;
use crate::state::steering::causes::attributed::{Event as Panel, JOB, POINTS};
use crate::state::steering::causes::question::Question;
use crate::state::steering::causes::{Event as Tab, Form};
use crate::state::{Event, Load};

/// Next tokens that are listed.
const NEXT: usize = 8;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look => look(context),
            Self::Every(every) => context.apply(event(Panel::Every(every))),
            Self::Integrate(integrated) => context.apply(event(Panel::Integrated(integrated))),
            Self::Find(inputs) => find(context, inputs),
            Self::Next(text) => next(context, text),
            Self::Choose(rows) => context.apply(event(Panel::Chosen(rows))),
            Self::Ablate(rows) => ablate(context, &rows),
            Self::Explain(tokens, token) => explain(context, &tokens, token),
        }
    }
}

fn event(of: Panel) -> Event {
    tab(Tab::Attributed(of))
}

fn tab(of: Tab) -> Event {
    Event::Steering(crate::state::steering::Event::Causes(of))
}

/// Looks for the result of the open model that is kept with the project.
fn look(context: &mut Context<'_>) {
    let (Some(loaded), Some(project)) = (context.state.model(), context.state.project.open())
    else {
        return;
    };
    let (model, project) = (Arc::clone(&loaded.model), Arc::clone(project));
    let of = model.fingerprint().to_owned();
    context.apply(event(Panel::Study(Change::Kept(of.clone(), Load::Loading))));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(Panel::Study(Change::Kept(failed, Load::Failed(why)))),
        move |worker| {
            let kept: Option<Asked<Causes>> = core::kept(&project, Study::Causes, &model)?;
            if let Some(kept) = &kept {
                worker.send(tab(Tab::Kept(Form {
                    text: Some(kept.corrupt.clone()),
                    target: kept.result.target.written(model.codec()),
                })));
            }
            let load = kept.map_or(Load::Absent, |kept| Load::Ready(Arc::new(kept)));
            worker.send(event(Panel::Study(Change::Kept(of, load))));
            Ok(())
        },
    );
}

/// Inputs of a job.
struct Work {
    model: Arc<Model>,
    sae: Option<Arc<Sae>>,
    project: Option<Arc<Project>>,
    inputs: Inputs,
    integrated: bool,
}

impl Work {
    fn run(&self, worker: &Worker) -> Result<Ended<Causes>> {
        let target = Target::parse(&self.inputs.target, self.model.codec())?;
        let (tokens, notes) = core::tokens(&self.model, &self.inputs.text.as_str().into())?;
        worker.notes(&notes);
        let sae = self.sae.as_deref().map(Sae::by_token).transpose()?;
        let points = self.integrated.then_some(POINTS);
        causes(&self.model, sae, (&tokens, target), points, &mut |at| {
            worker.progress(at)
        })
    }
}

fn find(context: &mut Context<'_>, inputs: Inputs) {
    let state = &context.state;
    let Some(loaded) = state.model() else {
        return;
    };
    let pair = inputs.dictionary.and_then(|id| state.pair(id));
    let model = pair.map_or(&loaded.model, |pair| &pair.model);
    let work = Work {
        model: Arc::clone(model),
        sae: pair.map(|pair| Arc::clone(&pair.sae)),
        project: state.project.open().cloned(),
        integrated: state.steering.causes.attributed.integrated,
        inputs,
    };
    let of = loaded.model.fingerprint().to_owned();
    context.apply(event(Panel::Study(Change::Began(of.clone()))));
    let failed = of.clone();
    context.jobs.start_or(
        JOB,
        move |why| event(Panel::Study(Change::Failed(failed, why))),
        move |worker| {
            let Some(result) = work.run(worker)?.done() else {
                worker.send(event(Panel::Study(Change::Ended(of, None))));
                return Ok(());
            };
            let asked = Asked {
                clean: None,
                corrupt: work.inputs.text.clone(),
                result,
            };
            if let Some(project) = &work.project {
                let saes: Vec<&Sae> = work.sae.as_deref().into_iter().collect();
                core::keep(project, Study::Causes, (&work.model, &saes), &asked)?;
            }
            let ended = Change::Ended(of, Some(Arc::new(asked)));
            worker.send(event(Panel::Study(ended)));
            Ok(())
        },
    );
}

/// Computes the next tokens of a text.
fn next(context: &mut Context<'_>, text: String) {
    let Some(loaded) = context.state.model() else {
        return;
    };
    let model = Arc::clone(&loaded.model);
    let of = (text, model.fingerprint().to_owned());
    context.apply(event(Panel::Next(of.clone(), Load::Loading)));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(Panel::Next(failed, Load::Failed(why))),
        move |worker| {
            let input = Input::Text(of.0.clone());
            let mut reading = prompt::read_without(&model, &input, NEXT)?;
            let next = reading.next.pop().unwrap_or_default();
            worker.send(event(Panel::Next(of, Load::Ready(Arc::new(next)))));
            Ok(())
        },
    );
}

/// Puts an edit for each chosen row into the stack, with the text that the result is of.
fn ablate(context: &mut Context<'_>, rows: &[u64]) {
    let state = &context.state;
    let Some(loaded) = state.model() else {
        return;
    };
    let of = loaded.model.fingerprint().to_owned();
    let Some(found) = state.steering.causes.attributed.study.result(&of) else {
        return;
    };
    let Some(features) = &found.result.features else {
        return;
    };
    let of_rank = |row: &u64| features.features.get(usize::try_from(*row).ok()?);
    let edit = |one: &umbra_core::causes::FeatureCause| EditDraft {
        amount: 0.0,
        positions: one.position.to_string(),
        dictionary: Some(features.dictionary.clone()),
        feature: Some(one.feature),
        ..EditDraft::new("set-feature")
    };
    let edits: Vec<EditDraft> = rows.iter().filter_map(of_rank).map(edit).collect();
    if edits.is_empty() {
        return;
    }
    let text = Some(found.corrupt.clone());
    context.commands.send(steering::Command::Put(edits, text));
}

/// Shows the tab on the text of tokens, BOS aside, with the logit of a token as target.
fn explain(context: &mut Context<'_>, tokens: &[TokenId], token: TokenId) {
    let state = &context.state;
    let Some(loaded) = state.model() else {
        return;
    };
    let codec = loaded.model.codec();
    let begun = usize::from(tokens.first().copied() == codec.bos().id);
    let (text, _) = codec.decode_with_spans(&tokens[begun..]);
    let form = Form {
        text: Some(text).filter(|text| *text != state.prompt.text),
        target: Target::Logit(token).written(codec),
    };
    context.apply(tab(Tab::Form(form)));
    context
        .commands
        .send(steering::Command::Causes(steering::causes::Command::Ask(
            Question::Features,
        )));
}
