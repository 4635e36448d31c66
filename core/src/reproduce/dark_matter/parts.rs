//! Identities of the split, and what its parts cost.

use super::{DarkMatter, DarkMatterOptions, Figure, Maps, Section, by_width};
use crate::dark_matter::splice::splice;
use crate::dark_matter::split::nonlinear;
use crate::error::Result;
use crate::progress::Ended;
use crate::sae::{ErrorOf, ErrorPart};

/// Units in the last place that the sum of the parts may be off by, of the largest of |x|, |x̂| and |linear|.
const ULPS: f64 = 2.0;
/// Farthest that the share of cross-entropy that a part recovers may lie from its share of the error.
const NEAR: f64 = 0.25;

/// The parts add up to the activation, and the linear part reduces the squared error where it was fitted.
pub(super) fn split(
    of: &DarkMatter,
    _: &DarkMatterOptions,
    maps: &Maps,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let (mut worst, mut numbers) = (0.0_f64, 0_u64);
    let (mut totals, mut rests) = (Vec::new(), Vec::new());
    for (rung, map) in of.rungs.iter().zip(maps) {
        let weights = Some(map.weights.clone());
        let linear = ErrorOf::new(rung.clone(), ErrorPart::Linear, weights, &rung.name)?;
        let (mut total, mut rest) = (0.0, 0.0);
        let (mut sum, mut square, mut n) = (vec![0.0; rung.width()], 0.0, 0.0);
        let what = format!("the split of {}", rung.name);
        let on = of.each(&of.train, (to, &what), &mut |x| {
            let back = rung.decode(&rung.encode(x)?, x)?;
            let linear = linear.of(x)?;
            n += x.rows() as f64;
            for i in 0..x.rows() {
                let parts = back.row(i).iter().zip(linear.row(i));
                for (j, (x, (back, linear))) in x.row(i).iter().zip(parts).enumerate() {
                    let error = x - back;
                    let left = nonlinear([*x, *back, *linear]);
                    let largest = x.abs().max(back.abs()).max(linear.abs());
                    let ulp = f64::from(largest.next_up() - largest);
                    let off = f64::from(back + linear + left) - f64::from(*x);
                    worst = worst.max(off.abs() / ulp);
                    numbers += 1;
                    total += f64::from(error).powi(2);
                    rest += f64::from(left).powi(2);
                    sum[j] += f64::from(*x);
                    square += f64::from(*x).powi(2);
                }
            }
            Ok(())
        })?;
        if !on {
            return Ok(());
        }
        let mean: f64 = sum.iter().map(|sum| (sum / n).powi(2)).sum();
        let variance = square - n * mean;
        totals.push(total / variance);
        rests.push(rest / variance);
    }
    to.report.hard(
        "reconstruction + linear + nonlinear part is the activation, up to 2 units in the last place",
        Figure::new(format!("off by {worst:.1} units at most, {numbers} numbers"), [worst]),
        worst <= ULPS,
    );
    let falls = totals
        .iter()
        .zip(&rests)
        .all(|(total, rest)| *rest <= total + 1e-6);
    let both: Vec<f64> = totals.iter().chain(&rests).copied().collect();
    to.report.hard(
        "on the text of the fit, FVU without the nonlinear part alone is at most FVU",
        Figure::new(
            format!("{} of {}", by_width(rests).text, by_width(totals).text),
            both,
        ),
        falls,
    );
    Ok(())
}

/// Each part recovers cross-entropy in proportion to its share of the error.
pub(super) fn costs(
    of: &DarkMatter,
    _: &DarkMatterOptions,
    _: &Maps,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let ladder = of.ladder()?;
    let texts = (&of.train, &of.held_out);
    let measured = splice(&of.model, &ladder, texts, 0, &mut |at| {
        to.progress("cross-entropy of the parts", at)
    })?;
    let Ended::Done(costs) = measured else {
        return Ok(());
    };
    let mut pairs = Vec::new();
    let mut farthest = 0.0_f64;
    for one in &costs.dictionaries {
        let (Some(linear), Some(nonlinear)) = (one.recovered.linear, one.recovered.nonlinear)
        else {
            continue;
        };
        let shares = [
            (linear, one.r2_share.linear),
            (nonlinear, one.r2_share.nonlinear),
        ];
        for (recovered, share) in shares {
            farthest = farthest.max((recovered - share).abs());
        }
        pairs.push(format!(
            "{linear:.2} of {:.2}, {nonlinear:.2} of {:.2}",
            one.r2_share.linear, one.r2_share.nonlinear
        ));
    }
    to.report.soft(
        "each part recovers cross-entropy in proportion to its share of the error (recovered of share: linear, nonlinear)",
        Figure::new(format!("{}; farthest {farthest:.2}", pairs.join("; ")), [farthest]),
        !pairs.is_empty() && farthest <= NEAR,
    );
    Ok(())
}
