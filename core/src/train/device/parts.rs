//! A step in micro-batches on a device: their gradients are summed there for all features.

use super::OnDevice;
use super::choose::by_selection;
use super::features::{Given, Gradients};
use super::step::by_end;
use crate::dims::Matrix;
use crate::error::Result;
use crate::sae::rule::Whole;
use crate::train::report::{Report, at_step, check_loss};
use crate::train::step::{Beside, Sums, Trainer};

impl OnDevice {
    /// One step, a micro-batch at a time.
    pub(super) fn step_in_parts(
        &mut self,
        trainer: &mut Trainer,
        rows: &Matrix,
        learning_rate: f64,
    ) -> Result<Report> {
        let step = trainer.steps + 1;
        let tokens = rows.rows();
        let sums = match self.sums.take() {
            Some(sums) => sums,
            None => Gradients::zeros(&self.gpu, self.features.features(), self.features.widths())?,
        };
        let mut recorder = self.gpu.record();
        sums.clear(&mut recorder);
        recorder.submit()?;
        let mut beside = Beside::default();
        let mut of_inputs = Sums::default();
        let mut report = Report::default();
        let parts = parts(rows, trainer.micro_batch)?;
        let l0 = self
            .l0_first(trainer, &parts, tokens)
            .map_err(|error| at_step(step, error))?;
        trainer.dead.begin(tokens);
        for part in &parts {
            let forward = self
                .forward(trainer, part, Whole { tokens, l0 })
                .map_err(|error| at_step(step, error))?;
            of_inputs.add(&forward.of_inputs);
            report.add(&forward.report);
            let tables = by_end(&forward.tables);
            let mut recorder = self.gpu.record();
            let terms = [forward.term(&tables)];
            sums.add_all(&mut recorder, &terms, &forward.inputs.centred)?;
            recorder.submit()?;
            beside.add(forward.beside);
        }
        trainer.dead.end();
        report.variance = of_inputs.about_mean(tokens);
        report.expected = trainer.variance * tokens as f64;
        check_loss(&report, step)?;
        trainer.steps = step;
        self.finish(
            trainer,
            Given::Sums(&sums),
            beside,
            learning_rate,
            &mut report,
        )?;
        self.sums = Some(sums);
        Ok(report)
    }

    /// The batch's mean L0, counted beforehand, where the rule charges it.
    fn l0_first(&self, trainer: &Trainer, parts: &[Matrix], tokens: usize) -> Result<Option<f64>> {
        if !trainer.rule.charges_l0() {
            return Ok(None);
        }
        let selection = trainer.rule.inference();
        let mut active = 0;
        for part in parts {
            let inputs = self.gather(trainer, part)?;
            active += by_selection(&self.gpu, &selection, &inputs.centred, self.encoder())?.entries;
        }
        Ok(Some(active as f64 / tokens.max(1) as f64))
    }
}

/// Runs of `most` rows.
fn parts(rows: &Matrix, most: usize) -> Result<Vec<Matrix>> {
    let columns = rows.columns().max(1);
    let chunks = rows.values().chunks((most * columns).max(1));
    chunks
        .map(|chunk| Matrix::new(chunk.len() / columns, columns, chunk.to_vec()))
        .collect()
}
