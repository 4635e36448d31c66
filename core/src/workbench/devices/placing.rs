//! Dictionaries on the device that a job computes with.

use super::{Choice, Devices, Job};
use crate::device::{Compute, DeviceWish, Placement};
use crate::error::{Error, Result};
use crate::sae::{CrossLayer, Sae};

/// Something that encodes and decodes, whole on one device.
#[derive(Debug, Clone, Copy)]
pub enum Runs<'a> {
    /// A dictionary.
    Sae(&'a Sae),
    /// All layers of a cross-layer transcoder.
    CrossLayer(&'a CrossLayer),
    /// Several dictionaries, run one after another.
    Several(&'a [&'a Sae]),
}

/// Device of a job, and the dictionary's place on it.
#[derive(Debug, Clone, Default)]
pub struct Placing {
    /// The device, and why.
    pub choice: Choice,
    placement: Placement,
}

impl<'a> From<&'a Sae> for Runs<'a> {
    fn from(sae: &'a Sae) -> Self {
        Self::Sae(sae)
    }
}

impl<'a> From<&'a CrossLayer> for Runs<'a> {
    fn from(of: &'a CrossLayer) -> Self {
        Self::CrossLayer(of)
    }
}

impl<'a> From<&'a [&'a Sae]> for Runs<'a> {
    fn from(of: &'a [&'a Sae]) -> Self {
        Self::Several(of)
    }
}

impl Runs<'_> {
    fn layers(&self) -> Vec<&Sae> {
        match self {
            Self::Sae(sae) => vec![sae],
            Self::CrossLayer(of) => of.layers().iter().collect(),
            Self::Several(of) => of.to_vec(),
        }
    }

    fn place(self, compute: &Compute) -> Result<Placement> {
        match self {
            Self::Sae(sae) => sae.place(compute),
            Self::CrossLayer(of) => of.place(compute),
            Self::Several(of) => {
                let mut all = Placement::default();
                for sae in of {
                    all.extend([sae.place(compute)?]);
                }
                Ok(all)
            }
        }
    }

    /// Returns the job of running it on `rows` tokens a call; only `decoding` takes the decoder to the device.
    pub fn job(self, rows: usize, decoding: bool) -> Job {
        let layers = self.layers();
        let bytes = |sae: &Sae| {
            let width = sae.width() + if decoding { sae.w_dec.columns() } else { 0 };
            4 * (sae.features() * width) as u64
        };
        let (width, features) = layers
            .first()
            .map_or((0, 0), |sae| (sae.width(), sae.features()));
        Job {
            bytes: layers.iter().copied().map(bytes).sum(),
            uncovered: layers.iter().find_map(|sae| sae.needs_cpu()),
            ..Job::new(rows, width, features)
        }
    }
}

impl Devices {
    /// Chooses a device for `job`, which runs `what`, and places `what` there for everyone who shares it. An error if `wish` names a device that does not
    /// exist, has no room or does not cover the selection rule; where the choice is free, the CPU takes such a job and says why.
    pub fn place<'a>(
        &self,
        wish: DeviceWish,
        what: impl Into<Runs<'a>>,
        job: &Job,
    ) -> Result<Placing> {
        let what = what.into();
        let choice = self.choose(wish, job)?;
        match what.place(&choice.compute) {
            Err(why @ Error::Device { .. }) if wish == DeviceWish::Auto => {
                let choice = Choice::cpu(why.to_string());
                let placement = what.place(&choice.compute)?;
                Ok(Placing { choice, placement })
            }
            placement => placement.map(|placement| Placing { choice, placement }),
        }
    }
}

impl Placing {
    /// Returns a sentence where the device failed meanwhile and the CPU computed the rest.
    pub fn fault(&self) -> Option<String> {
        self.placement.fault()
    }
}
