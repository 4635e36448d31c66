//! Central moments of values that arrive one by one or in parts (Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
//! statistical moments", 2008, equations 1.6 and 3.1). Sums about the running mean lose no digits where the mean is far from 0.

use super::super::pack::{Reader, Writer};
use crate::features::Moments;

/// Number, mean, and sums of powers about the mean.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::features) struct Sums {
    n: u64,
    mean: f64,
    square: f64,
    cube: f64,
    fourth: f64,
}

impl Sums {
    pub(in crate::features) fn add(&mut self, value: f64) {
        let before = self.n as f64;
        self.n += 1;
        let n = self.n as f64;
        let delta = value - self.mean;
        let step = delta / n;
        let square_step = step * step;
        let term = delta * step * before;
        self.mean += step;
        self.fourth += term * square_step * (n * n - 3.0 * n + 3.0)
            + 6.0 * square_step * self.square
            - 4.0 * step * self.cube;
        self.cube += term * step * (n - 2.0) - 3.0 * step * self.square;
        self.square += term;
    }

    pub(in crate::features) fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *other;
            return;
        }
        let (a, b) = (self.n as f64, other.n as f64);
        let n = a + b;
        let delta = other.mean - self.mean;
        let step = delta / n;
        let (square, cube) = (self.square, self.cube);
        self.square += other.square + delta * step * a * b;
        self.cube += other.cube
            + delta * step * step * a * b * (a - b)
            + 3.0 * step * (a * other.square - b * square);
        self.fourth += other.fourth
            + delta * step * step * step * a * b * (a * a - a * b + b * b)
            + 6.0 * step * step * (a * a * other.square + b * b * square)
            + 4.0 * step * (a * other.cube - b * cube);
        self.mean += step * b;
        self.n += other.n;
    }

    pub(in crate::features) fn mean(&self) -> f64 {
        self.mean
    }

    /// Returns the population moments; none without a value.
    pub(in crate::features) fn moments(&self) -> Option<Moments> {
        let n = self.n as f64;
        (self.n > 0).then(|| {
            let variance = self.square / n;
            Moments {
                variance,
                skewness: self.cube / n / variance.powf(1.5),
                kurtosis: self.fourth / n / (variance * variance),
            }
        })
    }

    pub(in crate::features) fn write(&self, out: &mut Writer) {
        out.int(self.n);
        for value in [self.mean, self.square, self.cube, self.fourth] {
            out.f64(value);
        }
    }

    pub(in crate::features) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            n: from.int()?,
            mean: from.f64()?,
            square: from.f64()?,
            cube: from.f64()?,
            fourth: from.f64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Moments by their definition, in two passes.
    fn definition(values: &[f64]) -> [f64; 4] {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let central = |power: i32| values.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
        let variance = central(2);
        [
            mean,
            variance,
            central(3) / variance.powf(1.5),
            central(4) / (variance * variance),
        ]
    }

    fn of(sums: &Sums) -> [f64; 4] {
        let moments = sums.moments().unwrap();
        [
            sums.mean(),
            moments.variance,
            moments.skewness,
            moments.kurtosis,
        ]
    }

    fn far(got: [f64; 4], want: [f64; 4]) -> f64 {
        let error = |(got, want): (f64, f64)| (got - want).abs() / want.abs().max(1e-3);
        got.into_iter().zip(want).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn one_pass_and_merged_parts_equal_the_definition() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // The first value of the second list is far from all others; the third list's mean is far from 0.
        let heavy: Vec<f64> = (0..4000)
            .map(|_| -f64::ln(rng.random_range(1e-9..1.0)))
            .collect();
        let outlier: Vec<f64> = [900.0].into_iter().chain(heavy.clone()).collect();
        let offset: Vec<f64> = heavy.iter().map(|value| value + 5000.0).collect();
        let negative: Vec<f64> = heavy.iter().map(|value| -value).collect();
        for values in [&heavy, &outlier, &offset, &negative, &vec![2.0, 2.5]] {
            let want = definition(values);
            let mut whole = Sums::default();
            for value in values {
                whole.add(*value);
            }
            // The definition itself rounds: the mean of the offset list has 5000 · 2⁻⁵³ · √4000.
            assert!(far(of(&whole), want) < 1e-9, "{:?} {want:?}", of(&whole));
            for parts in [1, 7, 333] {
                let mut merged = Sums::default();
                for part in values.chunks(parts) {
                    let mut sums = Sums::default();
                    part.iter().copied().for_each(|value| sums.add(value));
                    merged.merge(&sums);
                }
                assert!(far(of(&merged), want) < 1e-9, "{:?} {want:?}", of(&merged));
            }
            // The comparison tells a value more.
            whole.add(values[1] * 1.1);
            assert!(far(of(&whole), want) > 1e-9);
        }
        assert_eq!(Sums::default().moments(), None);
        let mut one = Sums::default();
        one.add(2.0);
        let moments = one.moments().unwrap();
        assert!(moments.variance == 0.0 && moments.skewness.is_nan());
    }
}
