//! Builds indexes of one model's dictionaries: rows → activations → latents → one tally per feature, then the files.

use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use super::checkpoint::{self, Keeper, Measured, Stage, State};
use super::losses::{self, Losses};
use super::sources::{self, Attribution};
use super::spans::{self, Span};
use super::spent::{self, Spent, timed};
use super::tallies::{Chunk, EXACT, Setup, Tallies};
use super::tally::Tally;
use super::text::Text;
use super::{About, Source, effects, file, pass, weights};
use crate::corpus::Rows;
use crate::error::{Error, Key, Result};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;
use crate::whole_file;

/// A dictionary, and the file of its index.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The dictionary.
    pub sae: ByToken<'a>,
    /// File to write.
    pub out: &'a Path,
}

/// Builds the index of `sae` over the positions of `rows` that count, into `out` (whole or not at all), and returns the time taken; see [`build_all`].
pub fn build<'a>(
    model: &Model,
    sae: impl Into<ByToken<'a>>,
    rows: &Rows,
    source: &Source,
    out: &Path,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Spent>> {
    let sae = sae.into();
    build_all(model, &[Job { sae, out }], rows, source, observe)
}

/// Builds the indexes of several dictionaries in one pass of the model over the positions of `rows` that count, each file whole or not at all, and returns the time
/// taken. Stopped by the observer or killed, it leaves a checkpoint beside the first file, from which the same call resumes to the same files.
pub fn build_all(
    model: &Model,
    jobs: &[Job<'_>],
    rows: &Rows,
    source: &Source,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Spent>> {
    build_keeping(model, jobs, (rows, source), |keeper| keeper, observe)
}

/// Builds indexes with a checkpoint that `prepare` may change.
pub(super) fn build_keeping(
    model: &Model,
    jobs: &[Job<'_>],
    (rows, source): (&Rows, &Source),
    prepare: impl FnOnce(Keeper) -> Keeper,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Spent>> {
    let range = source.range(rows)?;
    for (i, job) in jobs.iter().enumerate() {
        whole_file::check_regular(job.out)?;
        if jobs[..i].iter().any(|other| other.out == job.out) {
            let what = "two dictionaries would write this file: name a file for each";
            return Err(Error::input(what, job.out));
        }
    }
    let first = jobs
        .first()
        .ok_or_else(|| Error::setting(Key::Sae, "there is none to index, name one"))?;
    let abouts: Vec<About> = jobs
        .iter()
        .map(|job| about((model, job.sae), (rows, &range), source))
        .collect::<Result<_>>()?;
    let keeper = Keeper::new(first.out, checkpoint::identity(&abouts, (rows, &range)));
    let mut work = Work {
        model,
        jobs,
        rows,
        range,
        without_counts: source.without_counts,
        keeper: prepare(keeper),
        total: 0,
        done: 0,
        spent: Spent::default(),
        observe,
    };
    work.run(&abouts)
}

/// A build at work.
struct Work<'a, 'o> {
    model: &'a Model,
    jobs: &'a [Job<'a>],
    rows: &'a Rows,
    range: Range<usize>,
    without_counts: bool,
    keeper: Keeper,
    /// Rows to read in all stages, and rows read.
    total: usize,
    done: usize,
    spent: Spent,
    observe: &'o mut dyn FnMut(Progress) -> Flow,
}

impl Work<'_, '_> {
    fn run(&mut self, abouts: &[About]) -> Result<Ended<Spent>> {
        let setup = |job: &Job<'_>| Setup {
            features: job.sae.features(),
            signed: job.sae.selection.is_signed(),
            context: self.rows.context(),
            seed: abouts[0].seed,
            exact: job.sae.features() <= EXACT,
        };
        let setups: Vec<Setup> = self.jobs.iter().map(setup).collect();
        let is_of_these = |state: &State| {
            let there = state.tallies.iter().map(|tallies| &tallies.setup);
            there.eq(&setups)
        };
        let kept = self.keeper.read().filter(is_of_these);
        let mut state = kept.unwrap_or_else(|| State {
            stage: Stage::First,
            next: self.range.start,
            tallies: setups.iter().copied().map(Tallies::new).collect(),
            measured: setups.iter().map(|_| Measured::default()).collect(),
        });
        let second = setups.iter().any(|setup| !setup.exact);
        let again =
            |about: &About| usize::from(about.attribution) + usize::from(about.loss_effects);
        let passes = 1 + usize::from(second) + abouts.iter().map(again).sum::<usize>();
        // Every further stage reads at most all rows again.
        self.total = passes * self.range.len();
        self.spent.resumed_rows = match state.stage {
            Stage::First => state.next - self.range.start,
            _ => self.range.len(),
        };
        if state.stage == Stage::First {
            if self.pass(&mut state)?.is_break() {
                return Ok(Ended::STOPPED);
            }
            if second {
                let sketched = state.tallies.iter_mut();
                let sketched = sketched.filter(|tallies| tallies.needs_second_pass());
                sketched.for_each(Tallies::begin_second_pass);
                (state.stage, state.next) = (Stage::Second, self.range.start);
            } else {
                state.stage = Stage::Measuring;
            }
        } else {
            self.done += self.range.len();
        }
        if state.stage == Stage::Second {
            if self.pass(&mut state)?.is_break() {
                return Ok(Ended::STOPPED);
            }
            state.stage = Stage::Measuring;
        } else if second {
            self.done += self.range.len();
        }
        for (i, about) in abouts.iter().enumerate() {
            if self.measured((i, about), &mut state)?.is_break()
                || self.written((i, about), &state)?.is_break()
            {
                return Ok(Ended::STOPPED);
            }
        }
        self.keeper.remove();
        Ok(Ended::Done(self.spent))
    }

    /// Reports that `more` rows of the running stage are done, and writes a checkpoint where one is due; breaks where the observer stops, after a checkpoint.
    fn step(&mut self, more: usize, state: &State) -> Result<Flow> {
        let flow = (self.observe)(Progress::rows(self.done + more, self.total));
        if flow.is_break() || self.keeper.is_due() {
            let begun = Instant::now();
            self.keeper.write(state)?;
            spent::add(&mut self.spent.checkpoints, begun.elapsed());
        }
        Ok(flow)
    }

    /// Reads the rest of the rows for the first pass or the second, which takes the dictionaries that need one.
    fn pass(&mut self, state: &mut State) -> Result<Flow> {
        let is_second = state.stage == Stage::Second;
        let all = 0..self.jobs.len();
        let chosen: Vec<usize> = all
            .filter(|i| !is_second || state.tallies[*i].needs_second_pass())
            .collect();
        let saes: Vec<ByToken<'_>> = chosen.iter().map(|i| self.jobs[*i].sae).collect();
        let (rows, range) = (self.rows, self.range.clone());
        let pass = pass::Pass::new(self.model, &saes, (rows, range.clone()))?;
        let mut pass = pass.resumed_at(state.next);
        while !pass.is_done() {
            if self.step(state.next - range.start, state)?.is_break() {
                return Ok(Flow::Break(()));
            }
            let read = pass.read()?;
            let add = if is_second {
                Tallies::add_again
            } else {
                Tallies::add
            };
            timed(&mut self.spent.counting, || {
                for (i, latents) in chosen.iter().zip(&read.latents) {
                    let (places, tallies) = (read.places.as_slice(), &mut state.tallies[*i]);
                    let chunk = Chunk {
                        rows,
                        places,
                        latents,
                    };
                    add(tallies, &chunk);
                }
            });
            state.next = pass.next();
        }
        spent::add(&mut self.spent.model, pass.took().model);
        spent::add(&mut self.spent.dictionaries, pass.took().dictionary);
        self.done += range.len();
        Ok(Flow::Continue(()))
    }

    /// Measures what was asked for at the strongest examples of a dictionary.
    fn measured(&mut self, (i, about): (usize, &About), state: &mut State) -> Result<Flow> {
        let subject = (self.model, self.jobs[i].sae);
        let (rows, of) = (self.rows, self.range.len());
        if about.attribution {
            let work = Attribution::new(subject, rows, &state.tallies[i].features)?;
            let of_rows = work.as_ref().map_or(0, Attribution::len).max(1);
            loop {
                let done = state.measured[i].sources.done;
                if self.step(done * of / of_rows, state)?.is_break() {
                    return Ok(Flow::Break(()));
                }
                let found = &mut state.measured[i].sources;
                let more = timed(&mut self.spent.attribution, || match &work {
                    Some(work) => work.advance(found),
                    None => Ok(false),
                })?;
                if !more {
                    break;
                }
            }
            self.done += of;
        }
        if about.loss_effects {
            let examples = state.tallies[i].features.iter();
            let examples: Vec<Vec<losses::Place>> = examples.map(strongest).collect();
            let work = Losses::new(subject, rows, &examples)?;
            loop {
                let done = state.measured[i].losses.done;
                if self.step(done * of / work.len().max(1), state)?.is_break() {
                    return Ok(Flow::Break(()));
                }
                let found = &mut state.measured[i].losses;
                if !timed(&mut self.spent.losses, || work.advance(found))? {
                    break;
                }
            }
            self.done += of;
        }
        Ok(Flow::Continue(()))
    }

    /// Computes what weights alone decide and writes the file of a dictionary.
    fn written(&mut self, (i, about): (usize, &About), state: &State) -> Result<Flow> {
        let (model, job) = (self.model, &self.jobs[i]);
        let at = Progress::rows(self.done, self.total);
        let observe = &mut self.observe;
        let mut step = || observe(at);
        let spent = &mut self.spent.weights;
        let ended = timed(spent, || effects::of(model, job.sae, &mut step))?;
        let Ended::Done(effects) = ended else {
            return self.stopped(state);
        };
        let spent = &mut self.spent.weights;
        let ended = timed(spent, || weights::of(&job.sae, &mut step))?;
        let Ended::Done(weights) = ended else {
            return self.stopped(state);
        };
        let tallies = &state.tallies[i];
        let text = Text::new(model.codec(), self.rows, (tallies, &effects));
        let content = file::Content {
            about,
            text: &text,
            tallies,
            effects: &effects,
            weights: &weights,
            sources: &state.measured[i].sources.features,
            losses: &state.measured[i].losses.effects,
            without_counts: self.without_counts,
        };
        let writing = &mut self.spent.writing;
        let ended = timed(writing, || file::write(job.out, &content, &mut step))?;
        if ended.is_stopped() {
            return self.stopped(state);
        }
        Ok(Flow::Continue(()))
    }

    /// Writes the checkpoint of a build that the observer stopped.
    fn stopped(&mut self, state: &State) -> Result<Flow> {
        self.keeper.write(state)?;
        Ok(Flow::Break(()))
    }
}

/// Returns places and activations of a feature's strongest examples, in their order.
fn strongest(tally: &Tally) -> Vec<losses::Place> {
    let each = tally.top.iter();
    each.map(|moment| (moment.row, moment.position, moment.act))
        .collect()
}

impl Source {
    /// Returns the rows that are read; an error if there are no such rows.
    pub fn range(&self, rows: &Rows) -> Result<Range<usize>> {
        let Some(range) = self.rows.clone() else {
            return Ok(0..rows.len());
        };
        if range.start < range.end && range.end <= rows.len() {
            return Ok(range);
        }
        let what = format!(
            "{}..{} are no rows of this text, which has {} of {} tokens: give A..B with A below B and B at most {}",
            range.start,
            range.end,
            rows.len(),
            rows.context(),
            rows.len()
        );
        Err(Error::setting("rows", what))
    }
}

fn about(
    (model, sae): (&Model, ByToken<'_>),
    (rows, range): (&Rows, &Range<usize>),
    source: &Source,
) -> Result<About> {
    let hook: HookPoint = pass::hook_of(model, sae)?;
    let facts = sae.provenance.other.iter();
    let span = Span {
        corpus: source.corpus.clone(),
        fingerprint: source.fingerprint.clone(),
        from: range.start,
        to: range.end,
        of: rows.len(),
        base: 0,
    };
    let counted = pass::counted(rows, range);
    Ok(About {
        sae: sae.name.clone(),
        model: model.name().to_owned(),
        hook: hook.to_string(),
        writes: writes(sae, hook)?,
        corpus: spans::said(std::slice::from_ref(&span)),
        corpus_fingerprint: source.fingerprint.clone(),
        spans: vec![span],
        tokens: counted as u64,
        seed: source.seed,
        version: crate::VERSION.to_owned(),
        form: file::VERSION,
        unembed: model.unembed(),
        features: sae.features(),
        context: rows.context(),
        positions: rows.mask().rule,
        separate_documents: rows.separates_documents(),
        left_out: Some((range.len() * rows.context() - counted) as u64),
        attribution: source.attribution && sources::layer_of(model, sae).is_some(),
        loss_effects: source.loss_effects,
        sae_fingerprint: sae.fingerprint(),
        model_fingerprint: model.fingerprint().to_owned(),
        facts: facts
            .filter(|(_, value)| !value.is_object() && !value.is_array() && !value.is_null())
            .map(|(key, value)| {
                let text = value.as_str().map(str::to_owned);
                (key.clone(), text.unwrap_or_else(|| value.to_string()))
            })
            .collect(),
    })
}

/// Returns the hooks that the dictionary writes; nothing where that is the hook that it reads.
fn writes(sae: ByToken<'_>, reads: HookPoint) -> Result<Vec<String>> {
    let outputs = sae.outputs()?;
    if let [alone] = outputs.as_slice()
        && alone.hook == reads
    {
        return Ok(Vec::new());
    }
    Ok(outputs
        .iter()
        .map(|output| output.hook.to_string())
        .collect())
}
