//! Dictionaries on a device: encoder and decoder are copied there once, and every later `encode` and `decode` runs there. Activations go up, codes and
//! reconstructions come back. A predictor and a skip connection stay on the CPU.

use super::{CrossLayer, Sae};
use crate::device::{self, Compute, Placement};
use crate::error::{Error, Result};
use crate::kernels::encode::MOST_ON_DEVICE;

impl Sae {
    /// Has [`Sae::encode`] and [`Sae::decode`] run on `compute` from now on, for everyone who shares this dictionary; clones begin on the CPU. A GPU gets the
    /// encoder now and the decoder on first use. Both stay until a weight changes or the dictionary is placed elsewhere. An error if the GPU has no room or
    /// does not cover the selection rule. The parent of a dictionary of an error goes with it.
    ///
    /// If the GPU fails later, the CPU takes over, and the placement says so.
    pub fn place(&self, compute: &Compute) -> Result<Placement> {
        let Some(gpu) = compute.gpu() else {
            self.release();
            return Ok(Placement::default());
        };
        if let Some(why) = self.needs_cpu() {
            return Err(Error::Unsupported {
                what: format!("{why}; a GPU"),
                remedy: "choose the CPU".to_owned(),
            });
        }
        let decoder = device::place(&self.w_dec, gpu, "the decoder");
        let encoder = device::place(&self.w_enc, gpu, "the encoder");
        encoder.fill(&self.w_enc).inspect_err(|_| self.release())?;
        let mut placement = Placement::new([encoder, decoder]);
        if let Some(of) = &self.error_of {
            placement.extend([of.parent().place(compute).inspect_err(|_| self.release())?]);
        }
        Ok(placement)
    }

    /// Drops the copies on a device.
    fn release(&self) {
        device::release(&self.w_enc);
        device::release(&self.w_dec);
        if let Some(of) = &self.error_of {
            of.parent().release();
        }
    }

    /// Returns why it runs on the CPU only, as a clause, if it does.
    pub fn needs_cpu(&self) -> Option<String> {
        let most = self.selection.k().map(|k| k.min(self.features()));
        let why = if !self.selection.is_covered() {
            "runs on the CPU only".to_owned()
        } else if most.is_some_and(|k| k > MOST_ON_DEVICE) {
            format!("keeps more features per token than a GPU selects, {MOST_ON_DEVICE}")
        } else {
            let of = self.error_of.as_ref()?;
            return of.parent().needs_cpu();
        };
        let rule = self.selection.describe();
        Some(format!("the rule of {} ({rule}) {why}", self.name))
    }
}

impl CrossLayer {
    /// Has every layer run on `compute`; see [`Sae::place`]. If one cannot, none does.
    pub fn place(&self, compute: &Compute) -> Result<Placement> {
        let layers = self.layers().iter();
        let placed: Result<Vec<Placement>> = layers.map(|sae| sae.place(compute)).collect();
        let mut all = Placement::default();
        all.extend(placed.inspect_err(|_| self.layers().iter().for_each(Sae::release))?);
        Ok(all)
    }
}
