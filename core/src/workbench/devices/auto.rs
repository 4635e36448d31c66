//! `auto`: the faster of CPU and GPU for jobs of one size class, measured once.

use super::measure::Trial;
use super::{Choice, Devices, Job, SizeClass, choose, cpu_identity, measure_gpu};
use crate::device::{Adapter, AdapterFacts};
use crate::error::{Error, Result};

/// Milliseconds of a batch, or why they are not known, as a predicate of the device.
type Known = Result<f64, String>;

impl Devices {
    /// Takes the GPU that is measured to be faster than the CPU, else the CPU.
    pub(super) fn fastest(&self, job: &Job) -> Choice {
        if let Some(reason) = choose::needs_no_gpu(job) {
            return Choice::cpu(reason);
        }
        let facts = self.facts();
        let candidates = match choose::candidates(&facts, job) {
            Ok(candidates) => candidates,
            Err(reason) => return Choice::cpu(reason),
        };
        let mut meter = Meter {
            devices: self,
            class: SizeClass::new(job.operations()),
            beside_another: job.beside_another,
            trial: None,
        };
        let gpus: Vec<(usize, Known)> = (candidates.into_iter())
            .map(|which| (which, meter.on_gpu(&self.adapters()[which], &facts[which])))
            .collect();
        let named: Vec<(&str, &Known)> = (gpus.iter())
            .map(|(which, known)| (facts[*which].name.as_str(), known))
            .collect();
        let cpu = meter.on_cpu();
        let (taken, why) = choose::faster(&cpu, &named, meter.class);
        let Some(which) = taken.map(|at| gpus[at].0) else {
            return Choice::cpu(why);
        };
        let opened = self.ready(&self.adapters()[which], &facts[which]);
        match opened {
            Ok(gpu) => Choice::gpu(gpu, why),
            Err(error) => Choice::cpu(error.to_string()),
        }
    }
}

/// Measures what is not known yet.
struct Meter<'a> {
    devices: &'a Devices,
    class: SizeClass,
    beside_another: bool,
    trial: Option<Trial>,
}

impl Meter<'_> {
    fn on_gpu(&mut self, adapter: &Adapter, facts: &AdapterFacts) -> Known {
        self.known(&facts.identity, |devices, trial| {
            let gpu = devices.ready(adapter, facts)?;
            measure_gpu::encoded(&gpu, trial)
        })
    }

    fn on_cpu(&mut self) -> Known {
        self.known(&cpu_identity(), |_, trial| trial.on_cpu())
    }

    fn known(
        &mut self,
        identity: &str,
        measure: impl FnOnce(&Devices, &Trial) -> Result<f64>,
    ) -> Known {
        let class = self.class.name();
        let remembered = &self.devices.remembered;
        if let Some(ms) = remembered.get(identity).class_ms.get(class) {
            return Ok(*ms);
        }
        if self.beside_another {
            let why = "is not measured yet, which needs a moment without other jobs";
            return Err(why.to_owned());
        }
        let trial = self.trial.get_or_insert_with(|| Trial::new(self.class));
        let failed = |error: Error| format!("could not be measured ({error})");
        let ms = measure(self.devices, trial).map_err(failed)?;
        let mut speed = remembered.get(identity);
        speed.class_ms.insert(class.to_owned(), ms);
        self.devices.remember(identity, speed);
        Ok(ms)
    }
}
