//! The three rankings of a head, and how far weights and attribution agree.

use super::{Correlation, Effect, OnText};
use crate::heads::PER_HEAD;
use crate::ids::{FeatureId, Head};

/// Ranking of a head's features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ranking {
    /// By decoder share.
    Share,
    /// By direct attribution over the text.
    Attribution,
    /// By causal effect.
    Causal,
}

impl Ranking {
    /// All rankings.
    pub const ALL: [Self; 3] = [Self::Share, Self::Attribution, Self::Causal];

    /// Key in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Attribution => "attribution",
            Self::Causal => "causal",
        }
    }
}

/// A feature of a head.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRow {
    /// Feature.
    pub feature: FeatureId,
    /// Share of its decoder norm in this head.
    pub share: f64,
    /// Σ |z_h · w_h| over the tokens where it is active.
    pub attribution: f64,
    /// Share of its attribution in this head.
    pub attribution_share: f64,
    /// Tokens of the text where it is active.
    pub active: u64,
    /// Causal effect, where it was measured and the feature is active in the sampled rows.
    pub effect: Option<Effect>,
    /// Place in each of [`Ranking::ALL`], from 1. The causal ranking has only the features whose effect was measured.
    pub places: [Option<usize>; 3],
    /// Correlation of decoder share and attribution share over the heads.
    pub correlation: Correlation,
}

/// Features of a head that one of its rankings names, in the order of decoder share.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadFeatures {
    /// Head.
    pub head: Head,
    /// Features among the first ten by share or by attribution.
    pub rows: Vec<FeatureRow>,
    /// Correlation of decoder share and attribution share over the live features that are active on the text.
    pub correlation: Correlation,
    /// Number of live features.
    pub live: usize,
}

impl HeadFeatures {
    /// Returns the first ten features of a ranking, best first; fewer if fewer are live or measured.
    pub fn by(&self, ranking: Ranking) -> Vec<&FeatureRow> {
        let at = ranking as usize;
        let mut rows: Vec<&FeatureRow> = self
            .rows
            .iter()
            .filter(|row| row.places[at].is_some())
            .collect();
        rows.sort_by_key(|row| row.places[at]);
        rows.truncate(PER_HEAD);
        rows
    }

    /// Returns the features with the largest decoder share.
    pub fn first_by_share(&self) -> Vec<FeatureId> {
        let rows = self.by(Ranking::Share);
        rows.into_iter().map(|row| row.feature).collect()
    }
}

/// Ranks the features for which `live [f]` holds at every head, by share and by attribution.
pub fn rank(text: &OnText, live: &[bool]) -> Vec<HeadFeatures> {
    (0..text.heads())
        .map(|head| of_head(text, live, Head::from(head)))
        .collect()
}

fn of_head(text: &OnText, live: &[bool], head: Head) -> HeadFeatures {
    let live: Vec<FeatureId> = (0..text.features())
        .filter(|feature| live.get(*feature).copied().unwrap_or(false))
        .map(FeatureId::from)
        .collect();
    let share = |feature: FeatureId| text.share(feature, head);
    let attribution = |feature: FeatureId| text.attribution(feature, head);
    let by_share = ordered(&live, share);
    let by_attribution = ordered(&live, attribution);
    let mut named: Vec<FeatureId> = [&by_share, &by_attribution]
        .into_iter()
        .flat_map(|order| order.iter().take(PER_HEAD))
        .copied()
        .collect();
    named.sort_by(|a, b| share(*b).total_cmp(&share(*a)).then(a.cmp(b)));
    named.dedup();
    let place = |order: &[FeatureId], feature| {
        order
            .iter()
            .position(|other| *other == feature)
            .map(|at| at + 1)
    };
    let row = |feature: FeatureId| FeatureRow {
        feature,
        share: share(feature),
        attribution: attribution(feature),
        attribution_share: text.attribution_share(feature, head),
        active: text.active(feature),
        effect: None,
        places: [
            place(&by_share, feature),
            place(&by_attribution, feature),
            None,
        ],
        correlation: text.correlation_over_heads(feature),
    };
    let points: Vec<[f64; 2]> = live
        .iter()
        .filter(|feature| text.active(**feature) > 0)
        .map(|feature| text.point(*feature, head))
        .collect();
    HeadFeatures {
        head,
        rows: named.into_iter().map(row).collect(),
        correlation: Correlation::new(&points),
        live: live.len(),
    }
}

/// Sorts features by a figure, largest first, ties by feature.
fn ordered(features: &[FeatureId], figure: impl Fn(FeatureId) -> f64) -> Vec<FeatureId> {
    let mut order = features.to_vec();
    order.sort_by(|a, b| figure(*b).total_cmp(&figure(*a)).then(a.cmp(b)));
    order
}

/// Puts the causal effects, one for each of the head's rows, into its table and ranks by them.
pub fn with_effects(head: &mut HeadFeatures, effects: &[Option<Effect>]) {
    for (row, effect) in head.rows.iter_mut().zip(effects) {
        row.effect = *effect;
    }
    let mut measured: Vec<(usize, f64)> = (head.rows.iter().enumerate())
        .filter_map(|(at, row)| Some((at, row.effect?.rise)))
        .collect();
    measured.sort_by(|a, b| {
        b.1.total_cmp(&a.1)
            .then(head.rows[a.0].feature.cmp(&head.rows[b.0].feature))
    });
    for (place, (at, _)) in measured.into_iter().enumerate() {
        head.rows[at].places[Ranking::Causal as usize] = Some(place + 1);
    }
}
