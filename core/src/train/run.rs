//! Training runs: they fill the buffer, take steps, send events, write checkpoints and return the dictionary.

mod saved;

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::buffer::{Buffer, Source};
use super::checkpoint::{self, Keeping};
use super::event::{Event, Outcome};
use super::metrics::Metrics;
use super::micro;
use super::needs;
use super::preflight::{check_positions, streams};
use super::prepared::{Preparation, Prepared};
use super::schedule::Schedule;
use super::spec::Spec;
use super::step::{Batch, Trainer};
use super::stream::{Origin, Shared, Stream};
use crate::capture;
use crate::corpus::Rows;
use crate::device::{Compute, Gpu, Placement, free_memory};
use crate::error::{Error, Key, Result};
use crate::formats::{self, Precision};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::sae::state::{Keep, Within};
use crate::sae::{Provenance, Variant};
use crate::store::Store;
use crate::{Ended, Flow};

/// Snapshots in a run.
const SNAPSHOTS: u64 = 20;
/// Reports of how often features fire in a run.
const FIRINGS: u64 = 100;
/// Looks at the rule for later use in a run, where it is not the rule of training.
const LOOKS: u64 = 50;
/// Activations that the start is measured on.
const SAMPLE: usize = 8_192;
/// The first of the random streams that resampling draws from.
const RESAMPLING: u64 = 1 << 32;

/// Trains one dictionary on `rows`, streamed through `model` with a bounded shuffle buffer; `keeping` says which checkpoints are written and whether the run
/// resumes from one. Steps are computed on the CPU; [`run_several`] takes another device.
pub fn run(
    spec: &Spec,
    model: &Model,
    rows: &Rows,
    keeping: &Keeping,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Outcome, Outcome>> {
    let one = [(spec.clone(), keeping.clone())];
    let mut outcomes = run_several(&one, model, rows, &Compute::Cpu, &mut |_, event| {
        observe(event)
    })?;
    outcomes.remove(0)
}

/// Trains one dictionary on the activations of `store`, without their model, on the CPU; the provenance of the store goes into the dictionary's metadata.
pub fn run_from_store(
    spec: &Spec,
    store: &Store,
    keeping: &Keeping,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Outcome, Outcome>> {
    let one = [(spec.clone(), keeping.clone())];
    let mut outcomes =
        run_several_from_store(&one, store, &Compute::Cpu, &mut |_, event| observe(event))?;
    outcomes.remove(0)
}

/// Trains several dictionaries (hooks, variants, widths) step by step in turn, each activation of which is computed once for all of them. Each becomes what
/// it would alone, bit for bit: that takes one seed, batch, buffer, rule of positions and number of activations, which are refused otherwise. `observe` hears which run an
/// event is of. A run that fails ends alone. Steps are computed on `compute`; where that fails, a run goes on on the CPU and says so.
pub fn run_several(
    runs: &[(Spec, Keeping)],
    model: &Model,
    rows: &Rows,
    compute: &Compute,
    observe: &mut dyn FnMut(usize, Event) -> Flow,
) -> Result<Vec<Result<Ended<Outcome, Outcome>>>> {
    let mut provenance = Provenance {
        model: model.name().to_owned(),
        prepend_bos: Some(model.codec().bos().id.is_some()),
        context: Some(rows.context()),
        ..Provenance::default()
    };
    formats::name_processing(&mut provenance, model.processing());
    let mut rows = rows.clone();
    if let Some((spec, _)) = runs.first() {
        rows = rows.by(spec.positions);
        rows = rows.with_separate_documents(spec.separate_documents);
    }
    let model = &*capture::reader(model, &rows)?;
    formats::name_positions(&mut provenance, rows.mask());
    formats::name_documents(&mut provenance, rows.separates_documents());
    let from = Origin::Model(model, &rows);
    run_on(runs, from, &provenance, compute, observe)
}

/// Trains several dictionaries on the activations of a store, step by step in turn, as [`run_several`] does.
pub fn run_several_from_store(
    runs: &[(Spec, Keeping)],
    store: &Store,
    compute: &Compute,
    observe: &mut dyn FnMut(usize, Event) -> Flow,
) -> Result<Vec<Result<Ended<Outcome, Outcome>>>> {
    let about = store.about();
    check_positions(runs, store)?;
    let mut provenance = Provenance {
        model: about.model.clone(),
        prepend_bos: Some(about.prepend_bos),
        context: Some(about.context),
        ..Provenance::default()
    };
    formats::name_processing(&mut provenance, about.processing);
    formats::name_positions(&mut provenance, &about.mask);
    formats::name_documents(&mut provenance, about.separates_documents());
    run_on(runs, Origin::Store(store), &provenance, compute, observe)
}

/// Trains one dictionary on any source of activations, without checkpoints.
#[cfg(feature = "reproduce")]
pub(crate) fn run_from(
    spec: &Spec,
    source: &mut dyn Source,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Outcome, Outcome>> {
    spec.validate()?;
    let provenance = Provenance {
        hook: Some(spec.hook),
        ..Provenance::default()
    };
    Run::new(spec, usize::MAX, source.width(), provenance).finish(source, observe)
}

fn run_on(
    runs: &[(Spec, Keeping)],
    from: Origin<'_>,
    provenance: &Provenance,
    compute: &Compute,
    observe: &mut dyn FnMut(usize, Event) -> Flow,
) -> Result<Vec<Result<Ended<Outcome, Outcome>>>> {
    let streams = streams(runs, from)?;
    let wants: Vec<_> = streams.iter().map(Stream::wants).collect();
    let buffer = runs.iter().map(|(spec, _)| spec.buffer.max(2 * spec.batch));
    let shared = Shared::new(from, &wants, buffer.max().unwrap_or_default());
    let shared = (runs.len() > 1).then_some(&shared);
    // A parent without room on the device computes on the CPU.
    let parents: Vec<Option<Placement>> = (runs.iter())
        .map(|(spec, _)| spec.on.as_ref()?.parent().place(compute).ok())
        .collect();
    let mut going: Vec<Going<'_>> = runs
        .iter()
        .zip(streams)
        .map(|((spec, keeping), stream)| {
            let mut going = Going::new(spec, keeping, stream.together(shared), provenance);
            going.run = going.run.map(|run| run.on(compute));
            going
        })
        .collect();
    for (i, going) in going.iter_mut().enumerate() {
        going.announce(&mut |event| observe(i, event));
    }
    while going.iter().any(|going| going.outcome.is_none()) {
        for i in 0..going.len() {
            if going[i].outcome.is_none() {
                going[i].advance(&mut |event| observe(i, event));
                tell_failure(&going, i, observe);
            }
        }
    }
    for (i, placement) in parents.iter().enumerate() {
        if let Some(fault) = placement.as_ref().and_then(Placement::fault) {
            observe(i, Event::Fault(fault)).continue_value();
        }
    }
    Ok((going.into_iter())
        .filter_map(|going| going.outcome)
        .collect())
}

/// Says at once that run `i` failed, where the error would come only with the end of the others.
fn tell_failure(going: &[Going<'_>], i: usize, observe: &mut dyn FnMut(usize, Event) -> Flow) {
    let others = going.iter().any(|going| going.outcome.is_none());
    if let (Some(Err(error)), true) = (&going[i].outcome, others) {
        // Whether to stop is asked of the others with their next event.
        observe(i, Event::Failed(error.to_string())).continue_value();
    }
}

/// One of the runs that take turns.
struct Going<'a> {
    run: Option<Run<'a>>,
    stream: Stream<'a>,
    trainer: Option<Trainer>,
    outcome: Option<Result<Ended<Outcome, Outcome>>>,
}

impl<'a> Going<'a> {
    fn new(spec: &'a Spec, keeping: &Keeping, stream: Stream<'a>, provenance: &Provenance) -> Self {
        let mut provenance = provenance.clone();
        provenance.hook = Some(spec.hook);
        let run = Run::new(spec, stream.activations(), stream.width(), provenance);
        Self {
            run: Some(run.keeping(keeping.clone())),
            stream,
            trainer: None,
            outcome: None,
        }
    }

    /// Says what is read.
    fn announce(&mut self, observe: &mut dyn FnMut(Event) -> Flow) {
        if let Some(run) = &mut self.run {
            let held = self.stream.activations();
            let note = reads(run.spec.tokens, held, run.spec.hook);
            run.ask(observe, Event::Note(note));
        }
    }

    /// Begins the run, takes one step, or ends the run.
    fn advance(&mut self, observe: &mut dyn FnMut(Event) -> Flow) {
        let Some(run) = &mut self.run else { return };
        let more = match &mut self.trainer {
            None => run.begin(&mut self.stream, observe).map(|trainer| {
                self.trainer = Some(trainer);
                true
            }),
            Some(trainer) => run.advance(trainer, &mut self.stream, observe),
        };
        match more {
            Ok(true) => {}
            Ok(false) => {
                let ended = self.run.take().zip(self.trainer.take());
                self.outcome = ended.map(|(run, trainer)| run.end(trainer, observe));
            }
            Err(error) => {
                (self.run, self.trainer) = (None, None);
                self.outcome = Some(Err(error));
            }
        }
    }
}

/// A run on any source of activations.
pub(super) struct Run<'a> {
    spec: &'a Spec,
    provenance: Provenance,
    buffer: Buffer,
    preparation: Preparation,
    metrics: Metrics,
    schedule: Schedule,
    keeping: Keeping,
    compute: Compute,
    /// Step of the checkpoint that there is, and when it was written; before there is one, when the run began.
    kept: (Option<u64>, Instant),
    /// Whether the last checkpoint could not be written.
    unkept: bool,
    flow: Flow,
}

impl<'a> Run<'a> {
    /// `held`: activations of one reading of the source, so that a short text is not held twice.
    pub(super) fn new(spec: &'a Spec, held: usize, d: usize, provenance: Provenance) -> Self {
        let steps = spec.steps();
        let capacity = needs::capacity(spec, held);
        let peak = spec.peak_learning_rate();
        Self {
            spec,
            provenance,
            buffer: Buffer::new(capacity, d, (spec.seed, spec.buffer_dtype)),
            preparation: Preparation {
                outliers: spec.outliers,
                norm: spec.normalise.by_token(),
                left_out: 0,
                came: 0,
            },
            metrics: Metrics::new(steps),
            schedule: Schedule::new(peak, steps, spec.warmup, spec.decay),
            keeping: Keeping::default(),
            compute: Compute::Cpu,
            kept: (None, Instant::now()),
            unkept: false,
            flow: Flow::Continue(()),
        }
    }

    /// Adds checkpoints.
    pub(super) fn keeping(mut self, keeping: Keeping) -> Self {
        self.keeping = keeping;
        self
    }

    /// Has its steps computed on `compute`.
    pub(super) fn on(mut self, compute: &Compute) -> Self {
        self.compute = compute.clone();
        self
    }

    /// Takes all steps, or those before the observer stops the run.
    #[cfg(any(test, feature = "reproduce"))]
    pub(super) fn finish(
        mut self,
        source: &mut dyn Source,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Ended<Outcome, Outcome>> {
        let mut trainer = self.begin(source, observe)?;
        while self.advance(&mut trainer, source, observe)? {}
        self.end(trainer, observe)
    }

    /// Takes one step; returns whether there was one to take.
    fn advance(
        &mut self,
        trainer: &mut Trainer,
        source: &mut dyn Source,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<bool> {
        let (step, steps) = (self.metrics.now().step, self.metrics.steps());
        if step >= steps || self.flow.is_break() {
            return Ok(false);
        }
        let snapshot_every = steps.div_ceil(SNAPSHOTS).max(1);
        let look_every = steps.div_ceil(LOOKS).max(1);
        let firing_every = steps.div_ceil(FIRINGS).max(1);
        let left = self.spec.tokens - trainer.tokens_seen();
        self.refill(left, source, observe)?;
        if self.flow.is_break() {
            return Ok(false);
        }
        let n = usize::try_from(left).map_or(self.spec.batch, |left| left.min(self.spec.batch));
        let (from, rows) = self.buffer.draw(n);
        let rate = self.schedule.rate(step, self.spec.resampled(step));
        let batch = Batch { from, rows: &rows };
        trainer.measure(step % look_every == 0 || step + 1 == steps);
        let report = trainer
            .step(batch, rate)
            .map_err(|error| self.left(error))?;
        let progress = self.metrics.count(&report, rate);
        self.metrics.check().map_err(|error| self.left(error))?;
        if let Some(note) = report.note {
            self.ask(observe, Event::Note(note));
        }
        self.tell_fault(trainer, observe);
        self.ask(observe, Event::Progress(progress));
        let done = step + 1;
        if done < steps && self.spec.resampled(done).is_some_and(|last| last == done) {
            self.resample(trainer, done, observe)?;
        }
        if self.is_due(done) && done < steps {
            self.keep(trainer, observe)?;
        }
        if done % firing_every == 0 && done < steps {
            let firing = Arc::new(trainer.dead.firing());
            self.ask(observe, Event::Firing(firing));
        }
        if done % snapshot_every == 0 && done < steps {
            self.pull(trainer, observe)?;
            let sae = self.sae(trainer, progress);
            self.ask(observe, Event::Snapshot(Arc::new(sae)));
        }
        Ok(true)
    }

    /// Brings the dictionary from the device, and says so if that failed.
    fn pull(
        &mut self,
        trainer: &mut Trainer,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<()> {
        trainer.pull()?;
        self.tell_fault(trainer, observe);
        Ok(())
    }

    fn tell_fault(&mut self, trainer: &mut Trainer, observe: &mut dyn FnMut(Event) -> Flow) {
        if let Some(fault) = trainer.take_fault() {
            self.ask(observe, Event::Fault(fault));
        }
    }

    /// Starts dead features anew from what the buffer holds, after `done` steps.
    fn resample(
        &mut self,
        trainer: &mut Trainer,
        done: u64,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<()> {
        let (from, rows) = self.buffer.waiting();
        // Streams of the same seed below are the start's and the buffer's; steps differ, so does what is drawn.
        let seed = (self.spec.seed, RESAMPLING + done);
        let candidates = Batch {
            from: &from,
            rows: &rows,
        };
        let resampled = trainer.resample(candidates, self.spec.batch, seed)?;
        self.tell_fault(trainer, observe);
        if resampled.dead > 0 {
            let note = format!(
                "After step {done}, {} of {} dead features started anew from badly reconstructed inputs",
                resampled.anew, resampled.dead
            );
            self.ask(observe, Event::Note(note));
        }
        Ok(())
    }

    /// Creates a trainer at its start, or as a checkpoint has it.
    fn begin(
        &mut self,
        source: &mut dyn Source,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Trainer> {
        if (self.spec.variant == Variant::Gradient) != source.paired() {
            let what = format!(
                "gradient needs the gradient of the model's loss, which this source of activations lacks: train from the model, or on a store captured with {}",
                Key::Gradients
            );
            return Err(Error::setting("variant", what));
        }
        if self.spec.transcodes != source.target().is_some() {
            let what = "a transcoder needs the activations of two hooks, which this source lacks: train from the model, or on a store that holds both";
            return Err(Error::setting("variant", what));
        }
        if let Some(place) = self.keeping.place().filter(|_| self.keeping.resume) {
            let mut trainer = Trainer::blank(self.spec, source.width(), source.target())?;
            let provenance = self.provenance.clone();
            let of = (self.spec, &provenance);
            let step = checkpoint::read(&place, of, &mut |keep| self.state(&mut trainer, keep))?;
            for _ in 0..self.buffer.pieces() {
                source.skip();
            }
            let note = format!("Going on after step {step} of {}", self.metrics.steps());
            self.kept.0 = Some(step);
            self.ask(observe, Event::Note(note));
            trainer.move_to(&self.compute)?;
            return Ok(trainer);
        }
        self.refill(self.spec.tokens, source, observe)?;
        let sample = self.buffer.sample(SAMPLE);
        let mut trainer = Trainer::begin(self.spec, &sample, source.target())?;
        let bound = self.compute.gpu().map(Gpu::binding_limit);
        let (micro_batch, note) = micro::choose(self.spec, free_memory(), bound);
        trainer.micro_batch = micro_batch;
        if let Some(note) = note {
            self.ask(observe, Event::Note(note));
        }
        trainer.move_to(&self.compute)?;
        Ok(trainer)
    }

    /// Returns the outcome. A stopped run writes a checkpoint; if that fails, the dictionary is still returned. A finished run keeps its last checkpoint until the
    /// dictionary is saved ([`Keeping::discard`]).
    fn end(
        mut self,
        mut trainer: Trainer,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Ended<Outcome, Outcome>> {
        self.pull(&mut trainer, observe)?;
        let stopped = trainer.tokens_seen() < self.spec.tokens;
        let mut kept = None;
        if let Some(place) = self.keeping.place() {
            if stopped && trainer.tokens_seen() > 0 {
                self.keep(&mut trainer, observe)?;
            }
            kept = self.kept.0.map(|_step| place);
        }
        if let Some(note) = self.preparation.note() {
            self.ask(observe, Event::Note(note));
        }
        let firing = Arc::new(trainer.dead.firing());
        self.ask(observe, Event::Firing(firing));
        let last = self.metrics.last();
        let outcome = Outcome {
            sae: self.sae(&trainer, last),
            tokens_seen: trainer.tokens_seen(),
            checkpoint: kept,
            last,
        };
        Ok(Ended::new(outcome, stopped))
    }

    /// Writes a checkpoint. A run outlives one that cannot be written, with the one before and a note.
    fn keep(
        &mut self,
        trainer: &mut Trainer,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<()> {
        self.pull(trainer, observe)?;
        let written = self.write(trainer);
        if let (Err(error), false) = (&written, self.unkept) {
            let note = format!(
                "The checkpoint of step {} is not written, the run goes on: {error}",
                self.metrics.now().step
            );
            self.ask(observe, Event::Note(note));
        }
        self.unkept = written.is_err();
        self.kept.1 = Instant::now();
        Ok(())
    }

    fn write(&mut self, trainer: &mut Trainer) -> Result<()> {
        let Some(place) = self.keeping.place() else {
            return Ok(());
        };
        let (provenance, step) = (self.provenance.clone(), self.metrics.now().step);
        let of = (self.spec, &provenance);
        checkpoint::write(&place, of, step, &mut |keep| self.state(trainer, keep))?;
        self.kept = (Some(step), Instant::now());
        // As a dictionary beside it, to be looked at while the run goes on.
        let mut sae = self.sae(trainer, self.metrics.last());
        let other = &mut sae.provenance.other;
        other.insert(formats::AT_STEP.to_owned(), json!(step));
        other.insert("training_steps".to_owned(), json!(self.metrics.steps()));
        formats::save(&sae, &place, Precision::F32)
    }

    /// Whether a checkpoint is to be written after step `done`.
    fn is_due(&self, done: u64) -> bool {
        let Keeping {
            every, interval, ..
        } = self.keeping;
        every.is_some_and(|n| done.is_multiple_of(n.max(1)))
            || interval.is_some_and(|interval| self.kept.1.elapsed() >= interval)
    }

    fn state(&mut self, trainer: &mut Trainer, keep: &mut dyn Keep) -> Result<()> {
        trainer.state(&mut Within::new("trainer", keep))?;
        self.buffer.state(&mut Within::new("buffer", keep))?;
        keep.number("left_out", &mut self.preparation.left_out)?;
        keep.number("came", &mut self.preparation.came)?;
        self.metrics.state(&mut Within::new("metrics", keep))
    }

    /// A broken step's error, with the checkpoint that is left to go on from.
    fn left(&self, error: Error) -> Error {
        match (error, self.kept.0) {
            (Error::Numeric { what }, Some(last)) => Error::Numeric {
                what: format!(
                    "{what}; the checkpoint of step {last} is kept, so the run can be resumed"
                ),
            },
            (error, _) => error,
        }
    }

    fn ask(&mut self, observe: &mut dyn FnMut(Event) -> Flow, event: Event) {
        if observe(event).is_break() {
            self.flow = Flow::Break(());
        }
    }

    fn refill(
        &mut self,
        left: u64,
        source: &mut dyn Source,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<()> {
        let now = self.metrics.now();
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        let n = self.spec.batch.min(wanted);
        let mut source = Prepared {
            of: source,
            preparation: &mut self.preparation,
        };
        let filled = self.buffer.refill(n, wanted, &mut source, &mut |note| {
            observe(note.map_or(Event::Progress(now), Event::Note))
        })?;
        if filled.is_stopped() {
            self.flow = Flow::Break(());
        }
        Ok(())
    }
}

/// Returns the number of activations that a run reads of a source that holds `held`.
fn reads(tokens: u64, held: usize, hook: HookPoint) -> String {
    if tokens <= held as u64 {
        return format!("Reads {tokens} of the text's {held} activations of {hook}");
    }
    let times = tokens as f64 / held as f64;
    format!("Reads {tokens} activations of {hook}: the text's {held}, {times:.1} times")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_text_is_not_told_as_times() {
        let hook: HookPoint = "blocks.0.attn.hook_z".parse().unwrap();
        assert_eq!(
            reads(300, 600, hook),
            "Reads 300 of the text's 600 activations of blocks.0.attn.hook_z"
        );
        assert_eq!(
            reads(1500, 600, hook),
            "Reads 1500 activations of blocks.0.attn.hook_z: the text's 600, 2.5 times"
        );
    }
}
