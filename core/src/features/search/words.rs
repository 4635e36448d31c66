//! All words of an index in memory, and the search over them.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use rayon::prelude::*;

use super::super::pack::{Of, PackedDetail};
use super::super::{Index, TOP};
use super::facts::FactWords;
use super::split::{self, Word};
use super::{Hit, Matcher};
use crate::error::Result;
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};

/// Most words of a query that count.
const WORDS: usize = 64;

/// Features read between two calls of the observer.
const STEP: usize = 1024;

/// The words of an index: those of its examples, and the tokens its features promote and suppress. Read once, asked often, from any thread.
#[derive(Debug)]
pub struct Words {
    /// Words of the rows, each with its places.
    places: BTreeMap<Box<str>, Vec<Span>>,
    /// By row.
    examples: Vec<Example>,
    /// Number of examples of each feature.
    of: Vec<u8>,
    /// Tokens by rank.
    tokens: Vec<Arc<str>>,
    promoted: Effects,
    suppressed: Effects,
    facts: FactWords,
}

/// A word in a row: from its first token to its last.
#[derive(Debug, Clone, Copy)]
struct Span {
    row: u32,
    first: u32,
    last: u32,
}

/// One of a feature's strongest examples.
#[derive(Debug, Clone, Copy)]
struct Example {
    row: u32,
    feature: u32,
    /// Rank of the token at which it peaks.
    peak: u32,
    position: u32,
    /// Tokens of the window before that token, and in all.
    at: u8,
    window: u8,
}

/// Ranks of tokens, those of feature `f` from `ends[f − 1]` to `ends[f]`.
#[derive(Debug, Default)]
struct Effects {
    ranks: Vec<u32>,
    ends: Vec<u32>,
}

impl Effects {
    fn push(&mut self, effects: &[(u32, f32)]) {
        self.ranks.extend(effects.iter().map(|(rank, _)| *rank));
        self.ends.push(self.ranks.len() as u32);
    }

    fn of(&self, feature: usize) -> &[u32] {
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let from = feature.checked_sub(1).map_or(0, end);
        self.ranks.get(from..end(feature)).unwrap_or_default()
    }
}

impl Words {
    /// Reads the words of an index in one pass, unless the observer stops it.
    pub fn read(index: &Index, observe: &mut dyn FnMut(Progress) -> Flow) -> Result<Ended<Self>> {
        let features = index.about().features;
        let mut words = Self {
            places: BTreeMap::new(),
            examples: Vec::new(),
            of: Vec::with_capacity(features),
            tokens: index.token_texts()?,
            promoted: Effects::default(),
            suppressed: Effects::default(),
            facts: FactWords::new(index.facts()?.as_ref()),
        };
        for from in (0..features).step_by(STEP) {
            if observe(Progress::new(from, features, "features")).is_break() {
                return Ok(Ended::STOPPED);
            }
            for detail in index.packed_details(from..features.min(from + STEP))? {
                words.add(&detail);
            }
        }
        words.examples.sort_unstable_by_key(|example| example.row);
        let mut examples = std::mem::take(&mut words.examples);
        index.each_row(&mut |row, ranks| {
            let from = examples.partition_point(|example| example.row < row);
            let to = examples.partition_point(|example| example.row <= row);
            words.add_row(row, ranks, &mut examples[from..to]);
        })?;
        words.examples = examples;
        for places in words.places.values_mut() {
            places.shrink_to_fit();
        }
        Ok(Ended::Done(words))
    }

    fn add(&mut self, detail: &PackedDetail) {
        let feature = self.of.len() as u32;
        self.of.push(detail.top.len().min(TOP) as u8);
        self.promoted.push(&detail.promoted);
        self.suppressed.push(&detail.suppressed);
        for packed in detail.top.iter().take(TOP) {
            let mut example = Example {
                row: self.examples.len() as u32,
                feature,
                peak: u32::MAX,
                position: packed.at as u32,
                at: packed.at as u8,
                window: packed.acts.len() as u8,
            };
            match &packed.of {
                Of::Row { row, position } => {
                    (example.row, example.position) = (*row, *position as u32);
                }
                // An index of version 1 has no rows: each excerpt is one.
                Of::Excerpt { ranks, .. } => {
                    self.add_row(example.row, ranks, std::slice::from_mut(&mut example));
                }
            }
            self.examples.push(example);
        }
    }

    /// Adds the places of a row's words, as far as its examples show them, and the tokens at which these peak.
    fn add_row(&mut self, row: u32, ranks: &[u32], examples: &mut [Example]) {
        let mut shown = vec![false; ranks.len()];
        for example in examples {
            let peak = ranks.get(example.position as usize);
            example.peak = peak.copied().unwrap_or(u32::MAX);
            let window = example.window();
            if let Some(window) = shown.get_mut(window.start as usize..window.end as usize) {
                window.fill(true);
            }
        }
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(ranks.len()));
        for rank in ranks {
            text.push_str(self.tokens.get(*rank as usize).map_or("", |token| token));
            ends.push(text.len());
        }
        let token = |byte: usize| ends.partition_point(|end| *end <= byte);
        for Word { at, text } in split::words(&text) {
            let (first, last) = (token(at.start), token(at.end - 1));
            if !shown[first..=last].iter().all(|shown| *shown) {
                continue;
            }
            let span = Span {
                row,
                first: first as u32,
                last: last as u32,
            };
            match self.places.get_mut(text.as_str()) {
                Some(places) => places.push(span),
                None => {
                    self.places.insert(text.into(), vec![span]);
                }
            }
        }
    }

    /// Finds the features that `query` is about, best first: by number (`12` or `#12`), by their `labels` and naming facts, by their examples and by the tokens they move.
    pub fn search(&self, query: &str, labels: &[(FeatureId, &str)]) -> Vec<Hit> {
        let wanted = Wanted::new(query, self);
        let all = self.of.len();
        let mut found: Vec<Counts> = vec![Counts::default(); all];
        let searched = !wanted.words.is_empty();
        if searched {
            self.count_examples(&wanted, &mut found);
            for feature in self.facts.find(&wanted.words) {
                if let Some(found) = found.get_mut(feature as usize) {
                    found.fact = true;
                }
            }
        }
        let matcher = Matcher::new(query);
        let labelled = labels
            .par_iter()
            .filter(|(_, label)| matcher.matches(label));
        let labelled: Vec<FeatureId> = labelled.map(|(feature, _)| *feature).collect();
        let mut beyond: Vec<FeatureId> = Vec::new();
        for feature in labelled {
            match found.get_mut(feature.index()) {
                Some(found) => found.label = true,
                None => beyond.push(feature),
            }
        }
        let number = query.trim().trim_start_matches('#').parse::<usize>();
        let number = number.ok().filter(|number| *number < all);
        let hit = |feature: usize| {
            let counts = found[feature];
            let moved = |effects: &Effects| {
                let ranks = effects.of(feature);
                searched.then(|| self.moved(&wanted, ranks)).flatten()
            };
            let (promotes, suppresses) = (moved(&self.promoted), moved(&self.suppressed));
            let is_number = number == Some(feature);
            let is_hit = counts != Counts::default() || is_number;
            (is_hit || promotes.is_some() || suppresses.is_some()).then(|| Hit {
                feature: FeatureId::from(feature),
                number: is_number,
                label: counts.label,
                fact: counts.fact,
                examples: counts.examples.into(),
                peaks: counts.peaks.into(),
                of: self.of[feature].into(),
                promotes,
                suppresses,
                ..Hit::default()
            })
        };
        let mut hits: Vec<Hit> = (0..all).into_par_iter().filter_map(hit).collect();
        // Labels of features that the index does not have.
        hits.extend(beyond.into_iter().map(|feature| Hit {
            feature,
            label: true,
            ..Hit::default()
        }));
        for hit in &mut hits {
            hit.score = hit.score();
        }
        hits.par_sort_unstable_by(|a, b| {
            b.score.total_cmp(&a.score).then(a.feature.cmp(&b.feature))
        });
        hits
    }

    /// Counts the examples of each feature that match, and those that peak on a word.
    fn count_examples(&self, wanted: &Wanted, found: &mut [Counts]) {
        let rows = || self.examples.chunk_by(|a, b| a.row == b.row);
        let mut spans = wanted.spans.as_slice();
        let mut parts = Vec::new();
        for examples in rows() {
            let row = examples[0].row;
            let before = spans.partition_point(|(span, _)| span.row < row);
            let here = spans.partition_point(|(span, _)| span.row <= row);
            parts.push((examples, &spans[before..here]));
            spans = &spans[here..];
        }
        let matching: Vec<(u32, bool)> = parts
            .into_par_iter()
            .flat_map_iter(|(examples, spans)| {
                examples.iter().filter_map(move |example| {
                    let (held, peaks) = example.masks(spans, wanted);
                    (held == wanted.all).then_some((example.feature, peaks))
                })
            })
            .collect();
        for (feature, peaks) in matching {
            if let Some(found) = found.get_mut(feature as usize) {
                found.examples += 1;
                found.peaks += u8::from(peaks);
            }
        }
    }

    /// The first token that matches among the ranks of a feature that moves all words of the query, and how many stand before it.
    fn moved(&self, wanted: &Wanted, ranks: &[u32]) -> Option<(Arc<str>, usize)> {
        let masks = ranks.iter().map(|rank| wanted.of_token(*rank));
        if masks.clone().fold(0, |all, mask| all | mask) != wanted.all {
            return None;
        }
        let at = masks.clone().position(|mask| mask != 0)?;
        Some((Arc::clone(self.tokens.get(ranks[at] as usize)?), at))
    }
}

/// Matches of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    /// Of its strongest examples, at most [`TOP`].
    examples: u8,
    peaks: u8,
    label: bool,
    fact: bool,
}

impl Example {
    /// The tokens of its window, by position in the row.
    fn window(&self) -> Range<u32> {
        let from = self.position.saturating_sub(self.at.into());
        from..from + u32::from(self.window)
    }

    /// Returns which words of the query the example holds, and whether it peaks on one.
    fn masks(&self, spans: &[(Span, u64)], wanted: &Wanted) -> (u64, bool) {
        let window = self.window();
        let token = wanted.of_token(self.peak);
        let (mut held, mut peaks) = (token, token != 0);
        for (span, mask) in spans {
            if span.first >= window.start && span.last < window.end {
                held |= mask;
                peaks |= (span.first..=span.last).contains(&self.position);
            }
        }
        (held, peaks)
    }
}

/// A query, compared with all words of the index.
struct Wanted {
    words: Vec<String>,
    /// One bit per word.
    all: u64,
    /// Places of words that the query's words begin, by row, with the bits of those.
    spans: Vec<(Span, u64)>,
    /// Bits of the words that begin a word of each token.
    tokens: Vec<u64>,
}

impl Wanted {
    fn new(query: &str, of: &Words) -> Self {
        let mut words: Vec<String> = split::words(query).into_iter().map(|w| w.text).collect();
        words.sort();
        words.dedup();
        words.truncate(WORDS);
        let all = words.iter().enumerate().fold(0, |all, (i, _)| all | bit(i));
        let mut spans = Vec::new();
        for (i, word) in words.iter().enumerate() {
            let from = (Bound::Included(word.as_str()), Bound::Unbounded);
            let from = of.places.range::<str, _>(from);
            for (_, places) in from.take_while(|(found, _)| found.starts_with(word.as_str())) {
                spans.extend(places.iter().map(|span| (*span, bit(i))));
            }
        }
        spans.sort_unstable_by_key(|(span, _): &(Span, u64)| span.row);
        let mask = |token: &Arc<str>| {
            let of_token = split::words(token);
            let begins = |word: &String| of_token.iter().any(|w| w.text.starts_with(word.as_str()));
            let bits = words.iter().enumerate().filter(|(_, word)| begins(word));
            bits.fold(0, |mask, (i, _)| mask | bit(i))
        };
        Self {
            all,
            spans,
            tokens: of.tokens.par_iter().map(mask).collect(),
            words,
        }
    }

    fn of_token(&self, rank: u32) -> u64 {
        self.tokens.get(rank as usize).copied().unwrap_or_default()
    }
}

fn bit(word: usize) -> u64 {
    1 << word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::facts::Facts;

    /// 131,072 features with 20 examples each: as many are found as were placed. The times are for people who run this with `--nocapture`.
    #[test]
    fn the_words_of_many_features_are_searched() {
        let features = 131_072_u32;
        let tokens: Vec<Arc<str>> = (0..50_000).map(|i| format!(" word{i}").into()).collect();
        let mixed = |i: u32| (u64::from(i).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as u32;
        let mut words = Words {
            places: BTreeMap::new(),
            examples: Vec::new(),
            of: vec![TOP as u8; features as usize],
            tokens,
            promoted: Effects::default(),
            suppressed: Effects::default(),
            facts: FactWords::new(None::<&Facts>),
        };
        for feature in 0..features {
            let effects: Vec<(u32, f32)> = (0..20)
                .map(|i| (mixed(feature + i) % 50_000, 1.0))
                .collect();
            words.promoted.push(&effects);
            words.suppressed.push(&effects[..1]);
            for i in 0..TOP as u32 {
                let at = mixed(feature * 20 + i);
                words.examples.push(Example {
                    row: at % 100_000,
                    feature,
                    peak: 49_999 - at % 100,
                    position: at % 128,
                    at: 10,
                    window: 21,
                });
            }
        }
        words.examples.sort_unstable_by_key(|example| example.row);
        // The first token of every row is `rare`, and the peaks are the last hundred tokens.
        let places = (0..100_000).map(|row| Span {
            row,
            first: 0,
            last: 0,
        });
        words.places.insert("rare".into(), places.collect());
        for (query, holds) in [
            (
                "rare",
                (|e: &Example| e.window().contains(&0)) as fn(&Example) -> bool,
            ),
            ("word49999", |e| e.peak == 49_999),
        ] {
            let before = std::time::Instant::now();
            let hits = words.search(query, &[]);
            println!(
                "{query}: {} features in {:.1?}",
                hits.len(),
                before.elapsed()
            );
            let found: usize = hits.iter().map(|hit| hit.examples).sum();
            let want = words
                .examples
                .iter()
                .filter(|example| holds(example))
                .count();
            assert!(want > 1_000);
            assert_eq!(found, want, "{query}");
        }
    }
}
