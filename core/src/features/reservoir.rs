//! Examples drawn at random from every level of activation, in bounded memory.
//!
//! Levels are fixed bins, eight per octave. Each active token has a random priority that depends on seed, feature and place alone; a bin keeps the
//! tokens of least priority. So the draw is uniform within a bin, the same in any order, and the union of bins again keeps its least ones. Bins
//! that lie wholly inside the lowest of the equal intervals become one, since the maximum only grows.

use std::collections::BTreeMap;

use super::{INTERVALS, PER_INTERVAL};

const PER_OCTAVE: f64 = 8.0;

/// An active token worth remembering.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moment {
    pub(super) row: u32,
    pub(super) position: u32,
    pub(super) act: f32,
    /// Random, by seed, feature and place.
    pub(super) priority: u64,
    /// Offset and activation of the other tokens nearby where the feature is active too.
    pub(super) around: Box<[(i8, f32)]>,
}

/// The bins of one feature.
#[derive(Debug, Clone, Default)]
pub(super) struct Reservoir {
    /// By level; each at most [`PER_INTERVAL`], least priority first.
    bins: BTreeMap<i32, Vec<Moment>>,
    /// All levels wholly below the lowest interval's upper end.
    low: Vec<Moment>,
    max: f32,
}

impl Reservoir {
    /// Offers a token; `moment` is called only if it is kept.
    pub(super) fn offer(&mut self, act: f32, priority: u64, moment: impl FnOnce() -> Moment) {
        if act > self.max {
            self.max = act;
            self.lower();
        }
        let level = level(act);
        let bin = if is_low(level, self.max) {
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

    fn lower(&mut self) {
        while let Some(first) = self.bins.first_entry() {
            if !is_low(*first.key(), self.max) {
                break;
            }
            for moment in first.remove() {
                keep(&mut self.low, moment);
            }
        }
    }

    /// How many tokens are kept.
    pub(super) fn len(&self) -> usize {
        self.low.len() + self.bins.values().map(Vec::len).sum::<usize>()
    }

    /// What is kept with activations that `inside` accepts, least priority first.
    pub(super) fn draw(&self, inside: impl Fn(f32) -> bool) -> Vec<&Moment> {
        let kept = self.low.iter().chain(self.bins.values().flatten());
        let mut drawn: Vec<_> = kept.filter(|moment| inside(moment.act)).collect();
        drawn.sort_by_key(|moment| moment.priority);
        drawn
    }
}

fn keep(bin: &mut Vec<Moment>, moment: Moment) {
    let at = bin.partition_point(|kept| kept.priority <= moment.priority);
    bin.insert(at, moment);
    bin.truncate(PER_INTERVAL);
}

fn level(act: f32) -> i32 {
    (f64::from(act).log2() * PER_OCTAVE).floor() as i32
}

fn is_low(level: i32, max: f32) -> bool {
    let upper = (f64::from(level + 1) / PER_OCTAVE).exp2();
    upper <= f64::from(max) / INTERVALS as f64
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
        let mut reservoir = Reservoir::default();
        for m in moments {
            reservoir.offer(m.act, m.priority, || m.clone());
        }
        reservoir
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
        assert_eq!(forward.draw(any), shuffled.draw(any));
        assert!(forward.len() <= 22 * PER_INTERVAL, "{}", forward.len());
        // The lowest interval's five are those of least priority of all that lie in it, but for the bin at its end.
        let end = forward.max / 5.0;
        let lowest = forward.draw(|act| act < end * 0.9);
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
            for kept in filled(&moments).draw(|_| true) {
                drawn[kept.row as usize] += 1;
            }
        }
        // 4000 draws of 5 among 20: 1000 each, standard deviation 27.
        assert!(drawn.iter().all(|n| (880..1120).contains(n)), "{drawn:?}");
    }
}
