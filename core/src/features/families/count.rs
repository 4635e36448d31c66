//! Copies in token rows: which tokens follow earlier copies of each token, and how often that happens by chance.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::corpus::Rows;
use crate::features::predicate::{Lexicon, Line};
use crate::ids::TokenId;

/// Returns, for each position of a line, the distinct tokens that follow earlier fuzzy copies of its token, ascending.
pub(in crate::features) fn followers(lexicon: &Lexicon, line: &Line<'_>) -> Vec<Vec<TokenId>> {
    let class = |t: usize| lexicon.class(lexicon.number(line.tokens[t]));
    let mut latest: HashMap<usize, usize> = HashMap::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(line.tokens.len());
    for t in 0..line.tokens.len() {
        before.push(latest.insert(class(t), t));
    }
    let of = |t: usize| {
        let copies = std::iter::successors(before[t], |q| before[*q]);
        let seen = copies.take_while(|q| *q >= line.from[t]);
        let next: BTreeSet<TokenId> = seen.map(|q| line.tokens[q + 1]).collect();
        next.into_iter().collect()
    };
    (0..line.tokens.len()).map(of).collect()
}

/// A class of tokens and a token that may be next.
pub(super) type Pair = (usize, TokenId);

/// Returns, for each of `pairs`, the share of the tokens of its class, over the positions that count, at which its token follows an earlier copy.
pub(super) fn by_chance(
    rows: &Rows,
    lexicon: &Lexicon,
    pairs: &BTreeSet<Pair>,
) -> BTreeMap<Pair, f64> {
    let mut targets: BTreeMap<usize, Vec<TokenId>> = BTreeMap::new();
    for (class, target) in pairs {
        targets.entry(*class).or_default().push(*target);
    }
    let mut tokens: BTreeMap<usize, u64> = BTreeMap::new();
    let mut holding: BTreeMap<Pair, u64> = BTreeMap::new();
    for row in 0..rows.len() {
        let line = Line::from_rows(rows, row);
        let followers = followers(lexicon, &line);
        for (t, counts) in rows.counts(row).iter().enumerate() {
            let class = lexicon.class(lexicon.number(line.tokens[t]));
            let Some(targets) = targets.get(&class).filter(|_| *counts) else {
                continue;
            };
            *tokens.entry(class).or_default() += 1;
            for target in targets {
                if followers[t].binary_search(target).is_ok() {
                    *holding.entry((class, *target)).or_default() += 1;
                }
            }
        }
    }
    let share = |pair: &Pair| {
        let of = tokens.get(&pair.0).copied().unwrap_or(0);
        let holding = holding.get(pair).copied().unwrap_or(0);
        (*pair, holding as f64 / of.max(1) as f64)
    };
    pairs.iter().map(share).collect()
}
