//! Studies the heads of one layer on a text: rankings, roles, calibration, and verdicts on draws of the text.

use rayon::prelude::*;

use super::calibrate::{cut, random};
use super::evidence::{Evidence, weights_of};
use super::judge::{Drawn, Judge};
use super::overlap::Folded;
use super::{Criterion, HeadRoles, LayerRoles, Verdict};
use crate::corpus::Resampled;
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::heads::features::{HeadFeatures, OnText, Sample, on_text, rank};
use crate::ids::{FeatureId, Head};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

/// Settings of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Rows in which heads are ablated and features taken out, evenly spaced in the text.
    pub sampled_rows: usize,
    /// Draws of the bootstrap, and draws of random features for each head.
    pub draws: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sampled_rows: 32,
            draws: 200,
            seed: 0,
        }
    }
}

/// Study of the heads of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Figures of all features on the text.
    pub text: OnText,
    /// Which features are live, `[f]`.
    pub live: Vec<bool>,
    /// Rankings of each head. Causal effects are measured separately ([`crate::heads::features::effects`]).
    pub features: Vec<HeadFeatures>,
    /// Roles of each head.
    pub roles: LayerRoles,
}

/// Studies the heads of the layer that a `hook_z` dictionary reads. `live [f]` says which features are live, the text itself where it is none.
pub fn study(
    model: &Model,
    sae: Autoencoder<'_>,
    (rows, live): (&Rows, Option<&[bool]>),
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Study>> {
    if live.is_some_and(|live| live.len() != sae.features()) {
        return Err(Error::Shape {
            op: "heads",
            what: format!(
                "the list of live features is not of the {} features of {}: give the dictionary's own index",
                sae.features(),
                sae.name
            ),
        });
    }
    let heads = model.config().heads;
    let sampled = settings.sampled_rows.min(rows.len());
    let total = rows.len() + sampled * (1 + heads);
    let mut base = 0;
    let mut at = |base: usize, done: u64| observe(Progress::rows(base + done as usize, total));
    let Ended::Done(text) = on_text(model, sae, rows, &mut |pass| at(base, pass.done))? else {
        return Ok(Ended::STOPPED);
    };
    base += rows.len();
    let read = Sample::new(model, sae, rows, sampled, &mut |pass| at(base, pass.done))?;
    let Ended::Done(sample) = read else {
        return Ok(Ended::STOPPED);
    };
    base += sampled;
    let mut rises = Vec::with_capacity(heads);
    for head in 0..heads {
        rises.push(sample.ablated(Head::from(head), &text.mean)?);
        base += sampled;
        if at(base, 0).is_break() && head + 1 < heads {
            return Ok(Ended::STOPPED);
        }
    }
    let live = live.map_or_else(|| text.live(), <[bool]>::to_vec);
    let features = rank(&text, &live);
    let folded = Folded::new(model);
    let draws = Resampled::new(text.blocks.len(), settings.draws, settings.seed);
    let evidence = Evidence::new((&text, &folded), &sample, rises, draws);
    let roles = roles(&evidence, sae, (&features, &live), settings, sample.len());
    Ok(Ended::Done(Study {
        text,
        live,
        features,
        roles,
    }))
}

/// Judges every head.
fn roles(
    evidence: &Evidence<'_>,
    sae: Autoencoder<'_>,
    (features, live): (&[HeadFeatures], &[bool]),
    settings: &Settings,
    sampled_rows: usize,
) -> LayerRoles {
    let live: Vec<FeatureId> = (0..live.len())
        .filter(|f| live[*f])
        .map(FeatureId::from)
        .collect();
    let chosen: Vec<Option<(f64, f64)>> = (Criterion::ALL.iter())
        .map(|criterion| chosen_cut(evidence, *criterion, sae, (&live, features.len()), settings))
        .collect();
    let judge = Judge {
        evidence,
        w_dec: &sae.w_dec,
        cuts: [0, 1].map(|at| chosen[at].map(|(cut, _)| cut)),
    };
    let weights = weights_of(&evidence.draws);
    let whole = Drawn {
        weights: None,
        draws: &weights,
    };
    let tens: Vec<Vec<FeatureId>> = features.iter().map(HeadFeatures::first_by_share).collect();
    let of_head = |(head, ten): (usize, &Vec<FeatureId>)| {
        let head = Head::from(head);
        let mut roles = judge.head(head, ten.clone(), whole);
        // Fresh draws: the cut was chosen on others.
        let seed = settings.seed ^ (0x5eed_0001 + u64::from(head.0));
        for ten in random(&live, settings.draws, seed) {
            seen(&mut roles, judge.verdicts(head, &ten, whole));
        }
        roles
    };
    let heads: Vec<HeadRoles> = tens.par_iter().enumerate().map(of_head).collect();
    let replicate = |draw: usize| {
        let again = weights_of(&evidence.draws.within(draw));
        let drawn = Drawn {
            weights: Some(&weights[draw]),
            draws: &again,
        };
        let each = tens.iter().enumerate();
        each.map(|(head, ten)| judge.verdicts(Head::from(head), ten, drawn))
            .collect()
    };
    LayerRoles {
        layer: evidence.text.layer,
        tokens: evidence.text.tokens,
        sampled_rows,
        blocks: evidence.text.blocks.said(),
        at_cut: [0, 1].map(|at| chosen[at].map_or(1.0, |(_, share)| share)),
        heads,
        replicates: (0..weights.len()).into_par_iter().map(replicate).collect(),
    }
}

/// Counts the verdicts on a draw of random features.
fn seen(roles: &mut HeadRoles, [a, b, joined]: [Verdict; 3]) {
    roles.by[0].false_positives.see(a);
    roles.by[1].false_positives.see(b);
    roles.false_positives.see(joined);
}

/// Chooses the cut of a criterion on random features, drawn for every head.
fn chosen_cut(
    evidence: &Evidence<'_>,
    criterion: Criterion,
    sae: Autoencoder<'_>,
    (live, heads): (&[FeatureId], usize),
    settings: &Settings,
) -> Option<(f64, f64)> {
    let draws: Vec<Vec<Vec<f64>>> = (0..heads)
        .into_par_iter()
        .flat_map_iter(|head| {
            let head = Head::from(head);
            let seed = settings.seed ^ (0xca1_0001 + u64::from(head.0));
            let tens = random(live, settings.draws, seed);
            let of = move |ten: Vec<FeatureId>| {
                evidence.distances(criterion, (head, &ten), None, &sae.w_dec)
            };
            tens.into_iter().map(of)
        })
        .collect();
    cut(criterion, &draws)
}
