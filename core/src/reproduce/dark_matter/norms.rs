//! Predictability of norms: the probe of the error's norm against what else could predict it.

use super::{DarkMatter, DarkMatterOptions, Figure, Maps, Section};
use crate::dark_matter::places::{self, Baseline, BaselineR2, Component};
use crate::dark_matter::{FitSpec, FitTexts, TOKENS_PER_DIMENSION, fit};
use crate::error::Result;
use crate::progress::Ended;

/// Least R² of the squared norm of the error from the activation.
const NORM_R2: f64 = 0.7;

/// The activation predicts the norm of the error better than any scalar does, and that of the nonlinear part worst.
pub(super) fn norms(
    of: &DarkMatter,
    options: &DarkMatterOptions,
    _: &Maps,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let sae = of.widest()?;
    let needed = TOKENS_PER_DIMENSION * sae.width();
    if of.train.counted() < needed {
        let why = format!("not measured: needs {needed} activations to fit on");
        to.report
            .reported("norms of the error", Figure::new(why, Vec::new()));
        return Ok(());
    }
    let of_both = (sae.autoencoder()?, None);
    let texts = FitTexts {
        fit: &of.train,
        held_out: &of.held_out,
        fingerprints: ["", ""],
    };
    let spec = FitSpec::default();
    let fitted = fit(&of.model, of_both, &spec, &texts, &mut |at| {
        to.progress("norms", at)
    })?;
    let Ended::Done(fitted) = fitted else {
        return Ok(());
    };
    let by = (&fitted, options.draws, 0);
    let measured = places::measure(&of.model, of_both, by, &texts, &mut |at| {
        to.progress("norms", at)
    })?;
    let Ended::Done(found) = measured else {
        return Ok(());
    };
    let r2 = |component: Component| {
        let one = found.norms.iter().find(|one| one.component == component);
        one.map_or(f64::NAN, |one| one.r2)
    };
    let error = r2(Component::Error);
    let is_probe = |one: &&BaselineR2| one.baseline == Baseline::Activation;
    let own = found.baselines.iter().find(is_probe);
    let probe = own.map_or(f64::NAN, |own| own.r2);
    let others = found.baselines.iter().filter(|one| !is_probe(one));
    let best = others.max_by(|a, b| a.r2.total_cmp(&b.r2));
    let (name, scalar) = best.map_or(("none", f64::NAN), |best| (best.baseline.name(), best.r2));
    to.report.soft(
        "the activation predicts the squared norm of the error with R² above 0.7",
        Figure::new(format!("{error:.3}"), [error]),
        error > NORM_R2,
    );
    to.report.soft(
        "a probe of the activation predicts the norm of the error better than every scalar",
        Figure::new(
            format!("{probe:.3} against {scalar:.3} by the {name}"),
            [probe, scalar],
        ),
        probe > scalar,
    );
    let all: Vec<f64> = found.norms.iter().map(|one| one.r2).collect();
    let rest = r2(Component::Nonlinear);
    let figures = found
        .norms
        .iter()
        .map(|one| format!("{} {:.3}", one.component.name(), one.r2));
    to.report.soft(
        "of all norms, that of the nonlinear error is predicted worst",
        Figure::new(figures.collect::<Vec<_>>().join(", "), all.clone()),
        all.iter().all(|r2| rest <= *r2),
    );
    Ok(())
}
