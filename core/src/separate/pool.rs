//! One row for each text: its features, pooled over its tokens.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::prompt::{Input, Reading, read_while};
use crate::sae::ByToken;

/// How the activations of a feature on a text's tokens that count become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pool {
    /// The largest in size, with its sign.
    #[default]
    Max,
    /// The mean over all of them, inactive ones as 0.
    Mean,
    /// Activation of the last token.
    Last,
}

impl Pool {
    /// All, the default first.
    pub const ALL: [Self; 3] = [Self::Max, Self::Mean, Self::Last];

    /// Name as written: `max`, `mean`, `last`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Last => "last",
        }
    }

    /// Pools a reading; features ascend.
    pub fn row(self, reading: &Reading) -> Vec<(FeatureId, f32)> {
        let mut counted =
            (0..reading.latents.rows()).filter(|t| reading.counts.get(*t) == Some(&true));
        let tokens: Vec<usize> = match self {
            Self::Last => counted.next_back().into_iter().collect(),
            Self::Max | Self::Mean => counted.collect(),
        };
        let acts = tokens.iter().flat_map(|t| reading.latents.row(*t));
        let mut acts: Vec<(FeatureId, f32)> = acts.filter(|(_, act)| *act != 0.0).collect();
        acts.sort_by_key(|(feature, _)| *feature);
        let of_feature = acts.chunk_by(|a, b| a.0 == b.0);
        let pooled =
            |acts: &[(FeatureId, f32)]| {
                let act =
                    match self {
                        Self::Mean => {
                            let sum: f64 = acts.iter().map(|(_, act)| f64::from(*act)).sum();
                            (sum / tokens.len() as f64) as f32
                        }
                        Self::Max | Self::Last => acts.iter().fold(0.0_f32, |most, (_, act)| {
                            if act.abs() > most.abs() { *act } else { most }
                        }),
                    };
                (acts[0].0, act)
            };
        of_feature.map(pooled).collect()
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Pool {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|pool| pool.name() == text);
        named.ok_or_else(|| {
            Error::setting("pool", format!("{text:?} is none of max, mean and last"))
        })
    }
}

/// Reads every text through model and dictionary up to its hook and pools its features: one row each. `observe` hears of each text.
pub fn pooled(
    model: &Model,
    sae: ByToken<'_>,
    inputs: &[Input],
    pool: Pool,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Latents>> {
    let mut rows = Vec::with_capacity(inputs.len());
    let progress = |done| Progress::new(done, inputs.len(), "texts");
    for input in inputs {
        if observe(progress(rows.len())).is_break() {
            return Ok(Ended::STOPPED);
        }
        let mut on = || observe(progress(rows.len()));
        let Ended::Done(reading) = read_while(model, Some(sae), input, 0, &mut on)? else {
            return Ok(Ended::STOPPED);
        };
        rows.push(pool.row(&reading));
    }
    if observe(progress(rows.len())).is_break() {
        return Ok(Ended::STOPPED);
    }
    Ok(Ended::Done(Latents::from_unsorted(&rows)?))
}
