//! Cost of a training step on this machine: its time over the fastest product of the encoder alone, and its memory beyond parameters and moments.
//!
//! The step is the trainer's own, on synthetic activations: gather, encode, select, decode, all gradients, Adam, decoder rows back to length 1. The product is
//! `[batch, d] · [d, features]` in f32 by faer and gemm on the same threads, into memory allocated before. Step and product are timed in
//! turn and medians are compared, so that other work on the machine weighs on both.

mod memory;
#[cfg(not(feature = "gpu"))]
#[path = "no_device.rs"]
mod on_device;
#[cfg(feature = "gpu")]
pub(crate) mod on_device;
mod products;
mod synthetic;
mod yardstick;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use self::yardstick::Yardstick;

use crate::device::{Compute, check_room};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Site};
use crate::kernels::encode::Product;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Variant;
use crate::train::{Adam, Batch, Phases, Report, Spec, Trainer, parameter_bytes, step_bytes};

pub(crate) use self::products::product_time;

/// Steps before timing starts, so that guesses of cut-offs settle and dead features are known.
const WARM_UP: usize = 4;
/// Runs of each library before the fastest is timed against the step.
const TRIALS: usize = 2;
/// α and β of the Zipf law for budgets and under-used features.
const LAW: (f64, f64) = (0.8, 5.0);
/// Learning rate, small enough to leave the dictionary unchanged.
const LEARNING_RATE: f64 = 1e-5;

/// Settings of a measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Width of the activations.
    pub d: usize,
    /// Features, `f`.
    pub features: usize,
    /// Active features per token, `k`.
    pub k: usize,
    /// Activations per step.
    pub batch: usize,
    /// Variant, which selects the active features.
    pub variant: Variant,
    /// Product that finds the candidates of the selection.
    pub product: Product,
    /// Rows that Adam updates.
    pub adam: Adam,
    /// Share of dead features, which AuxK trains.
    pub dead: f64,
    /// Timed steps.
    pub rounds: usize,
    /// Seeds activations, dictionary and batches.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            d: 768,
            features: 24_576,
            k: 32,
            batch: 4_096,
            variant: Variant::TopK,
            product: Product::Exact,
            adam: Adam::Exact,
            dead: 0.0,
            rounds: 7,
            seed: 0,
        }
    }
}

/// Measured figures; times are medians.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Time of a whole step.
    pub step: Duration,
    /// Time of the product alone, by the fastest library.
    pub encoder: Duration,
    /// Fastest library.
    pub gemm: &'static str,
    /// Best time of each library.
    pub products: Vec<(&'static str, Duration)>,
    /// Peak memory of the steps beyond activations, parameters and moments, in bytes; none if the system does not report it.
    pub peak_bytes: Option<u64>,
    /// Size of parameters and moments, in bytes.
    pub parameter_bytes: u64,
    /// Time of each phase of the step; [`Phases`] says which are summed over threads.
    pub phases: Phases,
    /// Active features per token.
    pub l0: f64,
    /// Features used by AuxK per token.
    pub aux_l0: f64,
    /// Number of threads.
    pub threads: usize,
    /// Figures of the GPU that computed the steps, if one did.
    pub device: Option<DeviceFigures>,
}

/// Figures of a GPU beside those of the step, by its own clock where it has one. Each multiplication with its addition counts as two operations.
#[derive(Debug, Clone)]
pub struct DeviceFigures {
    /// Id of the device.
    pub id: String,
    /// Name and backend.
    pub label: String,
    /// Matrix product `[batch, d] · [d, features]`, in 10⁹ operations per second.
    pub product_gflops: f64,
    /// Product with the selection of `k` features per token, counted as the product alone.
    pub encode_gflops: f64,
    /// Bytes read and written by a copy, in 10⁹ per second.
    pub copy_gbps: f64,
    /// Bytes read and written by decoding the selection, in 10⁹ per second: the codes, a decoder row for each of them, the result.
    pub decode_gbps: f64,
    /// Milliseconds of each kernel in one step, where the device takes times.
    pub kernels_ms: Option<BTreeMap<String, f64>>,
}

impl Figures {
    /// Returns the time of a step over that of the product.
    pub fn ratio(&self) -> f64 {
        self.step.as_secs_f64() / self.encoder.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Settings {
    /// Returns the settings of a run with these sizes.
    fn spec(&self) -> Result<Spec> {
        let mut spec = Spec::default_for(HookPoint::block(0, Site::ResidPost));
        (spec.variant, spec.features, spec.k) = (self.variant, self.features, self.k);
        (spec.batch, spec.seed) = (self.batch, self.seed);
        (spec.product, spec.adam) = (self.product, self.adam);
        // Feature Choice is timed where features choose.
        spec.phase = 0.0;
        (spec.zipf_alpha, spec.zipf_beta) = (Some(LAW.0), Some(LAW.1));
        // Long enough that schedules stand still while steps are timed.
        spec.tokens = 1 << 40;
        let settled = (WARM_UP as u64 - 1) * self.batch as u64;
        spec.dead_after = Some(if self.dead > 0.0 {
            settled
        } else {
            spec.tokens
        });
        spec.buffer = spec.buffer.max(self.batch);
        spec.validate()?;
        Ok(spec)
    }

    /// Bytes of memory at the peak: activations, parameters with their moments, one step, and the product's table with its operand.
    fn needed(&self, spec: &Spec) -> u64 {
        let (d, batch, features) = (self.d as u64, self.batch as u64, self.features as u64);
        let paired = u64::from(self.variant == Variant::Gradient);
        let table = |rows: u64, columns: u64| rows.saturating_mul(columns).saturating_mul(4);
        let parts = [
            table(synthetic::BATCHES as u64 * batch, d * (1 + paired)),
            parameter_bytes(spec, (self.d, self.d)).saturating_mul(3),
            step_bytes(spec, (self.d, self.d)),
            table(batch, features),
            table(batch, d),
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    fn validate(&self) -> Result<()> {
        let named = [("d", self.d), ("rounds", self.rounds)];
        if let Some((key, _)) = named.iter().find(|(_, value)| *value == 0) {
            return Err(Error::setting(*key, "0 cannot be used, give 1 or more"));
        }
        if !(0.0..=0.9).contains(&self.dead) {
            let what = format!("`{}` cannot be used, give a share from 0 to 0.9", self.dead);
            return Err(Error::setting("dead", what));
        }
        Ok(())
    }
}

/// Times steps and the product on `compute`; `observe` gets the rounds done. Threads are those of the pool that it runs in.
pub fn train(
    settings: &Settings,
    compute: &Compute,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Figures>> {
    settings.validate()?;
    let spec = settings.spec()?;
    check_room(settings.needed(&spec), || {
        format!(
            "timing {} features of width {}",
            settings.features, settings.d
        )
    })?;
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let cached = synthetic::activations(&mut rng, settings);
    let before = memory::resident();
    let mut trainer = synthetic::trainer(&mut rng, settings, &spec, &cached)?;
    let mut device = measured(compute, settings, &cached, trainer.encoder())?;
    trainer.move_to(compute)?;
    memory::reset_peak();
    let in_all = WARM_UP + TRIALS + settings.rounds;
    let mut done = 0;
    let mut heard = || {
        done += 1;
        observe(Progress::new(done, in_all, "rounds")).is_break()
    };
    for _ in 0..WARM_UP {
        step(&mut trainer, &cached, &mut rng, settings)?;
        if heard() {
            return Ok(Ended::STOPPED);
        }
    }
    let with_moments = 3 * parameter_bytes(&spec, (settings.d, settings.d));
    let peak_bytes = (before.zip(memory::peak()))
        .map(|(before, peak)| peak.saturating_sub(before + with_moments));

    let mut product = Yardstick::new(&cached, settings, device.as_ref());
    for _ in 0..TRIALS {
        product.try_all(trainer.encoder());
        if heard() {
            return Ok(Ended::STOPPED);
        }
    }
    let (mut steps, mut encoders, mut reports) = (vec![], vec![], vec![]);
    for _ in 0..settings.rounds {
        encoders.push(product.fastest(trainer.encoder()));
        let (time, report) = step(&mut trainer, &cached, &mut rng, settings)?;
        steps.push(time);
        reports.push(report);
        if heard() {
            return Ok(Ended::STOPPED);
        }
    }
    if let (Some(figures), Some(gpu)) = (&mut device, compute.gpu()) {
        let mut once = || step(&mut trainer, &cached, &mut rng, settings).map(drop);
        figures.kernels_ms = on_device::timed(gpu, settings.rounds, &mut once)?;
    }
    let per_token = |of: fn(&Report) -> usize| {
        let sum: usize = reports.iter().map(of).sum();
        sum as f64 / (settings.rounds * settings.batch) as f64
    };
    Ok(Ended::Done(Figures {
        step: median(steps),
        encoder: median(encoders),
        gemm: product.name(),
        products: product.best(),
        peak_bytes,
        parameter_bytes: with_moments,
        phases: phases(&reports),
        l0: per_token(|report| report.active),
        aux_l0: per_token(|report| report.aux_active),
        threads: rayon::current_num_threads(),
        device,
    }))
}

/// Measures the kernels of the GPU that computes the steps, if one does.
fn measured(
    compute: &Compute,
    settings: &Settings,
    cached: &Matrix,
    directions: &Matrix,
) -> Result<Option<DeviceFigures>> {
    let figures = |gpu| on_device::measure(gpu, settings, cached, directions);
    compute.gpu().map(figures).transpose()
}

fn step(
    trainer: &mut Trainer,
    cached: &Matrix,
    rng: &mut ChaCha8Rng,
    settings: &Settings,
) -> Result<(Duration, Report)> {
    let rows: Vec<u32> = (0..settings.batch)
        .map(|_| rng.random_range(0..cached.rows() as u32))
        .collect();
    let begun = Instant::now();
    let batch = Batch {
        from: cached,
        rows: &rows,
    };
    let report = trainer.step(batch, LEARNING_RATE)?;
    Ok((begun.elapsed(), report))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Returns the median of each phase.
fn phases(reports: &[Report]) -> Phases {
    let of = |phase: fn(&Phases) -> Duration| {
        median(reports.iter().map(|report| phase(&report.phases)).collect())
    };
    Phases {
        gather: of(|p| p.gather),
        encode: of(|p| p.encode),
        decode: of(|p| p.decode),
        aux: of(|p| p.aux),
        gradients: of(|p| p.gradients),
        adam: of(|p| p.adam),
        unit_norm: of(|p| p.unit_norm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Settings {
        Settings {
            d: 32,
            features: 128,
            k: 4,
            batch: 64,
            rounds: 2,
            ..Settings::default()
        }
    }

    #[test]
    fn every_variant_can_be_timed_near_the_number_of_features_asked_for() {
        for variant in Variant::ALL.iter().copied() {
            let settings = Settings { variant, ..small() };
            let mut go_on = |_| Flow::Continue(());
            let figures = train(&settings, &Compute::Cpu, &mut go_on)
                .unwrap()
                .done()
                .unwrap();
            assert!(figures.ratio() > 0.0, "{variant:?}");
            assert!(
                (1.0..=8.0).contains(&figures.l0),
                "{variant:?} {}",
                figures.l0
            );
            assert_eq!(figures.aux_l0, 0.0);
        }
    }

    #[test]
    fn dead_features_are_there_when_asked_for() {
        let settings = Settings {
            dead: 0.25,
            ..small()
        };
        let mut go_on = |_| Flow::Continue(());
        let figures = train(&settings, &Compute::Cpu, &mut go_on)
            .unwrap()
            .done()
            .unwrap();
        assert!(figures.aux_l0 > 1.0, "{}", figures.aux_l0);
    }

    #[cfg(feature = "gpu")]
    #[test]
    fn a_step_on_wgpu_is_timed_with_its_kernels() {
        let Some(gpu) = crate::device::testing::gpu() else {
            return;
        };
        let mut go_on = |_| Flow::Continue(());
        let figures = train(&small(), &Compute::Gpu(gpu.clone()), &mut go_on);
        let figures = figures.unwrap().done().unwrap();
        let device = figures.device.unwrap();
        assert_eq!(device.id, gpu.id());
        for (name, figure) in [
            ("product", device.product_gflops),
            ("encode", device.encode_gflops),
            ("copy", device.copy_gbps),
            ("decode", device.decode_gbps),
        ] {
            assert!(figure.is_finite() && figure > 0.0, "{name}: {figure}");
        }
        assert!((figures.l0 - 4.0).abs() < 0.5, "{}", figures.l0);
    }

    #[test]
    fn it_stops_when_told_and_refuses_what_it_cannot_time() {
        let mut stop = |_| Flow::Break(());
        assert!(
            train(&small(), &Compute::Cpu, &mut stop)
                .unwrap()
                .is_stopped()
        );
        let none = Settings { d: 0, ..small() };
        let all = Settings {
            dead: 1.0,
            ..small()
        };
        let many = Settings { k: 200, ..small() };
        // 3 · 8 · 10¹⁶ bytes of parameters and moments alone.
        let huge = Settings {
            features: 10_000_000,
            d: 1_000_000_000,
            ..small()
        };
        let cases = [
            (none, "d: "),
            (all, "dead: "),
            (many, "k: "),
            (
                huge,
                "timing 10000000 features of width 1000000000 needs 24",
            ),
        ];
        for (settings, key) in cases {
            let mut go_on = |_| Flow::Continue(());
            let said = train(&settings, &Compute::Cpu, &mut go_on)
                .unwrap_err()
                .to_string();
            assert!(said.starts_with(key), "{said}");
        }
    }
}
