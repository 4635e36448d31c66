//! The run: buffer filled, steps taken, events sent, the dictionary as it stands handed back.

use std::sync::Arc;

use serde_json::{Value, json};

use super::buffer::{Buffer, Source};
use super::event::{Event, Outcome, Progress};
use super::metrics::Metrics;
use super::schedule::Schedule;
use super::spec::{SETTINGS, Spec};
use super::step::{Batch, Trainer};
use super::stream::{Origin, Stream};
use crate::corpus::Rows;
use crate::error::Result;
use crate::formats;
use crate::models::Model;
use crate::sae::{Provenance, Sae};
use crate::store::Store;
use crate::{Flow, VERSION};

/// Snapshots in a run.
const SNAPSHOTS: u64 = 20;
/// Activations that the start is measured on.
const SAMPLE: usize = 8_192;

/// Trains one TopK SAE on `rows`, streamed through `model` with a bounded shuffle buffer.
pub fn run(
    spec: &Spec,
    model: &Model,
    rows: &Rows,
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
    run_on(spec, Origin::Model(model, rows), provenance, observe)
}

/// The same on the activations of `store`, without their model: what they are of goes into the dictionary's metadata.
pub fn run_from_store(
    spec: &Spec,
    store: &Store,
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
    run_on(spec, Origin::Store(store), provenance, observe)
}

fn run_on(
    spec: &Spec,
    from: Origin<'_>,
    provenance: Provenance,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Outcome> {
    spec.validate()?;
    let mut stream = Stream::new(from, spec.hook, spec.seed)?;
    let held = stream.activations();
    let readings = spec.tokens as f64 / held as f64;
    let note = format!(
        "{} activations of {} from a text that holds {held}: it is read {readings:.1} times",
        spec.tokens, spec.hook
    );
    let begun = observe(Event::Note(note));
    let mut run = Run::new(spec, held, stream.width(), provenance);
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
            flow: Flow::Continue(()),
        }
    }

    /// All steps, or those before the observer says stop.
    pub(super) fn finish(
        mut self,
        source: &mut dyn Source,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Outcome> {
        self.refill(self.spec.tokens, source, observe)?;
        let mut trainer = Trainer::new(self.spec, &self.buffer.sample(SAMPLE))?;
        let steps = self.metrics.steps();
        let snapshot_every = steps.div_ceil(SNAPSHOTS).max(1);
        for step in 0..steps {
            let left = self.spec.tokens - trainer.tokens_seen();
            self.refill(left, source, observe)?;
            if self.flow.is_break() {
                break;
            }
            let n = usize::try_from(left).map_or(self.spec.batch, |left| left.min(self.spec.batch));
            let (from, rows) = self.buffer.draw(n);
            let rate = self.schedule.rate(step);
            let batch = Batch { from, rows: &rows };
            let report = trainer.step(batch, rate)?;
            let progress = self.metrics.count(&report, rate);
            self.ask(observe, Event::Progress(progress));
            if (step + 1) % snapshot_every == 0 && step + 1 < steps {
                let sae = self.sae(&trainer, progress);
                self.ask(observe, Event::Snapshot(Arc::new(sae)));
            }
        }
        let last = self.metrics.last();
        Ok(Outcome {
            sae: self.sae(&trainer, last),
            tokens_seen: trainer.tokens_seen(),
            stopped: trainer.tokens_seen() < self.spec.tokens,
            last,
        })
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
        let settings = SETTINGS
            .iter()
            .filter_map(|s| Some((s.key.to_owned(), Value::from(self.spec.get(s.key).ok()?))));
        other.insert("settings".to_owned(), Value::Object(settings.collect()));
        other.insert("umbra_version".to_owned(), json!(VERSION));
        other.insert("seed".to_owned(), json!(self.spec.seed));
        other.insert("tokens_seen".to_owned(), json!(trainer.tokens_seen()));
        other.insert("activation_variance_scale".to_owned(), json!(trainer.scale));
        let (l0, fvu) = (figures.l0, figures.fvu);
        let dead = figures.dead_fraction;
        let figures = json!({ "l0": l0, "fvu": fvu, "dead_fraction": dead, "loss": figures.loss });
        other.insert("training_figures".to_owned(), figures);
        sae
    }
}
