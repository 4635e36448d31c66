//! Judges what the width of a dictionary changes: the error falls, its nonlinear part hardly, and tokens stay as hard as they were.

use super::{DarkMatter, DarkMatterOptions, Figure, Maps, Section, by_width, steps};
use crate::dark_matter::ladder::{Ladder, LinearParts, Settings};
use crate::error::Result;
use crate::progress::Ended;

/// Least R² of the error norms of neighbours on the ladder.
const TOKEN_R2: f64 = 0.7;
/// Share of the fall of FVU that its nonlinear part may change by.
const HALF: f64 = 0.5;

/// Measures the ladder on held-out text and judges it.
pub(super) fn ladder(
    of: &DarkMatter,
    options: &DarkMatterOptions,
    _: &Maps,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let saes = of.ladder()?;
    let texts = (&of.train, &of.held_out);
    let parts = LinearParts::fit(&of.model, &saes, texts, &mut |at| to.progress("ladder", at))?;
    let Ended::Done(parts) = parts else {
        return Ok(());
    };
    let settings = Settings {
        draws: options.draws,
        passages: 0,
        ..Settings::default()
    };
    let measured = Ladder::measure(
        &of.model,
        (&saes, Some(&parts)),
        &of.held_out,
        &settings,
        &mut |at| to.progress("ladder", at),
    )?;
    let Ended::Done(ladder) = measured else {
        return Ok(());
    };
    falls(&ladder, to);
    tokens(&ladder, to);
    if let Some(law) = ladder.law {
        let (a, b, c) = (law.law.a, law.law.b, law.law.c);
        to.report.reported(
            "power law FVU = c + a · features^(−b)",
            Figure::new(
                format!(
                    "a {a:.3}, b {b:.3}, c {c:.3}, {} degrees of freedom",
                    law.degrees_of_freedom
                ),
                [a, b, c],
            ),
        );
    }
    Ok(())
}

/// FVU falls from width to width, and its nonlinear part changes by less than half as much.
fn falls(ladder: &Ladder, to: &mut Section<'_, '_>) {
    let totals: Vec<f64> = ladder.rungs.iter().map(|rung| rung.fvu).collect();
    let rests = ladder
        .rungs
        .iter()
        .map(|rung| rung.linear.map(|part| part.fvu_nonlinear));
    let rests: Vec<f64> = rests.flatten().collect();
    let decreases = totals.windows(2).all(|pair| pair[1] < pair[0]);
    to.report
        .soft("FVU falls with width", by_width(totals.clone()), decreases);
    let change = |all: &[f64]| match (all.first(), all.last()) {
        (Some(first), Some(last)) => first - last,
        _ => f64::NAN,
    };
    let (total, rest) = (change(&totals), change(&rests));
    to.report.soft(
        "FVU of the nonlinear part changes by less than half as much",
        Figure::new(
            format!("{}, {rest:+.3} of {total:+.3}", steps(&rests)),
            [rest, total],
        ),
        rest.abs() < HALF * total.abs(),
    );
}

/// Error norms of neighbours predict each other token by token, and the nonlinear norm adds to that (first version of the paper).
fn tokens(ladder: &Ladder, to: &mut Section<'_, '_>) {
    let neighbours = |table: &[Vec<Option<f64>>]| -> Vec<f64> {
        let pairs = (1..ladder.rungs.len()).filter_map(|j| *table.get(j - 1)?.get(j)?);
        pairs.collect()
    };
    let r2 = neighbours(&ladder.token_r2);
    let holds = !r2.is_empty() && r2.iter().all(|r2| *r2 > TOKEN_R2);
    to.report.soft(
        "the error norm of a token at one width predicts that at the next (R² above 0.7)",
        by_width(r2),
        holds,
    );
    let gains = neighbours(&ladder.nonlinear_gain);
    let holds = !gains.is_empty() && gains.iter().all(|gain| *gain > 0.0);
    to.report.soft(
        "the nonlinear norm explains part of what is left of it (share of the rest)",
        by_width(gains),
        holds,
    );
}
