//! `ln` of f32 as arithmetic that vectorises, for sums that take one per entry.

use super::multiply_add;

/// `ln x` within 2 units in the last place for normal `x`; that of the smallest normal number below it, 0 included.
#[inline(always)]
pub(crate) fn logarithm<const FMA: bool>(x: f32) -> f32 {
    // Bits of √½: the power is chosen so that the rest lies between √½ and √2.
    const LEAST: u32 = 0x3f35_04f3;
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let power = (bits.wrapping_sub(LEAST) as i32) >> 23;
    let rest = f32::from_bits(bits.wrapping_sub((power << 23) as u32)) - 1.0;
    let series = [
        -0.115_146_1,
        0.116_769_99,
        -0.124_201_41,
        0.142_493_23,
        -0.166_680_58,
        0.200_007_15,
        -0.249_999_94,
        0.333_333_3,
    ];
    let mut sum = 0.070_376_836;
    for term in series {
        sum = multiply_add::<FMA>(sum, rest, term);
    }
    let power = power as f32;
    let square = rest * rest;
    // ln 2 in two parts, so that the remainder keeps its low bits.
    let low = multiply_add::<FMA>(power, -2.121_944_4e-4, sum * rest * square);
    let low = multiply_add::<FMA>(square, -0.5, low);
    multiply_add::<FMA>(power, 0.693_359_4, rest + low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_logarithm_in_f64() {
        for step in 1..20_000 {
            for x in [step as f32 / 10_000.0, (step as f32 * -0.004).exp()] {
                let want = f64::from(x).ln();
                let off = (f64::from(logarithm::<false>(x)) - want).abs();
                assert!(
                    off < 2.5e-7 * want.abs().max(1e-7),
                    "ln({x}) is off by {off}"
                );
            }
        }
        assert_eq!(logarithm::<false>(1.0), 0.0);
        assert!(logarithm::<false>(0.0).is_finite());
    }
}
