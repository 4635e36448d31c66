//! Counts the sizes of activations exactly without knowing the largest in advance. Bins are equal; when a size exceeds the range, the range doubles and pairs
//! of bins merge. The range stays a power of two times the number of bins, so no count is ever divided. Negative activations are counted separately and placed
//! before the others in the finished histogram.

use super::pack::{Reader, Writer};
use super::reservoir::lower_end;
use super::tallies::{read_table, write_table};
use super::{BINS, Histogram};

/// Number of bins over the range; at least half of them lie below the maximum.
const FINE: usize = 512;

/// Counts of sizes > 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// `[FINE]` once a value was added.
    bins: Vec<u32>,
    /// Bins are 2^exponent wide.
    exponent: i32,
}

impl Counts {
    pub(super) fn add(&mut self, value: f32) {
        let value = f64::from(value);
        if self.bins.is_empty() {
            self.bins = vec![0; FINE];
            self.exponent = value.log2().floor() as i32 + 1 - FINE.ilog2() as i32;
        }
        let mut bin = self.bin(value);
        while bin >= FINE {
            self.double();
            bin = self.bin(value);
        }
        self.bins[bin] += 1;
    }

    fn width(&self) -> f64 {
        f64::from(self.exponent).exp2()
    }

    fn bin(&self, value: f64) -> usize {
        (value / self.width()) as usize
    }

    fn double(&mut self) {
        for i in 0..FINE / 2 {
            self.bins[i] = self.bins[2 * i] + self.bins[2 * i + 1];
        }
        self.bins[FINE / 2..].fill(0);
        self.exponent += 1;
    }

    /// Adds the counts of other values.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.bins.is_empty() {
            return;
        }
        if self.bins.is_empty() {
            self.clone_from(other);
            return;
        }
        let exponent = self.exponent.max(other.exponent);
        *self = self.widened(exponent);
        let other = other.widened(exponent);
        let bins = self.bins.iter_mut().zip(&other.bins);
        bins.for_each(|(sum, count)| *sum += count);
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let used = self.bins.iter().rposition(|count| *count > 0);
        let used = &self.bins[..used.map_or(0, |last| last + 1)];
        write_table(out, self.exponent, used);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (exponent, mut bins) = read_table(from)?;
        if bins.len() > FINE {
            return None;
        }
        if !bins.is_empty() {
            bins.resize(FINE, 0);
        }
        Some(Self { bins, exponent })
    }

    /// Returns the number of values below `value`; a bin that it divides counts in proportion.
    pub(super) fn below(&self, value: f64) -> f64 {
        if self.bins.is_empty() {
            return 0.0;
        }
        let bin = self.bin(value).min(FINE);
        let whole: u64 = self.bins[..bin].iter().map(|n| u64::from(*n)).sum();
        let part = f64::from(self.bins.get(bin).copied().unwrap_or(0));
        whole as f64 + part * (value / self.width()).fract()
    }

    /// Returns the counts in bins 2^exponent wide, at least as wide as now.
    fn widened(&self, exponent: i32) -> Self {
        let mut wide = self.clone();
        while !wide.bins.is_empty() && wide.exponent < exponent {
            wide.double();
        }
        wide.exponent = exponent;
        wide
    }

    /// Returns the number of bins that reach up to the size `most`.
    fn used(&self, most: f64) -> usize {
        if self.bins.is_empty() {
            0
        } else {
            self.bin(most) + 1
        }
    }

    fn joined(&self, used: usize, together: usize) -> impl DoubleEndedIterator<Item = u64> {
        let bins = self.bins.get(..used).unwrap_or_default();
        bins.chunks(together)
            .map(|bins| bins.iter().map(|n| u64::from(*n)).sum())
    }
}

/// Counts of sizes by [`super::reservoir::level`], an eighth of an octave each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Octaves {
    /// Level of the first count.
    pub(super) first: i32,
    /// Levels of one count.
    pub(super) width: u32,
    pub(super) counts: Vec<u32>,
}

impl Octaves {
    pub(super) fn add(&mut self, level: i32) {
        if self.counts.is_empty() {
            (self.first, self.width) = (level, 1);
        }
        if level < self.first {
            let more = (self.first - level) as usize;
            self.counts.splice(..0, std::iter::repeat_n(0, more));
            self.first = level;
        }
        let at = (level - self.first) as usize;
        if at >= self.counts.len() {
            self.counts.reserve_exact(at + 1 - self.counts.len());
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (level, count) in (other.first..).zip(&other.counts) {
            if *count > 0 {
                self.add(level);
                self.counts[(level - self.first) as usize] += count - 1;
            }
        }
    }

    /// Joins neighbours until there are at most [`BINS`]; edges stay multiples of the width.
    pub(super) fn joined(&self) -> Self {
        let mut joined = self.clone();
        while joined.counts.len() > BINS {
            let width = 2 * joined.width;
            let first = joined.first.div_euclid(width as i32) * width as i32;
            let offset = ((joined.first - first) / joined.width as i32) as usize;
            let mut counts = vec![0; (offset + joined.counts.len()).div_ceil(2)];
            for (at, count) in joined.counts.iter().enumerate() {
                counts[usize::midpoint(at, offset)] += count;
            }
            joined = Self {
                first,
                width,
                counts,
            };
        }
        joined
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.int(u64::from(self.width));
        write_table(out, self.first, &self.counts);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let width = from.rank()?;
        let (first, counts) = read_table(from)?;
        let fits = counts.len() <= 1 << 16 && first.abs() <= 1 << 16 && width <= 1 << 16;
        fits.then_some(Self {
            first,
            width,
            counts,
        })
    }

    /// Returns the histogram with all its edges.
    pub(super) fn histogram(&self) -> Histogram {
        if self.counts.is_empty() {
            return Histogram::default();
        }
        let edge = |i: usize| lower_end(self.first + (i as u32 * self.width) as i32);
        Histogram {
            edges: (0..=self.counts.len()).map(edge).collect(),
            counts: self.counts.iter().map(|n| u64::from(*n)).collect(),
        }
    }
}

/// A histogram in numbers: equal bins with an edge at 0; the outermost bins end at the least and the largest activation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bins {
    pub(super) width: f64,
    /// Number of bins of negative activations, which come first.
    pub(super) below: usize,
    /// Least activation, 0 where none is negative.
    pub(super) first_edge: f64,
    /// Largest activation, 0 where none is positive.
    pub(super) last_edge: f64,
    pub(super) counts: Vec<u64>,
}

impl Bins {
    /// Creates at most [`BINS`] bins from `below`, the sizes of negative activations down to `min`, and `above`, positive ones up to `max`.
    pub(super) fn new((below, min): (&Counts, f64), (above, max): (&Counts, f64)) -> Self {
        let exponents = [below, above].into_iter().filter(|c| !c.bins.is_empty());
        let Some(exponent) = exponents.map(|counts| counts.exponent).max() else {
            return Self::default();
        };
        let (below, above) = (below.widened(exponent), above.widened(exponent));
        let (lower, upper) = (below.used(-min), above.used(max));
        let fits = |together: &usize| lower.div_ceil(*together) + upper.div_ceil(*together) <= BINS;
        let together = (1..=FINE).find(fits).unwrap_or(FINE);
        let negative = below.joined(lower, together).rev();
        Self {
            width: together as f64 * above.width(),
            below: lower.div_ceil(together),
            first_edge: min,
            last_edge: max,
            counts: negative.chain(above.joined(upper, together)).collect(),
        }
    }

    /// Returns the histogram with all its edges.
    pub(super) fn histogram(&self) -> Histogram {
        let bins = self.counts.len();
        if bins == 0 {
            return Histogram::default();
        }
        let edge = |i: usize| (i as f64 - self.below as f64) * self.width;
        let mut edges: Vec<f64> = (0..=bins).map(edge).collect();
        // A largest activation on an edge would leave its bin without width.
        if self.below > 0 && self.first_edge < edges[1] {
            edges[0] = self.first_edge;
        }
        if self.below < bins && self.last_edge > edges[bins - 1] {
            edges[bins] = self.last_edge;
        }
        Histogram {
            edges,
            counts: self.counts.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::super::reservoir::level;
    use super::*;

    #[track_caller]
    fn check(values: &[f32]) {
        let (mut below, mut above) = (Counts::default(), Counts::default());
        for value in values {
            let side = if *value < 0.0 { &mut below } else { &mut above };
            side.add(value.abs());
        }
        let max = f64::from(values.iter().copied().fold(0.0, f32::max));
        let min = f64::from(values.iter().copied().fold(0.0, f32::min));
        let histogram = Bins::new((&below, min), (&above, max)).histogram();
        let bins = histogram.counts.len();
        let least = if min < 0.0 && max > 0.0 { 33 } else { 40 };
        assert!(
            (least..=BINS).contains(&bins) && histogram.edges.len() == bins + 1,
            "{bins}"
        );
        assert!(histogram.edges.is_sorted() && histogram.edges.contains(&0.0));
        for (i, count) in histogram.counts.iter().enumerate() {
            let (from, to) = (histogram.edges[i], histogram.edges[i + 1]);
            // Negative bins include their upper edge, positive bins their lower edge; the outermost bins include the extremes.
            let inside = |v: f64| match v {
                v if v < 0.0 => v <= to && (v > from || i == 0),
                v => v >= from && (v < to || i + 1 == bins),
            };
            let want = values.iter().filter(|v| inside(f64::from(**v))).count();
            assert_eq!(*count, want as u64, "bin {i} from {from} to {to}");
        }
        for fifth in 1..5 {
            let edge = max * f64::from(fifth) / 5.0;
            let sizes = || values.iter().map(|v| f64::from(*v)).filter(|v| *v > 0.0);
            let exact = sizes().filter(|v| *v < edge).count() as f64;
            let near = sizes().filter(|v| (v - edge).abs() <= max / 256.0).count();
            assert!((above.below(edge) - exact).abs() <= near as f64, "{edge}");
        }
    }

    #[test]
    fn counts_are_exact_whatever_the_order_of_magnitudes() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let uniform: Vec<f32> = (0..5000).map(|_| rng.random_range(1e-3..7.3)).collect();
        check(&uniform);
        let wide: Vec<f32> = (0..5000)
            .map(|_| 2f32.powf(rng.random_range(-20.0..12.0)))
            .collect();
        check(&wide);
        let mut rising = wide.clone();
        rising.sort_by(f32::total_cmp);
        check(&rising);
        check(&[1.0, 2.0, 4.0, 512.0]);
        check(&[3.5]);
        check(&[f32::MIN_POSITIVE, f32::MAX]);
        let negative: Vec<f32> = uniform.iter().map(|v| -v).collect();
        check(&negative);
        check(&[-3.5]);
        for scale in [1.0, 0.3, 40.0] {
            let both = wide.iter().zip(&uniform).enumerate();
            let both: Vec<f32> = both
                .map(|(i, (a, b))| if i % 3 == 0 { -a * scale } else { *b })
                .collect();
            check(&both);
        }
    }

    #[test]
    fn sizes_by_octave_are_exact_and_merge() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let sizes: Vec<f32> = (0..3000)
            .map(|_| 2f32.powf(rng.random_range(-9.0..4.0)))
            .collect();
        let counted = |sizes: &[f32]| {
            let mut octaves = Octaves::default();
            for size in sizes {
                octaves.add(level(*size));
            }
            octaves
        };
        let whole = counted(&sizes);
        let mut merged = counted(&sizes[..700]);
        merged.merge(&counted(&sizes[700..]));
        assert_eq!(merged, whole);
        let histogram = whole.joined().histogram();
        assert!((26..=BINS).contains(&histogram.counts.len()));
        for (count, edges) in histogram.counts.iter().zip(histogram.edges.windows(2)) {
            // Edges are rounded to 24 bits where they are counted; no size lies that close.
            let inside = |size: &&f32| (edges[0]..edges[1]).contains(&f64::from(**size));
            assert_eq!(*count, sizes.iter().filter(inside).count() as u64);
            assert!((edges[1] / edges[0] - 2f64.powf(0.5)).abs() < 0.3);
        }
    }

    #[test]
    fn both_sides_share_one_width_with_an_edge_at_zero() {
        let (mut below, mut above) = (Counts::default(), Counts::default());
        for size in [1.0, 2.0, 2.0] {
            below.add(size);
        }
        above.add(6.0);
        let histogram = Bins::new((&below, -2.0), (&above, 6.0)).histogram();
        let zero = histogram
            .edges
            .iter()
            .position(|edge| *edge == 0.0)
            .unwrap();
        let widths: Vec<f64> = histogram.edges.windows(2).map(|p| p[1] - p[0]).collect();
        assert!(widths[1..widths.len() - 1].iter().all(|w| *w == widths[1]));
        assert_eq!(histogram.counts[..zero].iter().sum::<u64>(), 3);
        assert_eq!((histogram.counts[0], histogram.edges[0]), (2, -2.0));
        assert_eq!(
            (histogram.counts.last(), histogram.edges.last()),
            (Some(&1), Some(&6.0))
        );
    }
}
