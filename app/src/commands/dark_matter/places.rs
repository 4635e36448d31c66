//! Where the error is: reads the held-out text, computes errors by token.

use std::borrow::Cow;
use std::sync::Arc;

use umbra_core::corpus::{Mask, Positions};
use umbra_core::dark_matter::places::Places;
use umbra_core::dark_matter::{ErrorNorms, FitSpec, Probe};
use umbra_core::dims::Matrix;
use umbra_core::error::{Error, Result};
use umbra_core::ids::TokenId;
use umbra_core::models::{Model, token_tensor};
use umbra_core::progress::Ended;
use umbra_core::sae::Sae;
use umbra_core::workbench::dark_matter::PLACES;
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::text::TextRequest;

use super::fit::{self, Settings};
use super::study::{self, Work};
use crate::commands::context::Context;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::fit as of_fit;
use crate::state::dark_matter::places::{Errors, Event as Panel, Key, Passage, job};
use crate::state::dark_matter::study::Change;
use crate::state::prompt::Side;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::fit as asked;
use crate::state::requests::dark_matter::places::Command;
use crate::state::{AppState, Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Show(row) => context.apply(event(Panel::Shown(row))),
            Self::ReadHeldOut => read_held_out(context),
            Self::TakeApart(key) => take_apart(context, key),
            Self::Look(id) => study::look(context, id, change, |work| work.kept(PLACES)),
            Self::Compute(id) => locate(context, id),
        }
    }
}

/// Asks for the errors on the sentence in Prompt, once it is read and nobody types.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let prompt = &state.prompt;
    let Some(id) = state.selection.dictionary else {
        return;
    };
    let is_due = prompt.side == Side::Features
        && prompt.is_read()
        && prompt.pause_left().is_none()
        && state.project.open().is_some();
    let has_errors = |pair: &Pair| pair.sae.hook().is_ok();
    if !is_due || !state.pair(id).is_some_and(has_errors) {
        return;
    }
    let lab = &state.dark_matter;
    if lab.fit.of != Some(id) {
        commands.send(asked::Command::Look(id));
        return;
    }
    let Some(input) = prompt.input().filter(|_| !lab.fit.probe.is_loading()) else {
        return;
    };
    let key = Key {
        dictionary: id,
        passage: Passage::Sentence(input),
        fit: lab.fit.number(id),
    };
    let sentence = &lab.places.sentence;
    if sentence.of.as_ref() != Some(&key) && !sentence.errors.is_loading() {
        commands.send(Command::TakeApart(key));
    }
}

fn event(event: Panel) -> Event {
    Event::DarkMatter(Lab::Places(event))
}

fn change(change: Change<Places>) -> Event {
    event(Panel::Study(change))
}

/// Measures where the error is over the project's text, split by the probe; one is fitted first where there is none.
fn locate(context: &mut Context<'_>, id: DictionaryId) {
    let state = &context.state;
    let lab = &state.dark_matter.fit;
    let probe = lab.of(id).cloned();
    let spec = lab.form().spec().map(|spec| match &probe {
        // The probe splits what is measured, so both read the same positions and the same predictor.
        Some(probe) => FitSpec {
            predictor: probe.facts.predictor.clone(),
            skip: probe.facts.skip,
            ..spec
        },
        None => spec,
    });
    let spec = match spec {
        Ok(spec) => spec,
        Err(why) => return context.fail(why),
    };
    let settings = match Settings::new(state, spec) {
        Ok(settings) => settings,
        Err(why) => return context.fail(why.to_string()),
    };
    let Some(name) = state.catalogue.get(id).map(|of| job(&of.name)) else {
        return;
    };
    let wanted = Wanted::new(state, &name);
    study::compute(context, (id, job), change, move |worker, work| {
        located(worker, (id, work), (probe, &settings), &wanted)
    });
}

fn located(
    worker: &Worker,
    (id, work): (DictionaryId, &Work),
    (probe, settings): (Option<Arc<Probe>>, &Settings),
    wanted: &Wanted,
) -> Result<Option<Places>> {
    let sampled = fit::sampled(worker, work, &settings.spec)?;
    let probe = if let Some(probe) = probe {
        probe
    } else {
        let Some(probe) = fit::fitted(worker, work, (&sampled, settings), wanted)? else {
            return Ok(None);
        };
        let probe = Arc::new(probe);
        for load in [Load::Loading, Load::Ready(Arc::clone(&probe))] {
            let arrived = of_fit::Event::Probe(id, load);
            worker.send(Event::DarkMatter(Lab::Fit(arrived)));
        }
        probe
    };
    let at_once = (sampled.tokens_at_once(), true);
    let _computing = worker.place(wanted, &*work.pair.sae, at_once)?;
    let pass = &mut |at| worker.progress(at);
    let (by, other) = ((&*probe, &settings.spec), settings.other.as_deref());
    let Ended::Done(places) = sampled.places(&work.pair, other, by, pass)? else {
        return Ok(None);
    };
    sampled.keep_places(&work.project, &work.pair, by, &places)?;
    Ok(Some(places))
}

fn read_held_out(context: &mut Context<'_>) {
    let state = &context.state;
    let (Some(project), Some(model)) = (state.project.open(), state.model()) else {
        return;
    };
    let (project, model) = (Arc::clone(project), Arc::clone(&model.model));
    let event = |load| event(Panel::HeldOut(load));
    context.apply(event(Load::Loading));
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            let text = TextRequest::held_out_of(&project)?.read(&model, None)?;
            worker.notes(&text.said());
            worker.send(event(Load::Ready(Arc::new(text.rows))));
            Ok(())
        },
    );
}

fn take_apart(context: &mut Context<'_>, key: Key) {
    let Some(work) = Work::new(context.state, key.dictionary) else {
        return;
    };
    let lab = &context.state.dark_matter;
    let probe = lab
        .fit
        .of(key.dictionary)
        .filter(|_| key.fit.is_some())
        .cloned();
    let rows = lab.places.held_out.ready().cloned();
    let event = |key, load| event(Panel::Errors(key, load));
    context.apply(event(key.clone(), Load::Loading));
    let failed = key.clone();
    let wanted = Wanted::quiet(context.state, "Decompose the error");
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let (own, sae) = (&*work.pair.model, &*work.pair.sae);
            let mut model = Cow::Borrowed(own);
            let tokens = match &key.passage {
                Passage::Sentence(input) => {
                    model = input.reader(own)?;
                    input.tokens(own)?.0
                }
                Passage::HeldOut(row) => rows
                    .filter(|rows| *row < rows.len())
                    .map(|rows| rows.row(*row).to_vec())
                    .unwrap_or_default(),
            };
            let _computing = worker.place(&wanted, sae, (tokens.len(), true))?;
            let errors = errors((&model, sae), probe.as_deref(), &tokens)?;
            worker.send(event(key, Load::Ready(Arc::new(errors))));
            Ok(())
        },
    );
}

fn errors(
    (model, sae): (&Model, &Sae),
    probe: Option<&Probe>,
    tokens: &[TokenId],
) -> Result<Errors> {
    let codec = model.codec();
    let texts = tokens.iter().map(|token| codec.display(*token)).collect();
    let rule = probe.map_or(Positions::default(), |probe| probe.positions);
    let counts = Mask::new(codec, rule).counts(tokens);
    if tokens.is_empty() {
        let norms = vec![];
        return Ok(Errors {
            texts,
            counts,
            norms,
        });
    }
    let hook = sae.hook()?;
    let mut captured = model.capture(&token_tensor(&[tokens])?, &[hook])?;
    let value = captured.remove(&hook).ok_or_else(|| {
        Error::hook(
            hook,
            "the model has no such hook: open the model that the dictionary was trained on",
        )
    })?;
    let whole = Matrix::from_tensor(&value, model.width(hook)?)?;
    let x = sae.own_part(&whole)?;
    let norms = if let Some(probe) = probe {
        probe.split(sae.autoencoder()?, &x)?.norms
    } else {
        let reconstruction = sae.decode(&sae.encode(&x)?, &x)?;
        let rows = x.iter_rows().zip(reconstruction.iter_rows());
        rows.map(|(x, r)| without_probe(x, r)).collect()
    };
    Ok(Errors {
        texts,
        counts,
        norms,
    })
}

fn without_probe(x: &[f32], reconstruction: &[f32]) -> ErrorNorms {
    let norm = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt() as f32
    };
    let total = norm(&mut x.iter().zip(reconstruction).map(|(x, r)| x - r));
    ErrorNorms {
        activation: norm(&mut x.iter().copied()),
        total,
        linear: 0.0,
        nonlinear: total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_probe_all_error_is_nonlinear() {
        let norms = without_probe(&[3.0, 4.0], &[3.0, 1.0]);
        assert_eq!((norms.activation, norms.total), (5.0, 3.0));
        assert_eq!((norms.linear, norms.nonlinear), (0.0, 3.0));
    }
}
