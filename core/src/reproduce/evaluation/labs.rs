//! The two toys: large attributes hide small ones, and splitting a binary attribute lowers the loss.

use super::{Figure, Report, Watch, World};
use crate::error::Result;
use crate::progress::{Ended, Progress};
use crate::recovery::Spread;
use crate::recovery::fit::{Fit, Sparsity};
use crate::recovery::occlusion::{THRESHOLDS, Toy, toy};
use crate::recovery::splitting::toy as splits;

/// Factors of the sum of activations in the occlusion toy's dictionaries.
const L1: [f64; 3] = [0.2, 0.3, 0.4];

fn said(spread: &Spread) -> String {
    match spread.interval {
        Some([low, high]) => format!("{:.3} ({low:.3} to {high:.3})", spread.mean),
        None => format!("{:.3}", spread.mean),
    }
}

pub(super) fn occlusion(
    world: &World<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let fits = L1.map(|weight| Fit {
        sparsity: Sparsity::L1(weight),
        ..Fit::default()
    });
    let at = |at: Progress| format!("occlusion toy: pass {} of {}", at.done, at.total);
    let seeds = 0..world.options.toys;
    let found = toy(&Toy::default(), &fits, seeds, &mut |progress| {
        watch.at(at(progress))
    })?;
    let Ended::Done(found) = found else {
        return Ok(());
    };
    let [large, small] = &found.shares[0];
    report.soft(
        format!(
            "occlusion toy: more large than small values are found at F1 {}, and the gap shrinks at F1 {} (95 % intervals over seeds above 0)",
            THRESHOLDS[0], THRESHOLDS[1]
        ),
        Figure::new(
            format!(
                "large {}, small {}; gap {} and {}; it shrinks by {}",
                said(large),
                said(small),
                said(&found.gaps[0]),
                said(&found.gaps[1]),
                said(&found.fading)
            ),
            [large.mean, small.mean, found.gaps[0].mean, found.gaps[1].mean],
        ),
        found.holds() == Some(true),
    );
    Ok(())
}

pub(super) fn splitting(
    world: &World<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let at = |at: Progress| format!("over-splitting toy: {} of {}", at.done, at.total);
    let seeds = 0..world.options.toys;
    let found = splits::study(&splits::Toy::default(), seeds, &mut |progress| {
        watch.at(at(progress))
    })?;
    let Ended::Done(found) = found else {
        return Ok(());
    };
    let lambdas = found
        .at
        .iter()
        .filter(|at| splits::CLAIMED.contains(&at.lambda));
    let (text, values): (Vec<String>, Vec<f64>) = lambdas
        .map(|at| {
            let text = format!(
                "λ {}: {} against {}",
                at.lambda,
                said(&at.random),
                said(&at.ideal)
            );
            (text, at.advantage.mean)
        })
        .unzip();
    report.soft(
        "over-splitting toy: 1,000 random features have a lower loss than the 2 ideal ones at λ 1, 2 and 3 (95 % intervals over seeds)",
        Figure::new(text.join("; "), values),
        found.holds() == Some(true),
    );
    Ok(())
}
