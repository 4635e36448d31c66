//! Exact counts of activations whose maximum is not known beforehand: equal bins over a range that doubles when a value exceeds it, pairs of bins
//! becoming one. The range stays a power of two times the bin count, so no count ever has to be divided.

use super::{BINS, Histogram};

/// Bins over the range; at least half of them lie below the maximum.
const FINE: usize = 512;

/// Counts of values > 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// `[FINE]` once there is a value.
    bins: Vec<u64>,
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

    /// Values below `value`; a bin that it divides counts in proportion.
    pub(super) fn below(&self, value: f64) -> f64 {
        if self.bins.is_empty() {
            return 0.0;
        }
        let bin = self.bin(value).min(FINE);
        let whole: u64 = self.bins[..bin].iter().sum();
        let part = self.bins.get(bin).copied().unwrap_or(0) as f64;
        whole as f64 + part * (value / self.width()).fract()
    }

    /// At most [`BINS`] equal bins, each several of the fine ones, up to `max`, the largest value added.
    pub(super) fn histogram(&self, max: f64) -> Histogram {
        if self.bins.is_empty() {
            return Histogram::default();
        }
        let used = self.bin(max) + 1;
        let together = used.div_ceil(BINS);
        let counts: Vec<u64> = self.bins[..used]
            .chunks(together)
            .map(|bins| bins.iter().sum())
            .collect();
        let width = together as f64 * self.width();
        let mut edges: Vec<f64> = (0..=counts.len()).map(|i| i as f64 * width).collect();
        // A maximum that is itself the lower edge of the last bin would leave it no width.
        if let [.., lower, last] = &mut edges[..]
            && max > *lower
        {
            *last = max;
        }
        Histogram { edges, counts }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[track_caller]
    fn check(values: &[f32]) {
        let mut counts = Counts::default();
        for value in values {
            counts.add(*value);
        }
        let max = f64::from(values.iter().copied().fold(0.0, f32::max));
        let histogram = counts.histogram(max);
        let bins = histogram.counts.len();
        assert!(
            (40..=BINS).contains(&bins) && histogram.edges.len() == bins + 1,
            "{bins}"
        );
        for (i, count) in histogram.counts.iter().enumerate() {
            let (from, to) = (histogram.edges[i], histogram.edges[i + 1]);
            let last = i + 1 == bins;
            let inside = |v: f64| v >= from && (v < to || last);
            let want = values.iter().filter(|v| inside(f64::from(**v))).count();
            assert_eq!(*count, want as u64, "bin {i} from {from} to {to}");
        }
        for fifth in 1..5 {
            let edge = max * f64::from(fifth) / 5.0;
            let exact = values.iter().filter(|v| f64::from(**v) < edge).count() as f64;
            let near = values
                .iter()
                .filter(|v| (f64::from(**v) - edge).abs() <= max / 256.0)
                .count();
            assert!((counts.below(edge) - exact).abs() <= near as f64, "{edge}");
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
        let mut rising = wide;
        rising.sort_by(f32::total_cmp);
        check(&rising);
        check(&[1.0, 2.0, 4.0, 512.0]);
        check(&[3.5]);
        check(&[f32::MIN_POSITIVE, f32::MAX]);
    }
}
