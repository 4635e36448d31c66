//! Training on a GPU. Encoder and decoder with their moments stay on the device between steps; the batch goes there, and what comes back of a step are sums,
//! counts, and numbers of one per feature or column. Rule, `b_dec` and the record of dead features live on the host, as on the CPU.
//!
//! The host keeps a copy of the state and the batches since, so that a run outlives its device: it goes on on the CPU from there.

mod choose;
mod copy;
mod features;
#[cfg(test)]
mod features_tests;
mod forward;
mod inputs;
mod parts;
mod step;
#[cfg(test)]
mod tests;

use super::report::Report;
use super::step::{Batch, Trainer};
use crate::device::{Buffer, Compute, Gpu};
use crate::error::{Error, Result};
use crate::kernels::finite::gpu::not_finite;

use copy::HostCopy;
use features::{DeviceFeatures, Gradients};

/// State of a trainer on a GPU.
#[derive(Debug)]
pub(super) struct OnDevice {
    gpu: Gpu,
    features: DeviceFeatures,
    /// `[1]` u32: not 0 once a parameter is not a finite number.
    broken: Buffer,
    /// Sums of micro-batches, allocated by the first step that has some.
    sums: Option<Gradients>,
    copy: HostCopy,
}

impl OnDevice {
    fn new(trainer: &mut Trainer, gpu: &Gpu) -> Result<Self> {
        gpu.check()?;
        let features = DeviceFeatures::upload(gpu, &trainer.features)?;
        let begun = std::time::Instant::now();
        Ok(Self {
            features,
            broken: gpu.zeros("a flag", 1)?,
            sums: None,
            copy: HostCopy::new(trainer, begun)?,
            gpu: gpu.clone(),
        })
    }

    /// Records a look for parameters that are not finite numbers, of whose result the next step or pull hears.
    fn look(&self) -> Result<()> {
        let mut recorder = self.gpu.record();
        for table in self.features.parameters() {
            not_finite(&mut recorder, table, &self.broken)?;
        }
        recorder.submit()
    }

    /// Returns the error of a device whose parameters are not finite numbers, given the flag of [`Self::look`].
    fn check_flag(&self, flag: &[u32]) -> Result<()> {
        if flag.iter().all(|word| *word == 0) {
            return Ok(());
        }
        Err(Error::Device {
            device: self.gpu.info().name.clone(),
            what: "left parameters that are not finite numbers".to_owned(),
        })
    }

    /// Copies parameters and moments to the host.
    fn read(&self, trainer: &mut Trainer) -> Result<()> {
        let flag: Vec<u32> = self.gpu.read(&self.broken, 0..1)?;
        self.check_flag(&flag)?;
        self.features.read(&mut trainer.features)
    }

    /// Starts features anew where the host has them, as it did when the copy was renewed but for them.
    pub(super) fn restart(&mut self, trainer: &mut Trainer, features: &[u32]) -> Result<()> {
        for feature in features {
            let i = *feature as usize;
            let [w_enc, w_dec] = [&trainer.features.w_enc, &trainer.features.w_dec];
            self.features
                .restart(i, w_enc.value.row(i), w_dec.value.row(i));
        }
        self.copy = HostCopy::new(trainer, std::time::Instant::now())?;
        Ok(())
    }

    /// Renews the host's copy.
    fn renew(&mut self, trainer: &mut Trainer) -> Result<()> {
        let begun = std::time::Instant::now();
        self.read(trainer)?;
        self.copy = HostCopy::new(trainer, begun)?;
        Ok(())
    }

    /// Takes a step, and renews the host's copy now and then.
    fn step_and_keep(&mut self, trainer: &mut Trainer, taken: copy::Taken) -> Result<Report> {
        let report = self.step(trainer, &taken.rows, taken.rate);
        // If the device failed in it, the step is taken again on the CPU.
        self.copy.keep(taken);
        let report = report?;
        if self.copy.is_due() {
            self.renew(trainer)?;
        } else {
            self.copy.forget_if_many();
        }
        Ok(report)
    }
}

impl Trainer {
    /// Moves the training to `compute`: its parameters and moments are copied there, from another device too.
    pub fn move_to(&mut self, compute: &Compute) -> Result<()> {
        self.pull()?;
        self.device = None;
        if let Compute::Gpu(gpu) = compute {
            if self.features.frozen {
                let what = "a frozen decoder trains on the CPU alone";
                return Err(Error::setting("device", what));
            }
            self.device = Some(Box::new(OnDevice::new(self, gpu)?));
        }
        Ok(())
    }

    /// Brings encoder and decoder to the host, as [`Trainer::sae`] and checkpoints have them. If the device fails, the steps since the host's last copy are
    /// computed again on the CPU, where training goes on.
    pub fn pull(&mut self) -> Result<()> {
        let Some(mut device) = self.device.take() else {
            return Ok(());
        };
        match device.renew(self) {
            Ok(()) => {
                self.device = Some(device);
                Ok(())
            }
            Err(error) => self.go_on_here(*device, error).map(drop),
        }
    }

    pub(super) fn step_on_device(
        &mut self,
        mut device: Box<OnDevice>,
        batch: Batch<'_>,
        learning_rate: f64,
    ) -> Result<Report> {
        let taken = copy::Taken {
            rows: batch.from.rows_of(batch.rows),
            rate: learning_rate,
        };
        match device.step_and_keep(self, taken) {
            Ok(report) => {
                self.device = Some(device);
                Ok(report)
            }
            Err(error) => {
                let report = self.go_on_here(*device, error)?;
                Ok(report.unwrap_or_default())
            }
        }
    }

    /// Goes on on the CPU after `error` of `device`: from the host's copy, with the steps since taken again. Returns the report of the last of them.
    fn go_on_here(&mut self, device: OnDevice, error: Error) -> Result<Option<Report>> {
        if !matches!(error, Error::Device { .. } | Error::Numeric { .. }) {
            return Err(error);
        }
        let OnDevice { gpu, copy, .. } = device;
        let (since, lost) = copy.restore(self)?;
        let (from, again) = (self.steps - lost, since.len());
        let mut last = None;
        for copy::Taken { rows, rate } in &since {
            let all: Vec<u32> = (0..rows.rows() as u32).collect();
            let batch = Batch {
                from: rows,
                rows: &all,
            };
            last = Some(self.step(batch, *rate)?);
        }
        let since = match (again, lost) {
            (0, 0) => String::new(),
            (again, 0) => format!("; {again} steps since were computed again"),
            (again, lost) => format!(
                "; of the steps since, the last {again} were computed again and {lost} before them are lost"
            ),
        };
        self.fault = Some(format!(
            "{error}. The run goes on on the CPU instead of {} from its state after step {from}{since}",
            gpu.label()
        ));
        Ok(last)
    }
}
