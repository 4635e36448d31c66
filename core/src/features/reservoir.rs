//! Draws examples at random from every level of activation, in bounded memory. Activations have one sign; levels go by size.
//!
//! Levels are fixed bins, eight per octave. Each active token has a random priority that depends only on seed, feature and place; a bin keeps the tokens of
//! least priority. The draw is therefore uniform within a bin, independent of order, and the union of bins again keeps the least priorities. Bins inside the
//! lowest of the equal intervals merge into one, since the maximum only grows. Where activations have both signs, an interval may end close to 0, so only bins
//! far below that merge.

use std::collections::BTreeMap;

use super::{INTERVALS, PER_INTERVAL};

/// Levels in an octave.
const PER_OCTAVE: usize = 8;
/// Upper end of the merged levels, as a part of the maximum: the lowest interval.
const LOW: f64 = 1.0 / INTERVALS as f64;
/// Upper end of the merged levels where activations have both signs.
const LOW_OF_TWO: f64 = LOW / 8.0;

/// An active token that may become an example.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moment {
    pub(super) row: u32,
    pub(super) position: u32,
    pub(super) act: f32,
    /// Random priority, by seed, feature and place.
    pub(super) priority: u64,
    /// Offset and activation of nearby tokens where the feature is active too.
    pub(super) around: Box<[(i8, f32)]>,
}

/// Bins of one feature and sign.
#[derive(Debug, Clone)]
pub(super) struct Reservoir {
    /// Tokens by level; at most [`PER_INTERVAL`] each, least priority first.
    bins: BTreeMap<i32, Vec<Moment>>,
    /// Tokens of all levels wholly below `low_end` of the maximum.
    low: Vec<Moment>,
    low_end: f64,
    max: f32,
    /// Highest of these levels.
    low_level: i32,
}

impl Reservoir {
    /// Creates empty bins; `signed` where the dictionary's activations have both signs.
    pub(super) fn new(signed: bool) -> Self {
        Self {
            bins: BTreeMap::new(),
            low: Vec::new(),
            low_end: if signed { LOW_OF_TWO } else { LOW },
            max: 0.0,
            low_level: i32::MIN,
        }
    }

    /// Notes that the largest size is at least `max`, whether the token that has it is kept or not.
    pub(super) fn reach(&mut self, max: f32) {
        if max > self.max {
            self.max = max;
            self.lower();
        }
    }

    /// Offers a token with an activation of this size, which has this [`level`]. Calls `moment` only if the token is kept.
    pub(super) fn offer(
        &mut self,
        size: f32,
        level: i32,
        priority: u64,
        moment: impl FnOnce() -> Moment,
    ) {
        self.reach(size);
        let bin = if level <= self.low_level {
            &mut self.low
        } else {
            self.bins.entry(level).or_default()
        };
        let full = bin.len() == PER_INTERVAL;
        if full && bin.last().is_some_and(|last| last.priority <= priority) {
            return;
        }
        keep(bin, moment());
    }

    /// Merges the tokens kept of other rows: a bin of both keeps the least priorities of both.
    pub(super) fn merge(&mut self, other: Self) {
        self.reach(other.max);
        let bins = other.bins.into_values().flatten();
        for moment in other.low.into_iter().chain(bins) {
            let (size, priority) = (moment.act.abs(), moment.priority);
            self.offer(size, level(size), priority, || moment);
        }
    }

    fn lower(&mut self) {
        let end = self.low_end * f64::from(self.max);
        self.low_level = (end.log2() * PER_OCTAVE as f64).floor() as i32;
        while !is_low(self.low_level, end) {
            self.low_level -= 1;
        }
        while let Some(first) = self.bins.first_entry() {
            if *first.key() > self.low_level {
                break;
            }
            for moment in first.remove() {
                keep(&mut self.low, moment);
            }
        }
    }

    /// Returns the kept tokens in no order.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Moment> {
        self.low.iter().chain(self.bins.values().flatten())
    }

    /// Returns the kept tokens, whose rows may get new numbers.
    pub(super) fn kept_mut(&mut self) -> impl Iterator<Item = &mut Moment> {
        self.low.iter_mut().chain(self.bins.values_mut().flatten())
    }
}

/// Returns the tokens that `reservoirs` keep with activations that `inside` accepts, least priority first.
pub(super) fn draw<'a>(
    reservoirs: impl IntoIterator<Item = &'a Reservoir>,
    inside: impl Fn(f32) -> bool,
) -> Vec<&'a Moment> {
    let kept = reservoirs.into_iter().flat_map(Reservoir::kept);
    let mut drawn: Vec<_> = kept.filter(|moment| inside(moment.act)).collect();
    drawn.sort_by_key(|moment| moment.priority);
    drawn
}

fn keep(bin: &mut Vec<Moment>, moment: Moment) {
    let at = bin.partition_point(|kept| kept.priority <= moment.priority);
    if at == PER_INTERVAL {
        return;
    }
    if bin.len() == PER_INTERVAL {
        bin.pop();
    }
    bin.reserve_exact(1);
    bin.insert(at, moment);
}

/// Lower ends of the levels of an octave: 2^(i / 8).
const ENDS: [f32; PER_OCTAVE] = [
    1.0,
    1.090_507_7,
    1.189_207_1,
    1.296_839_6,
    std::f32::consts::SQRT_2,
    1.542_210_8,
    1.681_792_8,
    1.834_008_1,
];

/// Returns the level of a size: an eighth of an octave, numbered from 1.0.
pub(super) fn level(size: f32) -> i32 {
    let bits = size.to_bits();
    if size < f32::MIN_POSITIVE {
        return (f64::from(size).log2() * PER_OCTAVE as f64).floor() as i32;
    }
    let exponent = (bits >> 23) as i32 - 127;
    let mantissa = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000);
    let eighth = ENDS[1..].iter().filter(|end| mantissa >= **end).count();
    exponent * PER_OCTAVE as i32 + eighth as i32
}

/// Returns the lower end of a level.
pub(super) fn lower_end(level: i32) -> f64 {
    (f64::from(level) / PER_OCTAVE as f64).exp2()
}

fn is_low(level: i32, end: f64) -> bool {
    lower_end(level + 1) <= end
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn moment(place: usize, act: f32, priority: u64) -> Moment {
        Moment {
            row: place as u32,
            position: 1,
            act,
            priority,
            around: Box::default(),
        }
    }

    fn filled(moments: &[Moment]) -> Reservoir {
        let mut reservoir = Reservoir::new(false);
        for m in moments {
            reservoir.offer(m.act, level(m.act), m.priority, || m.clone());
        }
        reservoir
    }

    #[test]
    fn a_level_is_an_eighth_of_an_octave() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let random = (0..20_000).map(|_| 2f32.powf(rng.random_range(-140.0..120.0)));
        let round = (-126..127).map(|exponent| 2f32.powi(exponent));
        for size in random
            .chain(round)
            .chain([f32::MAX, 1e-40, f32::MIN_POSITIVE])
        {
            let at = level(size);
            // The ends are rounded to 24 bits.
            let (from, to) = (lower_end(at), lower_end(at + 1));
            let size = f64::from(size);
            assert!(
                size >= from * (1.0 - 1e-7) && size < to * (1.0 + 1e-7),
                "{size} {at}"
            );
        }
    }

    #[test]
    fn the_draw_does_not_depend_on_order_and_memory_is_bounded() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut moments: Vec<_> = (0..20_000)
            .map(|i| moment(i, 2f32.powf(rng.random_range(-12.0..5.0)), rng.random()))
            .collect();
        let forward = filled(&moments);
        moments.shuffle(&mut rng);
        let shuffled = filled(&moments);
        let any = |_| true;
        assert_eq!(draw([&forward], any), draw([&shuffled], any));
        let kept = forward.kept().count();
        assert!(kept <= 22 * PER_INTERVAL, "{kept}");
        // The lowest interval's five are those of least priority of all that lie in it, but for the bin at its end.
        let end = forward.max / 5.0;
        let lowest = draw([&forward], |act| act < end * 0.9);
        let mut all: Vec<_> = moments.iter().filter(|m| m.act < end * 0.9).collect();
        all.sort_by_key(|m| m.priority);
        assert_eq!(lowest[..PER_INTERVAL], all[..PER_INTERVAL]);
    }

    #[test]
    fn every_token_of_a_level_is_as_likely_as_another() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut drawn = [0u32; 20];
        for _ in 0..4000 {
            let moments: Vec<_> = (0..20).map(|i| moment(i, 1.0, rng.random())).collect();
            for kept in draw([&filled(&moments)], |_| true) {
                drawn[kept.row as usize] += 1;
            }
        }
        // 4000 draws of 5 among 20: 1000 each, standard deviation 27.
        assert!(drawn.iter().all(|n| (880..1120).contains(n)), "{drawn:?}");
    }
}
