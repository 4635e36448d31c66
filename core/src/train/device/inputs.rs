//! The batch of a step on a device: activations centred there, with what stands beside each of them.

use super::OnDevice;
use crate::device::{Gpu, Table};
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::kernels::add::gpu::added;
use crate::kernels::centre::gpu::centre;
use crate::kernels::product::{Tile, product};
use crate::kernels::sums::gpu::RowSums;
use crate::train::step::Trainer;
use crate::train::transcode::Mapping;

/// Batch, or a micro-batch of it, on a device.
#[derive(Debug)]
pub(super) struct Inputs {
    /// `[n, d]`, as the encoder reads it.
    pub(super) centred: Table,
    /// `[n, d_out]`, what features are to sum up to.
    pub(super) target: Table,
    /// Σ‖y‖² and Σy of `y = scale · x − b_dec`, what is reconstructed, not yet read.
    pub(super) sums: RowSums,
    /// `[n, d]`, and those of the first rows, where activations come with gradients.
    pub(super) gradients: Option<Table>,
}

impl OnDevice {
    /// Copies `rows`, as the source has them, to the device and centres them there.
    pub(super) fn gather(&self, trainer: &Trainer, rows: &Matrix) -> Result<Inputs> {
        let gpu = &self.gpu;
        let (d, written) = self.features.widths();
        let beside = trainer.beside();
        Dims::new("train").bind_len("w_enc", d, "d")?.bind_len(
            "an activation",
            rows.columns().saturating_sub(beside),
            "d",
        )?;
        check_room(gpu, rows.rows(), d.max(written))?;
        let x = Table::upload(gpu, "a batch", rows)?;
        let b_dec = gpu.upload("b_dec", trainer.b_dec.value.values())?;
        let Some(mapping) = &trainer.mapping else {
            let centred = centre(gpu, (&x, 0), &b_dec, trainer.scale)?;
            let gradients = if trainer.paired {
                let nothing = gpu.zeros("nothing", d)?;
                Some(centre(gpu, (&x, d), &nothing, 1.0)?.values)
            } else {
                None
            };
            return Ok(Inputs {
                target: centred.values.clone(),
                centred: centred.values,
                sums: centred.pending,
                gradients,
            });
        };
        let origin = gpu.upload("the mean of the inputs", &mapping.origin)?;
        let centred = centre(gpu, (&x, 0), &origin, mapping.scale)?.values;
        let target = centre(gpu, (&x, d), &b_dec, trainer.scale)?;
        Ok(Inputs {
            target: less_skip(gpu, mapping, &centred, target.values)?,
            centred,
            sums: target.pending,
            gradients: None,
        })
    }
}

/// Target of the features: `target` less what the skip connection writes.
fn less_skip(gpu: &Gpu, mapping: &Mapping, centred: &Table, target: Table) -> Result<Table> {
    let Some(skip) = &mapping.skip else {
        return Ok(target);
    };
    let mut less = skip.value.clone();
    less.values_mut().iter_mut().for_each(|w| *w = -*w);
    let less = Table::upload(gpu, "the skip connection", &less)?;
    let written = product(gpu, centred, &less, Tile::suiting(gpu, centred.rows()))?;
    let mut recorder = gpu.record();
    let sum = added(&mut recorder, &target, &written)?;
    recorder.submit()?;
    Ok(sum)
}

/// Checks that `n` rows of `columns` fit one binding, as sums over tokens read them.
fn check_room(gpu: &Gpu, n: usize, columns: usize) -> Result<()> {
    let bytes = 4 * (n * columns) as u64;
    if bytes <= gpu.binding_limit() {
        return Ok(());
    }
    Err(Error::Device {
        device: gpu.info().name.clone(),
        what: format!(
            "cannot bind the {bytes} bytes of {n} activations of width {columns}: its limit is {}; choose a smaller batch or the CPU",
            gpu.binding_limit()
        ),
    })
}
