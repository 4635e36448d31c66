//! Tokens that the examples of a feature suggest for facts about it.

use std::collections::BTreeMap;

use super::{CANDIDATES, Kind};
use crate::corpus::Rows;
use crate::error::Result;
use crate::features::Index;
use crate::features::families::{Held, Peaks, targets};
use crate::features::index::damaged;
use crate::features::pack::{Of, PackedExample};
use crate::features::predicate::Lexicon;
use crate::ids::{FeatureId, TokenId};
use crate::models::Model;

/// Kinds of fact that name tokens.
pub(super) const NAMING_TOKENS: [Kind; 4] = [Kind::On, Kind::After, Kind::Before, Kind::Induction];

/// Tokens suggested for one feature, by kind of [`NAMING_TOKENS`].
pub(super) type Suggested = [Vec<TokenId>; NAMING_TOKENS.len()];

/// Features whose details are read at once.
const AT_ONCE: usize = 1024;
/// Last form of an index without counts of tokens.
const WITHOUT_USES: u32 = 2;

/// Returns the tokens suggested for each feature: those most frequent in its counts, then in its examples, of equals the first by id; for induction the token that
/// most often follows earlier copies of its strongest tokens.
pub(super) fn suggested(index: &Index, model: &Model) -> Result<Vec<Suggested>> {
    let held = Held::read(index, model)?;
    let rows = &held.rows;
    let place = |example: &PackedExample| match example.of {
        Of::Row { row, position } if position < rows.context() => {
            let act = example.acts.get(example.at)?;
            Some((held.at(row)?, position as u32, act.abs()))
        }
        _ => None,
    };
    let features = index.about().features;
    let mut all: Vec<Suggested> = Vec::with_capacity(features);
    let mut peaks = Vec::with_capacity(features);
    for first in (0..features).step_by(AT_ONCE) {
        let details = index.packed_details(first..features.min(first + AT_ONCE))?;
        for packed in details {
            let drawn = packed.intervals.iter().flat_map(|(_, examples)| examples);
            let places: Option<Vec<_>> = packed.top.iter().chain(drawn).map(place).collect();
            let places = places.ok_or_else(|| damaged(index.path()))?;
            let [on, after, before] = votes(rows, &places).map(most_frequent);
            all.push([on, after, before, Vec::new()]);
            peaks.push(Peaks {
                max: 0.0,
                top: places[..packed.top.len()].to_vec(),
            });
        }
    }
    if index.about().form > WITHOUT_USES {
        for (feature, suggested) in all.iter_mut().enumerate() {
            let Some(uses) = index.detail(FeatureId::from(feature))?.uses else {
                continue;
            };
            let [on, after, ..] = suggested;
            for (list, counted) in [(on, uses.by_count), (after, uses.preceding)] {
                let frequent = counted.iter().map(|used| used.id).take(CANDIDATES - 3);
                let mut joined: Vec<TokenId> = frequent.collect();
                let others = list.iter().filter(|id| !joined.contains(id));
                let others: Vec<TokenId> = others.copied().collect();
                joined.extend(others);
                joined.truncate(CANDIDATES);
                *list = joined;
            }
        }
    }
    let lexicon = Lexicon::new(model.codec(), rows.tokens());
    for (suggested, target) in all.iter_mut().zip(targets(rows, &lexicon, &peaks)) {
        suggested[3].extend(target);
    }
    Ok(all)
}

/// Counts the tokens at examples, before and behind them.
fn votes(rows: &Rows, places: &[(u32, u32, f32)]) -> [BTreeMap<TokenId, u32>; 3] {
    let mut votes: [BTreeMap<TokenId, u32>; 3] = Default::default();
    for (row, position, _) in places {
        let tokens = rows.row(*row as usize);
        let t = *position as usize;
        let beside = [Some(t), t.checked_sub(1), Some(t + 1)];
        for (votes, at) in votes.iter_mut().zip(beside) {
            if let Some(token) = at.and_then(|at| tokens.get(at)) {
                *votes.entry(*token).or_default() += 1;
            }
        }
    }
    votes
}

/// Returns the tokens with the most votes, of equals the first by id.
fn most_frequent(votes: BTreeMap<TokenId, u32>) -> Vec<TokenId> {
    let mut votes: Vec<(TokenId, u32)> = votes.into_iter().collect();
    votes.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
    votes.truncate(CANDIDATES);
    votes.into_iter().map(|(token, _)| token).collect()
}
