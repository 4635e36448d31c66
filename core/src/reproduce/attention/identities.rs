//! Identities: shares of heads, sums of attributions once and recursively, a splice that edits nothing.

use super::{Attention, AttentionOptions, Figure, Section, Study};
use crate::dims::Matrix;
use crate::error::Result;
use crate::heads::{self, circuit};
use crate::ids::{FeatureId, HookPoint};
use crate::models::{HookFn, Start, token_tensor};
use crate::progress::Ended;
use crate::prompt::Input;

/// Tokens of the text on which attributions are checked.
const TOKENS: usize = 48;
/// Features and tokens checked for each dictionary.
const CHECKED: usize = 24;
/// Features traced for each dictionary.
const TRACED: usize = 4;

/// Head weights sum to 1.
pub(super) fn shares(of: &Attention, _: &AttentionOptions, to: &mut Section<'_, '_>) -> Result<()> {
    let mut largest: f64 = 0.0;
    let mut features = 0;
    for study in &of.studies {
        if to
            .at(format!("shares of heads in {}", study.sae.name))
            .is_break()
        {
            return Ok(());
        }
        let shares = heads::head_shares(study.sae.autoencoder()?, of.model.config().heads)?;
        features += shares.rows();
        for row in shares.iter_rows() {
            let sum: f64 = row.iter().map(|share| f64::from(*share)).sum();
            largest = largest.max((sum - 1.0).abs());
        }
    }
    // A sum of a few f32 shares of 1.
    to.report.hard(
        "a feature's shares of the heads sum to 1",
        Figure::new(
            format!("off by {largest:.1e} at most, {features} features"),
            [largest],
        ),
        largest < 1e-5,
    );
    Ok(())
}

/// Attributions by head and source sum to the pre-activation.
pub(super) fn attribution(
    of: &Attention,
    _: &AttentionOptions,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let (mut largest, mut residue, mut checked) = (0.0_f64, 0.0_f64, 0);
    for study in &of.studies {
        for (feature, at, input) in samples(of, study)? {
            if to
                .at(format!("attribution in {}", study.sae.name))
                .is_break()
            {
                return Ok(());
            }
            let found = heads::attribute(&of.model, study.sae.autoencoder()?, &input, feature, at)?;
            largest = largest.max(found.residue().abs() / found.tolerance());
            residue = residue.max(found.residue().abs());
            checked += 1;
        }
    }
    to.report.hard(
        "attributions by head and source sum to the pre-activation, less its bias terms",
        Figure::new(
            format!("off by {residue:.1e} at most, {:.0} % of what rounding allows, {checked} features at tokens", 100.0 * largest),
            [residue, largest],
        ),
        largest <= 1.0,
    );
    Ok(())
}

/// Returns features that fire on the first row of text, with a token each, evenly spaced over the row.
fn samples(of: &Attention, study: &Study) -> Result<Vec<(FeatureId, usize, Input)>> {
    let row = of.held_out.row(0);
    let ids = &row[..row.len().min(TOKENS)];
    let hook = study.sae.hook()?;
    let captured = of.model.capture(&token_tensor(&[ids])?, &[hook])?;
    let x = Matrix::from_tensor(&captured[&hook], of.model.width(hook)?)?;
    let own = study.sae.own_part(&x)?;
    let codes = study.sae.encode(&own)?;
    let input = Input::Tokens {
        ids: ids.into(),
        apart: of.held_out.separates_documents(),
    };
    let step = (ids.len() / CHECKED).max(1);
    let strongest = (1..ids.len()).step_by(step).filter_map(|at| {
        let found = codes.row(at).max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        found.map(|(feature, _)| (feature, at, input.clone()))
    });
    Ok(strongest.collect())
}

/// Recursive attribution adds up at every node.
pub(super) fn recursion(
    of: &Attention,
    _: &AttentionOptions,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let (mut nodes, mut largest, mut share) = (0, 0.0_f64, 0.0_f64);
    for (i, study) in of.studies.iter().enumerate() {
        let mut dictionaries = vec![study.sae.autoencoder()?];
        for other in (of.studies[..i].iter().map(|study| &study.sae)).chain(&of.others) {
            dictionaries.push(other.autoencoder()?);
        }
        let samples = samples(of, study)?;
        for (feature, at, input) in samples.iter().step_by((samples.len() / TRACED).max(1)) {
            let watch = &mut *to.watch;
            let name = &study.sae.name;
            let traced = circuit::trace(
                &of.model,
                &dictionaries,
                input,
                (*feature, *at),
                &circuit::Settings::default(),
                &mut |_| watch.at(format!("recursive attribution in {name}")),
            )?;
            let Ended::Done(traced) = traced else {
                return Ok(());
            };
            nodes += traced.nodes.len();
            for node in &traced.nodes {
                largest = largest.max(node.residue().abs());
                share = share.max(node.residue().abs() / node.tolerance().max(f64::MIN_POSITIVE));
            }
        }
    }
    to.report.hard(
        "recursive attribution: children, bias and what was discarded sum to every node",
        Figure::new(
            format!(
                "off by {largest:.1e} at most, {:.0} % of what rounding allows, {nodes} nodes",
                100.0 * share
            ),
            [largest, share, nodes as f64],
        ),
        share <= 1.0 && nodes > 0,
    );
    Ok(())
}

/// Splicing a dictionary in with its error kept and nothing edited changes no bit of the logits.
pub(super) fn splice(of: &Attention, _: &AttentionOptions, to: &mut Section<'_, '_>) -> Result<()> {
    let row = of.held_out.row(0);
    let tokens = token_tensor(&[row])?;
    let clean = of.model.logits(&tokens)?.flatten_all()?.to_vec1::<f32>()?;
    let (mut differ, mut without_error) = (0, 0.0_f64);
    for study in &of.studies {
        if to.at(format!("splice of {}", study.sae.name)).is_break() {
            return Ok(());
        }
        let kept = spliced(of, study, &tokens, true)?;
        let dropped = spliced(of, study, &tokens, false)?;
        differ += kept
            .iter()
            .zip(&clean)
            .filter(|(a, b)| a.to_bits() != b.to_bits())
            .count();
        let pairs = dropped.iter().zip(&clean);
        without_error = pairs.fold(without_error, |most, (a, b)| {
            most.max(f64::from((a - b).abs()))
        });
    }
    to.report.hard(
        "a splice with its error kept and nothing edited leaves every logit's bits",
        Figure::new(
            format!("{differ} of {} logits differ; without the error the largest difference is {without_error:.2}", clean.len() * of.studies.len()),
            [differ as f64, without_error],
        ),
        differ == 0 && without_error > 0.0,
    );
    Ok(())
}

/// Computes logits with x + (decode(z) − decode(z)) at the dictionary's hook, or with decode(z) where the error is not kept.
fn spliced(
    of: &Attention,
    study: &Study,
    tokens: &candle_core::Tensor,
    keep: bool,
) -> Result<Vec<f32>> {
    let sae = &study.sae;
    let hook: HookPoint = sae.hook()?;
    let width = of.model.width(hook)?;
    let mut hooks = HookFn::new(hook, |_, value| {
        let whole = Matrix::from_tensor(value, width)?;
        let x = sae.own_part(&whole)?.into_owned();
        let recon = sae.decode(&sae.encode(&x)?, &x)?;
        let edited = sae.decode(&sae.encode(&x)?, &x)?;
        let mut out = if keep { x.clone() } else { recon.clone() };
        if keep {
            let parts = edited.values().iter().zip(recon.values());
            for (out, (edited, recon)) in out.values_mut().iter_mut().zip(parts) {
                *out += edited - recon;
            }
        }
        let out = sae.put_back(&whole, out)?;
        Ok(Some(out.to_tensor()?.reshape(value.dims())?))
    });
    let logits = of.model.run(Start::Tokens(tokens), &mut hooks)?;
    let logits = logits.ok_or_else(|| crate::Error::Numeric {
        what: "the forward pass ended before its logits".to_owned(),
    })?;
    Ok(logits.flatten_all()?.to_vec1()?)
}
