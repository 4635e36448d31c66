//! One step on a device.

use std::time::Instant;

use super::OnDevice;
use super::features::{Given, List, Term};
use super::forward::Forward;
use crate::device::Table;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::adam::Rates;
use crate::sae::rule::Whole;
use crate::train::optim::{Move, Passed, Spent};
use crate::train::report::{Report, at_step, check_loss};
use crate::train::step::{Beside, Trainer};

impl OnDevice {
    /// One step on `rows`, as the source has them.
    pub(super) fn step(
        &mut self,
        trainer: &mut Trainer,
        rows: &Matrix,
        learning_rate: f64,
    ) -> Result<Report> {
        let step = trainer.steps + 1;
        self.fold()?;
        if trainer.micro_batch > 0 && rows.rows() > trainer.micro_batch {
            return self.step_in_parts(trainer, rows, learning_rate);
        }
        let tokens = rows.rows();
        trainer.dead.begin(tokens);
        let whole = Whole { tokens, l0: None };
        let mut forward = self
            .forward(trainer, rows, whole)
            .map_err(|error| at_step(step, error))?;
        trainer.dead.end();
        let mut report = std::mem::take(&mut forward.report);
        let beside = std::mem::take(&mut forward.beside);
        report.variance = trainer.variance_of(&forward.of_inputs, tokens);
        report.expected = trainer.variance * tokens as f64;
        check_loss(&report, step)?;
        trainer.steps = step;
        let tables = by_end(&forward.tables);
        let second = (forward.second.as_ref())
            .map(|(code, weight)| (code, [(usize::MAX, &code.left.residual)], weight));
        let aux = (forward.aux.as_ref()).map(|aux| (aux, [(usize::MAX, &aux.code.left.residual)]));
        let mut terms = vec![forward.term(&tables)];
        terms.extend(
            second
                .as_ref()
                .map(|(code, tables, weight)| code.term(tables, forward.scale * **weight)),
        );
        terms.extend(aux.as_ref().map(|(aux, tables)| Term {
            list: Some(List {
                buffer: &aux.list,
                features: &aux.helped,
            }),
            ..aux.code.term(tables, aux.scale)
        }));
        let given = Given::Batch {
            terms: &terms,
            centred: &forward.inputs.centred,
        };
        self.finish(trainer, given, beside, learning_rate, &mut report)?;
        Ok(report)
    }

    /// Brings decoder rows to length 1 where they may have any.
    pub(super) fn fold(&self) -> Result<()> {
        let mut recorder = self.gpu.record();
        self.features.fold(&mut recorder)?;
        recorder.submit()
    }

    /// Moves all parameters.
    pub(super) fn finish(
        &self,
        trainer: &mut Trainer,
        given: Given<'_>,
        beside: Beside,
        learning_rate: f64,
        report: &mut Report,
    ) -> Result<()> {
        let begun = Instant::now();
        let by = Move {
            rates: Rates::new(learning_rate, trainer.steps),
            factor: trainer.shortened(&beside, report, || self.features.length2(given))?,
        };
        let through_encoder = self.features.step(given, by)?;
        self.look()?;
        if trainer.average.is_some() {
            // The average lies on the host.
            self.features.read(&mut trainer.features)?;
        }
        let passed = Passed {
            through_encoder,
            spent: Spent {
                gradients: begun.elapsed(),
                ..Spent::default()
            },
        };
        trainer.finish(&passed, beside, by, report);
        Ok(())
    }
}

/// References to tables with their ends.
pub(super) fn by_end(tables: &[(usize, Table)]) -> Vec<(usize, &Table)> {
    tables.iter().map(|(end, table)| (*end, table)).collect()
}

impl Forward {
    /// The main term.
    pub(super) fn term<'a>(&'a self, tables: &'a [(usize, &'a Table)]) -> Term<'a> {
        Term {
            d_bias: self.d_bias.as_ref(),
            ..self.main.term(tables, self.scale)
        }
    }
}

impl super::forward::Code {
    /// Term of the loss by this code.
    fn term<'a>(&'a self, tables: &'a [(usize, &'a Table)], scale: f32) -> Term<'a> {
        Term {
            codes: &self.codes,
            by_feature: &self.by_feature,
            d_acts: &self.left.d_acts,
            d_bias: None,
            tables,
            scale,
            list: None,
        }
    }
}
