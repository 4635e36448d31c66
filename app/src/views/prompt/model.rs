//! What Prompt shows of a reading, without egui: tints of the tokens, marks of the features that stand out.

use umbra_core::features::Survey;
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use crate::widgets::token_strip::Scale;

/// Meaning of the tints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ColourBy {
    /// The largest surprise of a feature; without an index, the same as the strongest.
    #[default]
    Surprise,
    /// The activation of any feature that is largest in size.
    Strongest,
    /// The selected feature.
    Feature,
}

/// Tints of one reading.
#[derive(Debug, Default)]
pub(super) struct Tints {
    pub(super) values: Vec<f32>,
    pub(super) scale: Scale,
}

/// Values and scale of the tints: one feature on the scale of the index, or the strongest of each token. Row starts and special tokens are left out of
/// the scale, since dictionaries are trained without them.
pub(super) fn tints(
    reading: &Reading,
    feature: Option<FeatureId>,
    scale: Option<f32>,
    signed: bool,
) -> Tints {
    let value = |t: usize| match feature {
        Some(feature) => reading.latents.get(t, feature),
        None => reading.strongest(t, 1).first().map_or(0.0, |(_, act)| *act),
    };
    let values: Vec<f32> = (0..reading.latents.rows()).map(value).collect();
    let here = largest(reading, &values);
    let most = scale.map_or(here, |scale| scale.max(here));
    scaled(values, most, signed)
}

/// Surprise of each token in bits, on the scale of the sentence.
pub(super) fn surprise(reading: &Reading, survey: &Survey) -> Tints {
    let most = largest(reading, &survey.tokens);
    scaled(survey.tokens.clone(), most, false)
}

/// The largest size among the tokens that count.
fn largest(reading: &Reading, values: &[f32]) -> f32 {
    let counted = values.iter().zip(&reading.counts);
    let counted = counted.filter(|(_, counts)| **counts);
    counted.fold(0.0_f32, |most, (value, _)| most.max(value.abs()))
}

fn scaled(values: Vec<f32>, most: f32, signed: bool) -> Tints {
    let most = if most > 0.0 { most } else { 1.0 };
    let scale = Scale { most, signed };
    Tints { values, scale }
}

/// For each token that counts, the numbers of the `marked` features that are active on it.
pub(super) fn marks(reading: &Reading, marked: &[FeatureId]) -> Vec<Vec<usize>> {
    let on = |t: usize| {
        let counts = reading.counts.get(t) == Some(&true);
        let active = |(_, feature): &(usize, &FeatureId)| reading.latents.get(t, **feature) != 0.0;
        let numbers = marked.iter().enumerate().filter(|_| counts).filter(active);
        numbers.map(|(number, _)| number).collect()
    };
    (0..reading.latents.rows()).map(on).collect()
}
