//! `exp` of f32 as arithmetic that vectorises, for the kernels that take one per entry.

use super::multiply_add;

/// Below this, `exp` is 0 here (it would be a subnormal number).
const LEAST: f32 = -87.3;
/// Above this, `exp` is that of this number.
const MOST: f32 = 88.3;

/// `e^x` within 2 units in the last place; 0 below −87.3, constant above 88.3.
#[inline(always)]
pub(crate) fn exponential<const FMA: bool>(x: f32) -> f32 {
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer without a branch.
    const ROUND: f32 = 12_582_912.0;
    let bounded = x.clamp(LEAST, MOST);
    let shifted = multiply_add::<FMA>(bounded, std::f32::consts::LOG2_E, ROUND);
    let power = shifted - ROUND;
    // ln 2 in two parts, so that the remainder keeps its low bits.
    let rest = multiply_add::<FMA>(power, -0.693_145_75, bounded);
    let rest = multiply_add::<FMA>(power, -1.428_606_8e-6, rest);
    let series = [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let mut sum = 1.0 / 5040.0;
    for term in series {
        sum = multiply_add::<FMA>(sum, rest, term);
    }
    let scale = f32::from_bits(((power as i32 + 127) as u32) << 23);
    if x < LEAST { 0.0 } else { sum * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_exponential_in_f64() {
        for step in -8_720..8_820 {
            let x = step as f32 / 100.0;
            let want = f64::from(x).exp();
            let off = (f64::from(exponential::<false>(x)) / want - 1.0).abs();
            assert!(off < 2.5e-7, "exp({x}) is off by {off}");
        }
        assert_eq!(exponential::<false>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exponential::<false>(0.0), 1.0);
    }
}
