//! Errors of groups of tokens: classes by predicates, ranges of positions, tokens of the vocabulary.

use std::collections::BTreeMap;

use super::{ByClass, ByPosition, ByToken, OFTEN, Share};
use crate::corpus::{Resampled, Rows, interval};
use crate::error::Result;
use crate::features::predicate::{Bound, Lexicon, Line, Predicate};
use crate::ids::TokenId;
use crate::models::Model;

/// Classes that do not overlap, in order of precedence: a token belongs to the first whose predicate holds, and to [`OTHER`] if none does.
const CLASSES: [(&str, &str); 5] = [
    ("newline", r"token(/\n/)"),
    ("number", "digit"),
    ("punctuation", "punctuation"),
    ("word start", "starts_word"),
    ("inside a word", r"token(/\p{L}/)"),
];
/// Class of the tokens that belong to no other.
const OTHER: &str = "other";
/// Classes that overlap with others.
const OVERLAPPING: [(&str, &str); 3] = [
    ("first in document", "first_in_document"),
    ("capital letter", "capital"),
    ("seen before in the row", "repeats(fuzzy)"),
];
/// Number of classes.
const COUNT: usize = CLASSES.len() + 1 + OVERLAPPING.len();

/// Number of tokens of each kind in [`super::Places::by_token`].
const TOKENS: usize = 100;

/// Positions that are ranges of their own; beyond, each octave has [`PER_OCTAVE`] ranges.
const SINGLE: u32 = 16;
const PER_OCTAVE: u32 = 8;

/// Error of one token.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    /// ‖e‖².
    pub(super) error: f64,
    /// ‖e − linear part‖².
    pub(super) left: f64,
    /// ‖x − mean‖².
    pub(super) spread: f64,
}

/// Sums over the tokens of a group.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    tokens: u64,
    error: f64,
    left: f64,
    spread: f64,
    norm: f64,
}

impl Sums {
    fn add(&mut self, moment: &Moment) {
        self.tokens += 1;
        self.error += moment.error;
        self.left += moment.left;
        self.spread += moment.spread;
        self.norm += moment.error.sqrt();
    }

    fn with(mut self, other: &Self) -> Self {
        self.tokens += other.tokens;
        self.error += other.error;
        self.left += other.left;
        self.spread += other.spread;
        self.norm += other.norm;
        self
    }

    fn share(&self, all: &Self) -> Share {
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        Share {
            tokens: self.tokens,
            fvu: ratio(self.error, self.spread),
            fvu_nonlinear: ratio(self.left, self.spread),
            norm: ratio(self.norm, self.tokens as f64),
            of_error: ratio(self.error, all.error),
        }
    }
}

/// Errors by group while a text is read.
pub(super) struct Groups {
    /// Sums by class, `[parts][classes]`.
    classes: Vec<[Sums; COUNT]>,
    /// Sums by range of positions, `[parts][ranges]`.
    positions: Vec<Vec<Sums>>,
    /// First position of each range, and the position behind the last one.
    edges: Vec<u32>,
    tokens: BTreeMap<TokenId, Sums>,
    all: Sums,
}

impl Groups {
    /// Creates empty groups for rows of `context` tokens and a text of `parts` parts.
    pub(super) fn new(context: usize, parts: usize) -> Self {
        let edges = edges(context as u32);
        Self {
            classes: vec![[Sums::default(); COUNT]; parts],
            positions: vec![vec![Sums::default(); edges.len().saturating_sub(1)]; parts],
            edges,
            tokens: BTreeMap::new(),
            all: Sums::default(),
        }
    }

    /// Adds token `id` at `position` of its row in part `part`, which belongs to `classes`.
    pub(super) fn add(
        &mut self,
        (id, position, part): (TokenId, usize, usize),
        classes: &[bool; COUNT],
        moment: &Moment,
    ) {
        for (sums, _) in (self.classes[part].iter_mut().zip(classes)).filter(|(_, is)| **is) {
            sums.add(moment);
        }
        let range = self.edges.partition_point(|edge| *edge <= position as u32);
        if let Some(at) = range.checked_sub(1)
            && let Some(sums) = self.positions[part].get_mut(at)
        {
            sums.add(moment);
        }
        self.tokens.entry(id).or_default().add(moment);
        self.all.add(moment);
    }

    /// Error of all tokens.
    pub(super) fn all(&self) -> Share {
        self.all.share(&self.all)
    }

    /// Errors by class, those with tokens.
    pub(super) fn by_class(&self, draws: &Resampled) -> Vec<ByClass> {
        let classes = names()
            .enumerate()
            .map(|(at, (name, predicate, overlaps))| {
                let parts: Vec<Sums> = self.classes.iter().map(|part| part[at]).collect();
                ByClass {
                    name: name.to_owned(),
                    predicate: predicate.to_owned(),
                    overlaps,
                    share: self.share(&parts),
                    interval: ends(&parts, draws),
                }
            });
        classes.filter(|class| class.share.tokens > 0).collect()
    }

    /// Errors by range of positions, those with tokens.
    pub(super) fn by_position(&self, draws: &Resampled) -> Vec<ByPosition> {
        let ranges = self.edges.windows(2).enumerate().map(|(at, edges)| {
            let parts: Vec<Sums> = self.positions.iter().map(|part| part[at]).collect();
            ByPosition {
                from: edges[0],
                to: edges[1],
                share: self.share(&parts),
                interval: ends(&parts, draws),
            }
        });
        ranges.filter(|range| range.share.tokens > 0).collect()
    }

    /// Errors of the tokens seen [`OFTEN`] times or more: the [`TOKENS`] explained least, as many explained best, and as many with the largest share of the
    /// error; explained least first.
    pub(super) fn by_token(&self, model: &Model) -> Vec<ByToken> {
        let often = self.tokens.iter().filter(|(_, sums)| sums.tokens >= OFTEN);
        let mut all: Vec<(TokenId, Share)> = often
            .map(|(id, sums)| (*id, sums.share(&self.all)))
            .collect();
        all.sort_by(|a, b| b.1.of_error.total_cmp(&a.1.of_error));
        let mut kept: Vec<(TokenId, Share)> = all.iter().take(TOKENS).copied().collect();
        all.sort_by(|a, b| b.1.fvu.total_cmp(&a.1.fvu));
        kept.extend(all.iter().take(TOKENS));
        kept.extend(all.iter().rev().take(TOKENS));
        kept.sort_by(|a, b| b.1.fvu.total_cmp(&a.1.fvu).then(a.0.cmp(&b.0)));
        kept.dedup_by_key(|(id, _)| *id);
        let tokens = kept.into_iter().map(|(id, share)| ByToken {
            id,
            text: model.codec().display(id),
            share,
        });
        tokens.collect()
    }

    fn share(&self, parts: &[Sums]) -> Share {
        let sums = parts.iter().fold(Sums::default(), Sums::with);
        sums.share(&self.all)
    }
}

/// Interval of the unexplained share of a group; none if most draws hold no token of it, or the text has one part.
fn ends(parts: &[Sums], draws: &Resampled) -> Option<[f64; 2]> {
    if parts.len() < 2 {
        return None;
    }
    let of_draw = |draw: usize| {
        let (mut error, mut spread) = (0.0, 0.0);
        for (part, times) in parts.iter().zip(draws.weights(draw)) {
            error += f64::from(times) * part.error;
            spread += f64::from(times) * part.spread;
        }
        (spread > 0.0).then(|| error / spread)
    };
    let drawn: Vec<f64> = (0..draws.len()).filter_map(of_draw).collect();
    let is_enough = 2 * drawn.len() > draws.len();
    interval(drawn).filter(|_| is_enough)
}

/// Edges of the ranges of positions: single positions first, then ranges that grow with the position.
fn edges(context: u32) -> Vec<u32> {
    let mut edges: Vec<u32> = (0..SINGLE.min(context)).collect();
    let mut octave = SINGLE;
    while octave < context {
        let step = (octave / PER_OCTAVE).max(1);
        let inside = (0..PER_OCTAVE).map(|at| octave + at * step);
        edges.extend(inside.filter(|edge| *edge < context));
        octave *= 2;
    }
    edges.push(context);
    edges
}

/// Name, predicate and overlap of every class.
fn names() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let apart = CLASSES
        .into_iter()
        .map(|(name, predicate)| (name, predicate, false));
    let other = std::iter::once((OTHER, "none of these", false));
    let overlapping = OVERLAPPING.into_iter();
    let overlapping = overlapping.map(|(name, predicate)| (name, predicate, true));
    apart.chain(other).chain(overlapping)
}

/// Predicates of the classes, with the tokens of a text.
#[derive(Debug)]
pub(super) struct Classes {
    lexicon: Lexicon,
    apart: Vec<Predicate>,
    overlapping: Vec<Predicate>,
}

impl Classes {
    /// Reads the predicates for the tokens of `rows`.
    pub(super) fn new(model: &Model, rows: &Rows) -> Result<Self> {
        let read = |of: &[(&str, &str)]| -> Result<Vec<Predicate>> {
            of.iter().map(|(_, text)| Predicate::read(text)).collect()
        };
        Ok(Self {
            lexicon: Lexicon::new(model.codec(), rows.tokens()),
            apart: read(&CLASSES)?,
            overlapping: read(&OVERLAPPING)?,
        })
    }

    /// Looks the tokens up, so that rows are read quickly.
    pub(super) fn bound(&self) -> BoundClasses<'_> {
        BoundClasses {
            apart: self.apart.iter().map(|of| of.bind(&self.lexicon)).collect(),
            overlapping: self
                .overlapping
                .iter()
                .map(|of| of.bind(&self.lexicon))
                .collect(),
        }
    }
}

/// Predicates of the classes, bound to the tokens of a text.
pub(super) struct BoundClasses<'a> {
    apart: Vec<Bound<'a>>,
    overlapping: Vec<Bound<'a>>,
}

impl BoundClasses<'_> {
    /// Returns the classes of each position of row `row`, `[t]`.
    pub(super) fn of_row(&self, rows: &Rows, row: usize) -> Vec<[bool; COUNT]> {
        let line = Line::from_rows(rows, row);
        let mut classes = vec![[false; COUNT]; line.tokens.len()];
        for (at, bound) in self.apart.iter().enumerate() {
            for (classes, holds) in classes.iter_mut().zip(bound.holds(&line)) {
                classes[at] = holds && !classes[..at].contains(&true);
            }
        }
        let other = self.apart.len();
        for classes in &mut classes {
            classes[other] = !classes[..other].contains(&true);
        }
        for (at, bound) in self.overlapping.iter().enumerate() {
            for (classes, holds) in classes.iter_mut().zip(bound.holds(&line)) {
                classes[other + 1 + at] = holds;
            }
        }
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_positions_cover_the_row_once() {
        for context in [2, 16, 17, 100, 256, 1024, 5000] {
            let edges = edges(context);
            assert!(edges.windows(2).all(|two| two[0] < two[1]), "{edges:?}");
            assert_eq!((edges[0], edges.last().copied()), (0, Some(context)));
            assert!(edges.len() < 100, "{}", edges.len());
        }
        assert_eq!(edges(20)[14..], [14, 15, 16, 18, 20]);
    }

    #[test]
    fn a_group_s_share_is_that_of_its_sums_and_its_parts_add_up() {
        let mut groups = Groups::new(8, 2);
        let class = |at: usize| {
            let mut classes = [false; COUNT];
            classes[at] = true;
            classes
        };
        let moment = |error: f64, spread: f64| Moment {
            error,
            left: error / 2.0,
            spread,
        };
        groups.add((TokenId(1), 3, 0), &class(1), &moment(4.0, 8.0));
        groups.add((TokenId(1), 4, 1), &class(1), &moment(9.0, 8.0));
        groups.add((TokenId(2), 4, 1), &class(3), &moment(1.0, 10.0));
        let draws = Resampled::new(2, 200, 0);
        let classes = groups.by_class(&draws);
        assert_eq!(classes.len(), 2);
        let first = &classes[0];
        assert_eq!((first.name.as_str(), first.share.tokens), ("number", 2));
        assert_eq!(
            (first.share.fvu, first.share.fvu_nonlinear),
            (13.0 / 16.0, 13.0 / 32.0)
        );
        assert_eq!((first.share.norm, first.share.of_error), (2.5, 13.0 / 14.0));
        // Draws of one part alone are the ends.
        assert_eq!(first.interval, Some([0.5, 9.0 / 8.0]));
        let positions = groups.by_position(&draws);
        assert_eq!(
            positions.iter().map(|at| at.from).collect::<Vec<_>>(),
            [3, 4]
        );
        let whole: f64 = positions.iter().map(|at| at.share.of_error).sum();
        assert!((whole - 1.0).abs() < 1e-12);
        assert_eq!(groups.all().fvu, 14.0 / 26.0);
    }
}
