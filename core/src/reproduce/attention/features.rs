//! Claims on features and heads: induction features found without being told, and heads whose ten features have several roles.

use super::{Attention, AttentionOptions, Figure, Section, Study};
use crate::error::Result;
use crate::features::families::{InductionFeature, induction_features};
use crate::heads::roles::{self as of_heads, HeadRoles, Settings};
use crate::progress::Ended;
use crate::project::Verdict as Roles;

/// Least specificity in the top half of a feature's activation.
const SPECIFIC: f64 = 0.8;

/// Induction features, found by the predicate that their target is next by induction.
pub(super) fn induction(
    of: &Attention,
    _: &AttentionOptions,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let mut found: Vec<(&str, InductionFeature)> = Vec::new();
    for study in &of.studies {
        let (watch, name) = (&mut *to.watch, study.sae.name.as_str());
        let subject = (&of.model, study.sae.by_token()?);
        let ended = induction_features(subject, &of.held_out, &mut |at| {
            watch.at(format!(
                "induction features of {name}, {} of {} rows",
                at.done, at.total
            ))
        })?;
        let Ended::Done(features) = ended else {
            return Ok(());
        };
        found.extend(features.into_iter().map(|feature| (name, feature)));
    }
    found.sort_by(|(_, a), (_, b)| {
        b.induction
            .specificity()
            .total_cmp(&a.induction.specificity())
    });
    let values: Vec<f64> = found
        .iter()
        .map(|(_, one)| one.induction.specificity())
        .collect();
    let clear = values
        .iter()
        .filter(|specificity| **specificity > SPECIFIC)
        .count();
    let text = found.first().map_or_else(
        || "none was found".to_owned(),
        |(name, one)| {
            let most = &one.induction;
            format!(
                "{clear} found, such as {name} #{} for {:?}: {:.2} of its {} strongest tokens, {:.2} by chance; this model has {} layers, that of the paper's example 2",
                one.feature,
                most.text,
                most.specificity(),
                most.top,
                most.by_chance,
                of.model.config().layers
            )
        },
    );
    to.report.soft(
        "an induction feature is found by itself, with a specificity above 0.8 in its top activation half",
        Figure::new(text, values),
        clear > 0,
    );
    Ok(())
}

/// Verdicts on the ten features of every head.
pub(super) fn roles(
    of: &Attention,
    options: &AttentionOptions,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let settings = Settings {
        sampled_rows: options.sampled_rows,
        draws: options.draws,
        ..Settings::default()
    };
    let (mut words, mut values) = (Vec::new(), Vec::new());
    let (mut little, mut judged) = (0, 0);
    for study in &of.studies {
        let (watch, name) = (&mut *to.watch, study.sae.name.as_str());
        let live = live(study)?;
        let rows = (&of.held_out, live.as_deref());
        let ended = of_heads::study(
            &of.model,
            study.sae.autoencoder()?,
            rows,
            &settings,
            &mut |at| {
                watch.at(format!(
                    "roles of heads by {name}, {} of {} rows",
                    at.done, at.total
                ))
            },
        )?;
        let Ended::Done(found) = ended else {
            return Ok(());
        };
        let heads = &found.roles.heads;
        let count = |verdict| {
            heads
                .iter()
                .filter(|head: &&HeadRoles| head.verdict == verdict)
                .count()
        };
        judged += heads.len();
        little += heads.iter().filter(|head| head.parts.is_little()).count();
        let several = count(Roles::Several);
        words.push(format!(
            "layer {} {several} of {} ({} one, {} unsure)",
            study.layer,
            heads.len(),
            count(Roles::One),
            count(Roles::Unsure)
        ));
        values.push(several as f64);
    }
    words.push(format!(
        "the ten features explain less than {:.0} % of what {little} of {judged} heads write",
        100.0 * of_heads::EXPLAINED
    ));
    let everywhere = values.iter().all(|several| *several > 0.0);
    to.report.soft(
        "every layer has heads whose ten features have several roles",
        Figure::new(words.join(", "), values),
        everywhere,
    );
    Ok(())
}

/// Returns which features are active on the index's text, if there is an index.
fn live(study: &Study) -> Result<Option<Vec<bool>>> {
    let Some(index) = &study.index else {
        return Ok(None);
    };
    index.check_features(&study.sae)?;
    let summaries = index.summaries()?;
    Ok(Some(
        summaries
            .iter()
            .map(|summary| summary.density > 0.0)
            .collect(),
    ))
}
