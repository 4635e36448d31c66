//! Surprise: how much an activation tells, by what an index knows of its feature. Ranks the features of a token and of a whole reading by it.
//!
//! The surprise of activation `a` is `(|a| / max |a|) · log₂(1 / density)`, in bits. Both figures of the feature are the index's. It is not defined where the index
//! never saw the feature active, or where a figure or the activation is not a finite number: such a feature is listed apart and gets no number.

use super::Summary;
use crate::ids::FeatureId;
use crate::prompt::Reading;

/// Share of tokens above which a feature counts as dense.
pub const DENSE: f64 = 0.1;

/// Computes the surprise of an activation in bits; none where it is not defined.
pub fn surprise(act: f32, summary: &Summary) -> Option<f64> {
    let bits = bits_per_unit(summary)? * f64::from(act).abs();
    bits.is_finite().then_some(bits)
}

/// Computes `log₂(1 / density) / max |a|`.
fn bits_per_unit(summary: &Summary) -> Option<f64> {
    let (most, density) = (summary.strongest().abs(), summary.density);
    let known = most.is_finite() && most > 0.0 && density > 0.0 && density <= 1.0;
    let bits = (1.0 / density).log2() / most;
    (known && bits.is_finite()).then_some(bits)
}

/// An active feature on a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Firing {
    /// Feature.
    pub feature: FeatureId,
    /// Position of the token.
    pub at: usize,
    /// Activation, with its sign.
    pub act: f32,
    /// Surprise in bits; none where it is not defined.
    pub surprise: Option<f64>,
}

/// Features in groups, each in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranked {
    /// Most surprising first.
    pub listed: Vec<Firing>,
    /// Features without a surprise, largest activation in size first.
    pub unknown: Vec<Firing>,
    /// Features on more than [`DENSE`] of the index's tokens, most surprising first.
    pub dense: Vec<Firing>,
}

impl Ranked {
    fn sorted(mut self) -> Self {
        self.listed.sort_by(by_surprise);
        self.unknown.sort_by(by_size);
        self.dense.sort_by(by_surprise);
        self
    }

    /// Returns all features: listed, unknown, dense.
    pub fn all(&self) -> impl Iterator<Item = &Firing> {
        self.listed.iter().chain(&self.unknown).chain(&self.dense)
    }
}

fn by_surprise(a: &Firing, b: &Firing) -> std::cmp::Ordering {
    let bits = |firing: &Firing| firing.surprise.unwrap_or(0.0);
    bits(b).total_cmp(&bits(a)).then_with(|| by_size(a, b))
}

fn by_size(a: &Firing, b: &Firing) -> std::cmp::Ordering {
    let size = |firing: &Firing| firing.act.abs();
    let order = size(b).total_cmp(&size(a));
    order.then(a.feature.cmp(&b.feature))
}

/// Features of a whole reading: what surprises most on each token, and each feature where it is strongest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// Largest surprise of a listed feature per token; 0 where there is none.
    pub tokens: Vec<f32>,
    /// Each active feature where it is strongest, over the tokens that count ([`Reading::counts`]).
    pub features: Ranked,
}

impl Survey {
    /// Ranks the features of `reading` by the size of their activations, without an index: all of them are listed, and none has a surprise.
    pub fn by_size(reading: &Reading) -> Self {
        let mut listed: Vec<Firing> = peaks(reading, &|_, _| None);
        listed.sort_by(by_size);
        let rows = 0..reading.latents.rows();
        let strongest = |t| reading.latents.row(t).map(|(_, act)| act.abs());
        Self {
            tokens: rows.map(|t| strongest(t).fold(0.0, f32::max)).collect(),
            features: Ranked {
                listed,
                ..Ranked::default()
            },
        }
    }

    /// Ranks the features of `reading` by their share of its reconstruction, largest in size first: all of them are listed, and none has a surprise.
    pub fn by_share(reading: &Reading) -> Self {
        let parts = reading.parts().into_iter();
        let listed = parts.map(|part| Firing {
            feature: part.feature,
            at: part.at,
            act: part.act,
            surprise: None,
        });
        Self {
            features: Ranked {
                listed: listed.collect(),
                ..Ranked::default()
            },
            ..Self::by_size(reading)
        }
    }

    /// Returns up to `most` listed features for marks of their own: those first that are strongest on a token where no better one is, then the others.
    pub fn marked(&self, most: usize) -> Vec<FeatureId> {
        let (mut first, mut rest) = (Vec::<&Firing>::new(), Vec::new());
        for firing in &self.features.listed {
            if first.len() == most {
                break;
            }
            if first.iter().any(|other| other.at == firing.at) {
                rest.push(firing);
            } else {
                first.push(firing);
            }
        }
        first.extend(rest);
        first.truncate(most);
        first.iter().map(|firing| firing.feature).collect()
    }
}

/// Each feature that is active on a token that counts, where it is strongest.
fn peaks(reading: &Reading, surprise: &dyn Fn(FeatureId, f32) -> Option<f64>) -> Vec<Firing> {
    let latents = &reading.latents;
    let features = latents.features.iter().map(|f| *f as usize + 1).max();
    let mut places = vec![usize::MAX; features.unwrap_or(0)];
    let mut peaks: Vec<Firing> = Vec::new();
    for at in (0..latents.rows()).filter(|t| reading.counts.get(*t) == Some(&true)) {
        for (feature, act) in latents.row(at).filter(|(_, act)| *act != 0.0) {
            let place = &mut places[feature.index()];
            if let Some(peak) = peaks.get_mut(*place) {
                if act.abs() > peak.act.abs() {
                    (peak.at, peak.act) = (at, act);
                }
            } else {
                *place = peaks.len();
                peaks.push(Firing {
                    feature,
                    at,
                    act,
                    surprise: None,
                });
            }
        }
    }
    for peak in &mut peaks {
        peak.surprise = surprise(peak.feature, peak.act);
    }
    peaks
}

/// Figures of an index by which activations are ranked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rarity {
    /// Bits per unit of activation by feature; NaN where they are not defined.
    bits: Vec<f64>,
    /// Whether each feature is dense.
    dense: Vec<bool>,
}

impl Rarity {
    /// Takes the figures of `summaries`, which are in the order of features.
    pub fn new(summaries: &[Summary]) -> Self {
        let bits = |summary| bits_per_unit(summary).unwrap_or(f64::NAN);
        Self {
            bits: summaries.iter().map(bits).collect(),
            dense: summaries.iter().map(|s| s.density > DENSE).collect(),
        }
    }

    /// Returns the [`surprise`] of an activation of `feature`; none for a feature that the index does not have.
    pub fn surprise(&self, feature: FeatureId, act: f32) -> Option<f64> {
        let bits = self.bits(feature)? * f64::from(act).abs();
        bits.is_finite().then_some(bits)
    }

    /// Returns the bits per unit of activation of `feature`; none where they are not defined.
    pub(super) fn bits(&self, feature: FeatureId) -> Option<f64> {
        let bits = self.bits.get(feature.index()).copied();
        bits.filter(|bits| bits.is_finite())
    }

    /// Whether `feature` is active on more than [`DENSE`] of the index's tokens.
    pub fn is_dense(&self, feature: FeatureId) -> bool {
        self.dense.get(feature.index()) == Some(&true)
    }

    /// Ranks the features that are active on token `at`.
    pub fn rank(&self, reading: &Reading, at: usize) -> Ranked {
        let active = reading.latents.row(at).filter(|(_, act)| *act != 0.0);
        let firing = |(feature, act)| Firing {
            feature,
            at,
            act,
            surprise: self.surprise(feature, act),
        };
        self.grouped(active.map(firing))
    }

    /// Ranks the features of a whole reading.
    pub fn survey(&self, reading: &Reading) -> Survey {
        let most = |t| {
            let telling = reading.latents.row(t).filter(|(f, _)| !self.is_dense(*f));
            let bits = telling.filter_map(|(feature, act)| self.surprise(feature, act));
            bits.fold(0.0, f64::max) as f32
        };
        let peaks = peaks(reading, &|feature, act| self.surprise(feature, act));
        Survey {
            tokens: (0..reading.latents.rows()).map(most).collect(),
            features: self.grouped(peaks),
        }
    }

    fn grouped(&self, all: impl IntoIterator<Item = Firing>) -> Ranked {
        let mut ranked = Ranked::default();
        for firing in all {
            let group = match firing.surprise {
                _ if self.is_dense(firing.feature) => &mut ranked.dense,
                Some(_) => &mut ranked.listed,
                None => &mut ranked.unknown,
            };
            group.push(firing);
        }
        ranked.sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TokenId;
    use crate::latents::Latents;

    fn known(feature: u32, density: f64, min: f64, max: f64) -> Summary {
        Summary {
            feature: FeatureId(feature),
            density,
            min,
            max,
            ..Summary::default()
        }
    }

    /// A reading of rows of (feature, activation); the first token does not count.
    fn reading(rows: &[&[(u32, f32)]]) -> Reading {
        let mut latents = Latents {
            offsets: vec![0],
            features: vec![],
            acts: vec![],
        };
        for row in rows {
            for (feature, act) in *row {
                latents.features.push(*feature);
                latents.acts.push(*act);
            }
            latents.offsets.push(latents.features.len());
        }
        Reading {
            tokens: vec![TokenId(0); rows.len()],
            texts: vec![String::new(); rows.len()],
            text: String::new(),
            spans: vec![0..0; rows.len()],
            counts: (0..rows.len()).map(|t| t > 0).collect(),
            latents,
            next: vec![vec![]; rows.len()],
            ..Reading::default()
        }
    }

    fn order(firings: &[Firing]) -> Vec<u32> {
        firings.iter().map(|firing| firing.feature.0).collect()
    }

    #[test]
    fn surprise_is_the_share_of_the_maximum_times_the_bits_of_the_density() {
        // A quarter of the maximum, one token in 1024: 0.25 · 10 bits.
        let summary = known(0, 1.0 / 1024.0, 0.0, 8.0);
        assert_eq!(surprise(2.0, &summary), Some(2.5));
        assert_eq!(surprise(8.0, &summary), Some(10.0));
        // Beyond the index's maximum the formula goes on.
        assert_eq!(surprise(16.0, &summary), Some(20.0));
        assert_eq!(surprise(0.0, &summary), Some(0.0));
        assert_eq!(surprise(3.0, &known(0, 1.0, 0.0, 8.0)), Some(0.0));
        // Of either sign: sizes over the largest size.
        let signed = known(0, 0.125, -6.0, 2.0);
        assert_eq!(surprise(-3.0, &signed), Some(1.5));
        assert_eq!(surprise(3.0, &signed), Some(1.5));
        // The definition in plain f64 for other values.
        for (act, density, max) in [(0.3_f32, 3.7e-5, 1.7), (11.0, 0.02, 29.5), (1e-3, 0.5, 4.0)] {
            let want = f64::from(act) / max * -f64::log2(density);
            let is = surprise(act, &known(0, density, 0.0, max)).unwrap();
            assert!((is - want).abs() <= 1e-12 * want, "{is} {want}");
        }
    }

    #[test]
    fn nothing_is_made_up_where_surprise_is_not_defined() {
        let (nan, infinite) = (f64::NAN, f64::INFINITY);
        let cases = [
            (0.0, 0.0),
            (0.0, 5.0),
            (0.01, 0.0),
            (nan, 5.0),
            (0.01, nan),
            (-0.1, 5.0),
            (1.5, 5.0),
            (0.01, infinite),
            (infinite, 5.0),
            (f64::MIN_POSITIVE, 1e-308),
        ];
        for (density, max) in cases {
            assert_eq!(
                surprise(1.0, &known(0, density, 0.0, max)),
                None,
                "{density} {max}"
            );
        }
        for act in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(surprise(act, &known(0, 0.01, 0.0, 5.0)), None, "{act}");
        }
    }

    /// Features 0 to 3: rare, usual, dense, never active.
    fn rarity() -> Rarity {
        Rarity::new(&[
            known(0, 1.0 / 4096.0, 0.0, 10.0),
            known(1, 1.0 / 16.0, 0.0, 10.0),
            known(2, 0.5, 0.0, 30.0),
            known(3, 0.0, 0.0, 0.0),
        ])
    }

    #[test]
    fn a_token_s_features_are_ranked_in_groups() {
        let read = reading(&[&[], &[(1, 9.0), (2, 29.0), (0, 4.0), (3, 1.0), (7, 2.0)]]);
        let ranked = rarity().rank(&read, 1);
        // 4 / 10 · 12 bits before 9 / 10 · 4 bits, although its activation is smaller.
        assert_eq!(order(&ranked.listed), [0, 1]);
        let bits = ranked.listed[0].surprise.unwrap();
        assert!((bits - 4.8).abs() < 1e-12, "{bits}");
        // Never active in the index, and not of the index at all.
        assert_eq!(order(&ranked.unknown), [7, 3]);
        assert!(
            ranked
                .unknown
                .iter()
                .all(|firing| firing.surprise.is_none())
        );
        assert_eq!(order(&ranked.dense), [2]);
        assert_eq!(ranked.all().count(), 5);
    }

    #[test]
    fn a_reading_s_features_stand_where_they_are_strongest_on_tokens_that_count() {
        let rows: [&[(u32, f32)]; 4] = [
            &[(0, 90.0)],
            &[(0, 2.0), (2, 20.0)],
            &[(0, 5.0), (1, 10.0)],
            &[(1, 1.0), (3, 6.0)],
        ];
        let survey = rarity().survey(&reading(&rows));
        let (listed, at) = (&survey.features.listed, |i: usize| {
            survey.features.listed[i].at
        });
        assert_eq!((order(listed), at(0), at(1)), (vec![0, 1], 2, 2));
        assert_eq!(order(&survey.features.unknown), [3]);
        assert_eq!(order(&survey.features.dense), [2]);
        // The dense feature and the unknown one colour no token.
        assert_eq!(survey.tokens, [108.0, 2.4, 6.0, 0.4]);
        let raw = Survey::by_size(&reading(&rows));
        assert_eq!(order(&raw.features.listed), [2, 1, 3, 0]);
        assert_eq!(raw.tokens, [90.0, 20.0, 10.0, 6.0]);
        assert!(raw.features.all().all(|firing| firing.surprise.is_none()));
    }

    #[test]
    fn marks_go_to_different_tokens_first() {
        let rows: [&[(u32, f32)]; 4] = [
            &[],
            &[(0, 9.0), (1, 8.0), (2, 7.0)],
            &[(3, 6.0)],
            &[(4, 5.0), (5, 4.0)],
        ];
        let survey = Survey::by_size(&reading(&rows));
        let marked = |most| survey.marked(most).iter().map(|f| f.0).collect::<Vec<_>>();
        assert_eq!(marked(2), [0, 3]);
        assert_eq!(marked(4), [0, 3, 4, 1]);
        assert_eq!(marked(9).len(), 6);
    }
}
