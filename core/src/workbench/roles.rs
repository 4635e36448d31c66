//! Study of the heads of one layer: rankings and roles on a text, over the features that an index or the text shows to be live.

use crate::error::Result;
use crate::features::Index;
use crate::heads;
use crate::heads::features::{Effect, HeadFeatures, Sample, effects};
use crate::heads::roles::{self, Settings, Study};
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};

use super::pair::Pair;
use crate::corpus::Rows;

/// Studies the heads of the layer that the pair's dictionary reads on `rows`. With an index, which the caller has judged to be the
/// dictionary's, its text says which features are live; otherwise `rows` do.
pub fn study(
    pair: &Pair,
    (rows, index): (&Rows, Option<&Index>),
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Study>> {
    let (model, sae) = (&pair.model, &pair.sae);
    let live = index.map(|index| heads::live(index, sae)).transpose()?;
    let live = live.as_deref();
    roles::study(model, sae.autoencoder()?, (rows, live), settings, observe)
}

/// Measures the causal effects of the features that a head's rankings name, one for each of its rows.
pub fn causal(
    pair: &Pair,
    (rows, head): (&Rows, &HeadFeatures),
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Option<Effect>>>> {
    let of = pair.sae.autoencoder()?;
    let read = Sample::new(&pair.model, of, rows, settings.sampled_rows, observe)?;
    let Ended::Done(sample) = read else {
        return Ok(Ended::STOPPED);
    };
    let named: Vec<FeatureId> = head.rows.iter().map(|row| row.feature).collect();
    effects(&sample, of, (&named, head.head), observe)
}
