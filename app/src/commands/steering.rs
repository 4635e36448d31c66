//! Steering lab: start a run, stop it.

use std::sync::Arc;

use umbra_core::dark_matter::Probe;
use umbra_core::error::{Error, Result};
use umbra_core::ids::{Head, HookPoint, Layer};
use umbra_core::models::Model;
use umbra_core::progress::{Flow, Progress};
use umbra_core::project::Project;
use umbra_core::sae::Sae;
use umbra_core::steer::{self, Edits, Materials};
use umbra_core::workbench::text::TextRequest;

use super::{Commands, Context, navigation};
use crate::state::log::{self, Notice};
use crate::state::steering::{Draft, EditDraft, Ended, Event as Lab, Request};
use crate::state::{AppState, Event, history};
use crate::views::ViewId;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The form was edited.
    Draft(Box<Draft>),
    /// Put an edit that silences this head on the stack and show it.
    Silence(Layer, Head),
    /// Stream baseline and steered text.
    Run(Request),
    /// Stop the run; what was written stays.
    Stop,
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Draft(draft) => edit(context, *draft),
            Self::Silence(layer, head) => silence(context, layer, head),
            Self::Run(request) => start(context, request),
            Self::Stop => {
                if let Some(run) = context.state.steering.running() {
                    let stop = super::shell::Command::StopJob(run.job);
                    context.commands.send(stop);
                }
            }
        }
    }
}

/// What the state calls for: nothing by itself.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}

/// A stack that nobody touched is that edit alone.
fn silence(context: &mut Context<'_>, layer: Layer, head: Head) {
    let mut draft = context.state.steering.draft.clone();
    if draft.edits == Draft::default().edits {
        draft.edits.clear();
    }
    draft.edits.push(EditDraft::of_head(layer, head));
    edit(context, draft);
    let go = navigation::Command::Go(ViewId::Steering);
    context.commands.send(go);
}

fn edit(context: &mut Context<'_>, after: Draft) {
    let before = context.state.steering.draft.clone();
    let what = before.change_to(&after);
    // Adding, removing and ordering edits is one change each time.
    let continues = before.edits.len() == after.edits.len() && !what.starts_with("order");
    let draft = Box::new(after.clone());
    context.apply(Event::Steering(Lab::Draft(draft)));
    let pair = history::Pair { before, after };
    context.apply(Event::History(history::Event::Did {
        what,
        change: history::Change::Edits(Box::new(pair)),
        continues,
    }));
}

/// What edits are made from: the dictionary chosen, and what the project keeps.
struct Stock {
    model: Arc<Model>,
    sae: Option<(String, Arc<Sae>)>,
    project: Option<Arc<Project>>,
    /// What means are over.
    said: Vec<String>,
}

impl Materials for Stock {
    fn dictionary(&mut self) -> Result<Arc<Sae>> {
        let missing = || {
            Error::setting(
                "dictionary",
                "an edit names a feature, open a dictionary first",
            )
        };
        let (_, sae) = self.sae.as_ref().ok_or_else(missing)?;
        Ok(Arc::clone(sae))
    }

    fn probe(&mut self) -> Result<Arc<Probe>> {
        let kept = match (&self.project, &self.sae) {
            (Some(project), Some((name, _))) => project.kept_probe(name),
            _ => None,
        };
        let missing = || {
            let what = "there is none for this dictionary, fit it in Dark matter";
            Error::setting("probe", what)
        };
        Ok(Arc::new(Probe::open(&kept.ok_or_else(missing)?)?))
    }

    fn mean(&mut self, hook: HookPoint) -> Result<Vec<f32>> {
        let missing = || {
            let what =
                "a mean activation is over the project's held-out text, and no project is open";
            Error::setting("mean", what)
        };
        let project = self.project.as_ref().ok_or_else(missing)?;
        let request = TextRequest::held_out_of(project)?;
        let (corpus, notes) = request.open()?;
        self.said.extend(notes.iter().map(str::to_owned));
        let mean = steer::mean_of_text(
            (&self.model, self.sae.as_ref().map(|(_, sae)| sae.as_ref())),
            (&corpus, &request.phrase()),
            None,
            hook,
            &mut |_| Flow::Continue(()),
        )?;
        let mean = mean.done().expect("nothing stops it");
        self.said.extend(mean.notes.iter().map(str::to_owned));
        self.said.push(mean.over);
        Ok(mean.values)
    }
}

fn start(context: &mut Context<'_>, request: Request) {
    let state = &context.state;
    let Some(model) = state.model() else {
        return context.fail("Open a model first");
    };
    let chosen = request.dictionary.and_then(|id| state.catalogue.get(id));
    let pair = chosen.and_then(|d| state.pair(d.id));
    let model = Arc::clone(pair.map_or(&model.model, |pair| &pair.model));
    let sae = chosen.zip(pair);
    let sae = sae.map(|(d, pair)| (d.name.clone(), Arc::clone(&pair.sae)));
    let mut stock = Stock {
        model: Arc::clone(&model),
        sae,
        project: state.project.open().cloned(),
        said: Vec::new(),
    };
    if let Some(earlier) = state.steering.running() {
        context.jobs.stop(earlier.job);
    }
    let asked = request.clone();
    let name = match asked.edits.as_slice() {
        [edit] => format!("Steer: {edit}"),
        edits => format!("Steer with {} edits", edits.len()),
    };
    let job = context.jobs.start_or(
        name,
        |why| Event::Steering(Lab::Failed(why)),
        move |worker| {
            let job = worker.id();
            let edits = asked
                .edits
                .iter()
                .map(|spec| spec.resolve(&model, &mut stock));
            let edits = Edits::new(&model, edits.collect::<Result<_>>()?)?;
            for said in &stock.said {
                worker.send(Event::Log(log::Event::Show(Notice::info(said))));
            }
            if let Some(note) = model.codec().bos_note(&asked.prompt)? {
                worker.line(note);
            }
            let total = 2 * asked.sampling.tokens;
            let mut done = 0;
            let mut observe = |event| {
                match event {
                    steer::Event::Shift(shift) => {
                        worker.send(Event::Steering(Lab::Shift(job, shift)));
                    }
                    steer::Event::Token(stream, _, text) => {
                        done += 1;
                        worker.send(Event::Steering(Lab::Token(job, stream, text)));
                    }
                    _ => {}
                }
                worker.progress(Progress::new(done, total, "tokens"))
            };
            let ended = steer::run(&model, edits, &asked.prompt, &asked.sampling, &mut observe)?;
            let stopped = ended.is_stopped();
            let outcome = ended.into_value();
            let ended = Ended::Done {
                kl: outcome.kl,
                generated: outcome.generated,
                texts: [outcome.baseline.text, outcome.steered.text],
                ends: [outcome.baseline.finish, outcome.steered.finish],
                stopped,
            };
            worker.send(Event::Steering(Lab::Ended(job, ended)));
            Ok(())
        },
    );
    context.apply(Event::Steering(Lab::Started(job, request)));
}
