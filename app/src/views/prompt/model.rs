//! Contents of Prompt from a reading, without egui: tints of the tokens, marks of the features that stand out.

use umbra_core::features::Survey;
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use crate::state::dark_matter::places::{Errors, Part};
use crate::theme::Hue;
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
    /// Several chosen features, in bands below each token.
    Several,
    /// The norm of a part of the dictionary's error.
    Error(Part),
}

impl ColourBy {
    /// Hue of its tints.
    pub(super) fn hue(self) -> Hue {
        match self {
            Self::Error(_) => Hue::Error,
            Self::Surprise | Self::Strongest | Self::Feature | Self::Several => Hue::Activation,
        }
    }
}

/// Tints of one reading.
#[derive(Debug, Default)]
pub(super) struct Tints {
    pub(super) values: Vec<f32>,
    pub(super) scale: Scale,
    /// The value that is the faintest tint; 0 but for surprise, which is nowhere near it.
    pub(super) from: f32,
}

impl Tints {
    /// Returns how strong the tint of a value is, −1 to 1.
    pub(super) fn share(&self, value: f32) -> f32 {
        if self.from == 0.0 {
            return value / self.scale.most;
        }
        let part = (value - self.from) / (self.scale.most - self.from).max(f32::MIN_POSITIVE);
        if value > 0.0 {
            FAINT + (1.0 - FAINT) * part
        } else {
            0.0
        }
    }
}

/// The faintest tint of a scale that does not begin at 0.
const FAINT: f32 = 0.08;

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

/// Surprise of each token that counts, in bits, on the scale of the sentence: from its least to its most surprising token.
pub(super) fn surprise(reading: &Reading, survey: &Survey) -> Tints {
    let bits = |(t, bits): (usize, &f32)| {
        let counts = reading.counts.get(t) == Some(&true);
        if counts { *bits } else { 0.0 }
    };
    let values: Vec<f32> = survey.tokens.iter().enumerate().map(bits).collect();
    let most = largest(reading, &values);
    let some = values.iter().copied().filter(|bits| *bits > 0.0);
    let least = some.fold(most, f32::min);
    let from = if least < most { least } else { 0.0 };
    Tints {
        from,
        ..scaled(values, most, false)
    }
}

/// Norm of a part of the error on each token that counts, on one scale for all parts.
pub(super) fn error(errors: &Errors, part: Part) -> Tints {
    scaled(errors.values(part), errors.most(), false)
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
    Tints {
        values,
        scale,
        from: 0.0,
    }
}

/// For each token that counts, its bands: the numbers of the `chosen` features that are active on it, with their share of the largest activation by `most`. The parts
/// of the token with the largest sum make up 1.
pub(super) fn bands(
    reading: &Reading,
    chosen: &[FeatureId],
    most: impl Fn(FeatureId) -> Option<f32>,
) -> Vec<Vec<(usize, f32)>> {
    let scale = |feature: &FeatureId| {
        let values = (0..reading.latents.rows()).map(|t| reading.latents.get(t, *feature));
        let here = largest(reading, &values.collect::<Vec<_>>());
        let scale = most(*feature).map_or(here, |most| most.max(here));
        if scale > 0.0 { scale } else { 1.0 }
    };
    let scales: Vec<f32> = chosen.iter().map(scale).collect();
    let on = |t: usize| -> Vec<(usize, f32)> {
        let counts = reading.counts.get(t) == Some(&true);
        let features = chosen.iter().zip(&scales).enumerate();
        let band = |(number, (feature, scale)): (usize, (&FeatureId, &f32))| {
            (number, reading.latents.get(t, *feature).abs() / scale)
        };
        let bands = features.filter(|_| counts).map(band);
        bands.filter(|(_, part)| *part > 0.0).collect()
    };
    let mut all: Vec<Vec<(usize, f32)>> = (0..reading.latents.rows()).map(on).collect();
    let sum = |bands: &Vec<(usize, f32)>| bands.iter().map(|(_, part)| part).sum::<f32>();
    let tallest = all.iter().map(sum).fold(0.0, f32::max);
    for (_, part) in all.iter_mut().flatten() {
        *part /= tallest;
    }
    all
}

/// Height of each token's bands, as a tint where there is no room for bands.
pub(super) fn heights(bands: &[Vec<(usize, f32)>]) -> Tints {
    let sum = |bands: &Vec<(usize, f32)>| bands.iter().fold(0.0_f32, |sum, (_, part)| sum + *part);
    scaled(bands.iter().map(sum).collect(), 1.0, false)
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
