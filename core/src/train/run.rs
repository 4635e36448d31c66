//! The run: buffer filled, steps taken, events sent, checkpoints written, the dictionary as it stands handed back.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::buffer::{Buffer, Source};
use super::checkpoint::{self, Keeping};
use super::event::{Event, Outcome, Progress};
use super::metrics::Metrics;
use super::schedule::Schedule;
use super::spec::Spec;
use super::step::{Batch, Trainer};
use super::stream::{Origin, Stream};
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::formats;
use crate::models::Model;
use crate::sae::state::{Keep, Within};
use crate::sae::{Provenance, Sae, Variant};
use crate::store::Store;
use crate::{Flow, VERSION};

/// Snapshots in a run.
const SNAPSHOTS: u64 = 20;
/// Reports of how often features fire in a run.
const FIRINGS: u64 = 100;
/// Looks at the rule for later use in a run, where it is not the rule of training.
const LOOKS: u64 = 50;
/// Activations that the start is measured on.
const SAMPLE: usize = 8_192;

/// Trains one dictionary on `rows`, streamed through `model` with a bounded shuffle buffer; `keeping` says what is kept of the run meanwhile and whether it
/// goes on from what was kept.
pub fn run(
    spec: &Spec,
    model: &Model,
    rows: &Rows,
    keeping: &Keeping,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Outcome> {
    let mut provenance = Provenance {
        hook: Some(spec.hook),
        model: model.name().to_owned(),
        prepend_bos: Some(model.codec().bos().id.is_some()),
        context: Some(rows.context()),
        ..Provenance::default()
    };
    formats::name_processing(&mut provenance, model.processing());
    let from = Origin::Model(model, rows);
    run_on(spec, from, provenance, keeping, observe)
}

/// The same on the activations of `store`, without their model: what they are of goes into the dictionary's metadata.
pub fn run_from_store(
    spec: &Spec,
    store: &Store,
    keeping: &Keeping,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Outcome> {
    let about = store.about();
    let mut provenance = Provenance {
        hook: Some(spec.hook),
        model: about.model.clone(),
        prepend_bos: Some(about.prepend_bos),
        context: Some(about.context),
        ..Provenance::default()
    };
    formats::name_processing(&mut provenance, about.processing);
    run_on(spec, Origin::Store(store), provenance, keeping, observe)
}

fn run_on(
    spec: &Spec,
    from: Origin<'_>,
    provenance: Provenance,
    keeping: &Keeping,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Outcome> {
    spec.validate()?;
    let mut stream = Stream::new(from, spec.hook, spec.seed)?;
    if spec.variant == Variant::Gradient {
        stream = stream.with_gradients();
    }
    let held = stream.activations();
    let readings = spec.tokens as f64 / held as f64;
    let note = format!(
        "{} activations of {} from a text that holds {held}: it is read {readings:.1} times",
        spec.tokens, spec.hook
    );
    let begun = observe(Event::Note(note));
    let mut run = Run::new(spec, held, stream.width(), provenance).keeping(keeping.clone());
    if begun.is_break() {
        run.flow = begun;
    }
    run.finish(&mut stream, observe)
}

/// A run on any source of activations.
pub(super) struct Run<'a> {
    spec: &'a Spec,
    provenance: Provenance,
    buffer: Buffer,
    metrics: Metrics,
    schedule: Schedule,
    keeping: Keeping,
    /// Step of the checkpoint that there is, and when it was written; before there is one, when the run began.
    kept: (Option<u64>, Instant),
    flow: Flow,
}

impl<'a> Run<'a> {
    /// `held`: activations of one reading of the source, so that a short text is not held twice.
    pub(super) fn new(spec: &'a Spec, held: usize, d: usize, provenance: Provenance) -> Self {
        let steps = spec.steps();
        let wanted = usize::try_from(spec.tokens).unwrap_or(usize::MAX);
        let capacity = spec.buffer.min(held).max(spec.batch * 2).min(wanted);
        let peak = spec.peak_learning_rate();
        Self {
            spec,
            provenance,
            buffer: Buffer::new(capacity, d, spec.seed),
            metrics: Metrics::new(steps),
            schedule: Schedule::new(peak, steps, spec.warmup, spec.decay),
            keeping: Keeping::default(),
            kept: (None, Instant::now()),
            flow: Flow::Continue(()),
        }
    }

    /// With checkpoints.
    pub(super) fn keeping(mut self, keeping: Keeping) -> Self {
        self.keeping = keeping;
        self
    }

    /// All steps, or those before the observer says stop.
    pub(super) fn finish(
        mut self,
        source: &mut dyn Source,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Outcome> {
        let mut trainer = self.begin(source, observe)?;
        let steps = self.metrics.steps();
        let snapshot_every = steps.div_ceil(SNAPSHOTS).max(1);
        let look_every = steps.div_ceil(LOOKS).max(1);
        let firing_every = steps.div_ceil(FIRINGS).max(1);
        for step in self.metrics.now().step..steps {
            let left = self.spec.tokens - trainer.tokens_seen();
            self.refill(left, source, observe)?;
            if self.flow.is_break() {
                break;
            }
            let n = usize::try_from(left).map_or(self.spec.batch, |left| left.min(self.spec.batch));
            let (from, rows) = self.buffer.draw(n);
            let rate = self.schedule.rate(step);
            let batch = Batch { from, rows: &rows };
            trainer.measure(step % look_every == 0 || step + 1 == steps);
            let report = trainer
                .step(batch, rate)
                .map_err(|error| self.left(error))?;
            let progress = self.metrics.count(&report, rate);
            if let Some(note) = report.note {
                self.ask(observe, Event::Note(note));
            }
            self.ask(observe, Event::Progress(progress));
            let done = step + 1;
            if self.is_due(done) && done < steps {
                self.write(&mut trainer)?;
            }
            if done % firing_every == 0 && done < steps {
                let firing = Arc::new(trainer.dead.firing());
                self.ask(observe, Event::Firing(firing));
            }
            if done % snapshot_every == 0 && done < steps {
                let sae = self.sae(&trainer, progress);
                self.ask(observe, Event::Snapshot(Arc::new(sae)));
            }
        }
        Ok(self.end(trainer, observe))
    }

    /// A trainer at its start, or where a checkpoint has it.
    fn begin(
        &mut self,
        source: &mut dyn Source,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Trainer> {
        if (self.spec.variant == Variant::Gradient) != source.paired() {
            let what = "gradient ranks by the gradient of the model's loss, which this source of activations does not give: train from the model, or on a store that was captured with --gradients";
            return Err(Error::setting("variant", what));
        }
        if let Some(place) = self.keeping.place().filter(|_| self.keeping.resume) {
            let mut trainer = Trainer::blank(self.spec, source.width())?;
            let provenance = self.provenance.clone();
            let of = (self.spec, &provenance);
            let step = checkpoint::read(&place, of, &mut |keep| self.state(&mut trainer, keep))?;
            for _ in 0..self.buffer.pieces() {
                source.skip();
            }
            let note = format!("Going on after step {step} of {}", self.metrics.steps());
            self.kept.0 = Some(step);
            self.ask(observe, Event::Note(note));
            return Ok(trainer);
        }
        self.refill(self.spec.tokens, source, observe)?;
        Trainer::new(self.spec, &self.buffer.sample(SAMPLE))
    }

    /// What the run leaves. A finished one needs no checkpoint any more, one that was stopped keeps its place; if that fails, the dictionary is not lost with it.
    fn end(mut self, mut trainer: Trainer, observe: &mut dyn FnMut(Event) -> Flow) -> Outcome {
        let stopped = trainer.tokens_seen() < self.spec.tokens;
        let mut kept = None;
        if let Some(place) = self.keeping.place() {
            let left = if !stopped {
                checkpoint::remove(&place)
            } else if trainer.tokens_seen() > 0 {
                let written = self.write(&mut trainer);
                kept = written.is_ok().then_some(place);
                written
            } else {
                Ok(())
            };
            if let Err(error) = left {
                self.ask(observe, Event::Note(error.to_string()));
            }
        }
        let firing = Arc::new(trainer.dead.firing());
        self.ask(observe, Event::Firing(firing));
        let last = self.metrics.last();
        Outcome {
            sae: self.sae(&trainer, last),
            tokens_seen: trainer.tokens_seen(),
            checkpoint: kept,
            stopped,
            last,
        }
    }

    fn write(&mut self, trainer: &mut Trainer) -> Result<()> {
        let Some(place) = self.keeping.place() else {
            return Ok(());
        };
        let (provenance, step) = (self.provenance.clone(), self.metrics.now().step);
        let of = (self.spec, &provenance);
        checkpoint::write(&place, of, step, &mut |keep| self.state(trainer, keep))?;
        self.kept = (Some(step), Instant::now());
        Ok(())
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
        self.metrics.state(&mut Within::new("metrics", keep))
    }

    /// A broken step's error, with the checkpoint that is left to go on from.
    fn left(&self, error: Error) -> Error {
        match (error, self.kept.0) {
            (Error::Numeric { what }, Some(last)) => Error::Numeric {
                what: format!(
                    "{what}; the checkpoint of step {last} is kept: --resume goes on from it"
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
        let flow = self.buffer.refill(n, wanted, source, &mut |note| {
            observe(note.map_or(Event::Progress(now), Event::Note))
        })?;
        if flow.is_break() {
            self.flow = flow;
        }
        Ok(())
    }

    fn sae(&self, trainer: &Trainer, figures: Progress) -> Sae {
        let mut sae = trainer.sae();
        sae.name = format!("{} · {} features", self.spec.hook, self.spec.features);
        sae.provenance = self.provenance.clone();
        let other = &mut sae.provenance.other;
        other.extend(self.spec.facts.clone());
        let settings = (self.spec.settings())
            .filter_map(|s| Some((s.key.to_owned(), Value::from(self.spec.get(s.key).ok()?))));
        other.insert("settings".to_owned(), Value::Object(settings.collect()));
        other.insert("umbra_version".to_owned(), json!(VERSION));
        other.insert("seed".to_owned(), json!(self.spec.seed));
        other.insert("tokens_seen".to_owned(), json!(trainer.tokens_seen()));
        other.insert("activation_variance_scale".to_owned(), json!(trainer.scale));
        let (l0, fvu) = (figures.l0, figures.fvu);
        let dead = figures.dead_fraction;
        let mut named =
            json!({ "l0": l0, "fvu": fvu, "dead_fraction": dead, "loss": figures.loss });
        if let (Some(l0), Some(fvu)) = (figures.inference_l0, figures.inference_fvu) {
            named["inference_l0"] = l0.into();
            named["inference_fvu"] = fvu.into();
        }
        other.insert("training_figures".to_owned(), named);
        sae
    }
}
