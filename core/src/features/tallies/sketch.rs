//! Candidates for the tokens and the features that belong to one feature, in memory that does not grow with the text, for dictionaries with too many features
//! for full tables. A second pass counts the candidates exactly.
//!
//! Every place of the text has a random priority that is the same for all features. A feature keeps the active places of least priority (a bottom-k sketch,
//! Cohen and Kaplan 2007): a uniform sample of its active tokens, and the number of places that two features' sketches share estimates their Jaccard index.
//! Tokens with a large mean activation have a large maximum, so those of the largest maxima are kept too. Neither depends on the order of the text, and sketches
//! of parts merge into the sketch of the whole.

use rayon::prelude::*;

use super::super::pack::{Reader, Writer};
use super::tokens::{self, Count};
use super::{NO_TOKEN, Seen};

/// Places kept.
pub(super) const PLACES: usize = 64;
/// Tokens of largest maxima kept.
pub(super) const STRONGEST: usize = 32;
/// Candidates for the tokens that are active most often, and for the tokens before.
const FREQUENT: usize = 32;
/// Candidates for the features that are active on the same tokens.
pub(super) const OTHERS: usize = 32;

/// An active place of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) priority: u64,
    token: u32,
    before: u32,
}

/// Candidates of one feature, counted exactly by a second pass; each list in order of ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Found {
    pub(super) tokens: Vec<(u32, Count)>,
    pub(super) before: Vec<(u32, Count)>,
    /// Features after this one, with the tokens on which both are active.
    pub(super) others: Vec<(u32, u32)>,
}

/// Sketch of one feature.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::features) struct Sketch {
    /// Least priority first.
    pub(super) places: Vec<Place>,
    /// Tokens and their largest activation, largest first.
    strongest: Vec<(u32, f32)>,
    pub(super) found: Option<Box<Found>>,
}

impl Sketch {
    pub(super) fn add(&mut self, seen: &Seen, act: f32) {
        self.offer(Place {
            priority: seen.priority,
            token: seen.id,
            before: seen.before,
        });
        self.offer_strong((seen.id, act));
    }

    fn offer(&mut self, place: Place) {
        if self.places.len() == PLACES {
            if self.places.last().is_some_and(|last| *last <= place) {
                return;
            }
            self.places.pop();
        }
        let at = self.places.partition_point(|kept| *kept < place);
        self.places.reserve_exact(1);
        self.places.insert(at, place);
    }

    fn offer_strong(&mut self, (token, act): (u32, f32)) {
        let before = |kept: &(u32, f32)| kept.1 > act || kept.1 == act && kept.0 < token;
        let full = self.strongest.len() == STRONGEST;
        if full && self.strongest.last().is_some_and(before) {
            return;
        }
        match self.strongest.iter().position(|kept| kept.0 == token) {
            Some(at) if self.strongest[at].1 >= act => return,
            Some(at) => {
                self.strongest.remove(at);
            }
            None if full => {
                self.strongest.pop();
            }
            None => self.strongest.reserve_exact(1),
        }
        let at = self.strongest.partition_point(before);
        self.strongest.insert(at, (token, act));
    }

    /// Merges the sketch of other rows. Returns whether the exact counts of both cover the same candidates.
    pub(super) fn merge(&mut self, other: Self) -> bool {
        for place in other.places {
            self.offer(place);
        }
        for strong in other.strongest {
            self.offer_strong(strong);
        }
        match (&mut self.found, other.found) {
            (None, None) => true,
            (Some(found), Some(other)) => found.merge(*other),
            (found, other) => {
                *found = found.take().or(other);
                false
            }
        }
    }

    /// Prepares the second pass.
    pub(super) fn look_for(&mut self, mut others: Vec<u32>) {
        let strong = self.strongest.iter().map(|(token, _)| *token);
        let mut tokens = frequent(self.places.iter().map(|place| place.token));
        tokens.extend(strong);
        let before = self.places.iter().map(|place| place.before);
        let before = frequent(before.filter(|token| *token != NO_TOKEN));
        let zeros = |mut ids: Vec<u32>| {
            ids.sort_unstable();
            ids.dedup();
            let zero = |id| (id, Count::default());
            ids.into_iter().map(zero).collect()
        };
        others.sort_unstable();
        others.dedup();
        self.found = Some(Box::new(Found {
            tokens: zeros(tokens),
            before: zeros(before),
            others: others.into_iter().map(|other| (other, 0)).collect(),
        }));
    }
}

/// Returns the ids that occur most often, at most [`FREQUENT`].
fn frequent(ids: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut ids: Vec<u32> = ids.collect();
    ids.sort_unstable();
    let mut counted: Vec<(usize, u32)> = ids
        .chunk_by(|a, b| a == b)
        .map(|same| (same.len(), same[0]))
        .collect();
    counted.sort_unstable_by_key(|(count, id)| (std::cmp::Reverse(*count), *id));
    counted.truncate(FREQUENT);
    counted.into_iter().map(|(_, id)| id).collect()
}

impl Found {
    /// Counts one active token.
    pub(super) fn add(&mut self, seen: &Seen, act: f32) {
        for (counts, id) in [(&mut self.tokens, seen.id), (&mut self.before, seen.before)] {
            if let Ok(at) = counts.binary_search_by_key(&id, |(id, _)| *id) {
                counts[at].1.add(act);
            }
        }
    }

    /// Counts the candidates among the features that `each` calls, in order.
    pub(super) fn add_later(&mut self, each: impl FnOnce(&mut dyn FnMut(u32))) {
        let mut at = 0;
        each(&mut |feature| {
            while self
                .others
                .get(at)
                .is_some_and(|(other, _)| *other < feature)
            {
                at += 1;
            }
            if let Some((_, both)) = self
                .others
                .get_mut(at)
                .filter(|(other, _)| *other == feature)
            {
                *both += 1;
            }
        });
    }

    fn merge(&mut self, other: Self) -> bool {
        let ids = |found: &Self| -> Vec<u32> {
            let tokens = found.tokens.iter().chain(&found.before).map(|(id, _)| *id);
            tokens
                .chain(found.others.iter().map(|(id, _)| *id))
                .collect()
        };
        let same = ids(self) == ids(&other);
        let lists = [
            (&mut self.tokens, other.tokens),
            (&mut self.before, other.before),
        ];
        for (counts, other) in lists {
            for (id, count) in other {
                match counts.binary_search_by_key(&id, |(id, _)| *id) {
                    Ok(at) => counts[at].1.merge(count),
                    Err(at) => counts.insert(at, (id, count)),
                }
            }
        }
        for (feature, both) in other.others {
            match self.others.binary_search_by_key(&feature, |(id, _)| *id) {
                Ok(at) => self.others[at].1 += both,
                Err(at) => self.others.insert(at, (feature, both)),
            }
        }
        same
    }
}

/// Returns, for every feature, the later features whose sketches share most with its own, [`OTHERS`] of either side.
pub(super) fn others(places: &[&[Place]], active: &[u64]) -> Vec<Vec<u32>> {
    let mut by_place: Vec<(u64, u32)> = Vec::new();
    for (f, places) in places.iter().enumerate() {
        by_place.extend(places.iter().map(|place| (place.priority, f as u32)));
    }
    by_place.sort_unstable();
    let mut starts = std::collections::HashMap::new();
    for (at, (priority, _)) in by_place.iter().enumerate() {
        starts.entry(*priority).or_insert(at);
    }
    let nearest = |f: usize| {
        let mut shared: Vec<u32> = Vec::new();
        for place in places[f] {
            let from = starts[&place.priority];
            let here = by_place[from..].iter();
            let here = here.take_while(|(priority, _)| *priority == place.priority);
            shared.extend(here.map(|(_, other)| *other).filter(|o| *o != f as u32));
        }
        shared.sort_unstable();
        let estimate = |same: &[u32]| {
            let other = same[0] as usize;
            // Of the places below both thresholds, those that both have over those that either has.
            let end = |places: &[Place]| match places.len() {
                PLACES => places[PLACES - 1].priority,
                _ => u64::MAX,
            };
            let end = end(places[f]).min(end(places[other]));
            let below = |places: &[Place]| places.partition_point(|place| place.priority <= end);
            let either = below(places[f]) + below(places[other]) - same.len();
            (same.len() as f64 / either.max(1) as f64, active[other])
        };
        let mut ranked: Vec<(f64, u64, u32)> = shared
            .chunk_by(|a, b| a == b)
            .map(|same| {
                let (jaccard, active) = estimate(same);
                (jaccard, active, same[0])
            })
            .collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
        ranked.truncate(OTHERS);
        ranked
            .into_iter()
            .map(|(.., other)| other)
            .collect::<Vec<u32>>()
    };
    let nearest: Vec<Vec<u32>> = (0..places.len()).into_par_iter().map(nearest).collect();
    let mut later = vec![Vec::new(); places.len()];
    for (f, others) in (0_u32..).zip(nearest) {
        for other in others {
            later[f.min(other) as usize].push(f.max(other));
        }
    }
    later
}

impl Sketch {
    pub(super) fn write(&self, out: &mut Writer) {
        out.list(&self.places, |out, place| {
            out.u64(place.priority);
            out.int(u64::from(place.token));
            out.int(u64::from(place.before));
        });
        out.list(&self.strongest, |out, (token, act)| {
            out.int(u64::from(*token));
            out.f32(*act);
        });
        out.int(u64::from(self.found.is_some()));
        if let Some(found) = &self.found {
            tokens::write(out, &found.tokens);
            tokens::write(out, &found.before);
            out.list(&found.others, |out, (other, both)| {
                out.int(u64::from(*other));
                out.int(u64::from(*both));
            });
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let places = from.list(|from| {
            Some(Place {
                priority: from.u64()?,
                token: from.rank()?,
                before: from.rank()?,
            })
        })?;
        let strongest = from.list(|from| Some((from.rank()?, from.f32()?)))?;
        let found = match from.int()? {
            0 => None,
            _ => Some(Box::new(Found {
                tokens: tokens::read(from)?,
                before: tokens::read(from)?,
                others: from.list(|from| Some((from.rank()?, from.rank()?)))?,
            })),
        };
        Some(Self {
            places,
            strongest,
            found,
        })
    }
}
