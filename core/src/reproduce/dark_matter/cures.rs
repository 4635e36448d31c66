//! Cures of the error that train nothing, a better choice of features and the reconstructions of earlier dictionaries; and the split on errors that are planted.

use super::{DarkMatter, DarkMatterOptions, Figure, Maps, Section};
use crate::dark_matter::predict::predict;
use crate::dark_matter::pursuit::{Method, Settings, compare};
use crate::dark_matter::self_test::{self, self_test};
use crate::error::Result;
use crate::progress::Ended;
use crate::sae::{Autoencoder, Sae};

/// Gradient pursuit at the encoder's L0 lowers the squared error.
pub(super) fn pursuit(
    of: &DarkMatter,
    options: &DarkMatterOptions,
    _: &Maps,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let sae = of.widest()?;
    let rows = of.held_out.sample(options.pursued);
    let settings = Settings {
        method: Method::Gradient,
        ..Settings::default()
    };
    let compared = compare((&of.model, sae), &rows, settings, None, &mut |at| {
        to.progress("pursuit", at)
    })?;
    let Ended::Done(found) = compared else {
        return Ok(());
    };
    to.report.soft(
        "pursuit at the encoder's L0 leaves less unexplained than the encoder (FVU of encoder and pursuit)",
        Figure::new(
            format!("{:.3} → {:.3}, {} tokens", found.fvu_encoder, found.fvu_pursuit, found.tokens),
            [found.fvu_encoder, found.fvu_pursuit],
        ),
        found.fvu_pursuit <= found.fvu_encoder,
    );
    to.report.soft(
        "pursuit raises the squared error of no token by more than 1 % (share of tokens that it raises at all, and by more)",
        Figure::new(
            format!("{:.4}, {:.4}", found.worse, found.clearly_worse),
            [found.worse, found.clearly_worse],
        ),
        found.clearly_worse == 0.0,
    );
    Ok(())
}

/// Noise on activations shows up in the linear part and noise on reconstructions in the nonlinear part.
pub(super) fn planted(
    of: &DarkMatter,
    _: &DarkMatterOptions,
    _: &Maps,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let sae = of.widest()?.autoencoder()?;
    let texts = (&of.train, &of.held_out);
    let settings = self_test::Settings::default();
    let tested = self_test(&of.model, sae, texts, &settings, &mut |at| {
        to.progress("planted errors", at)
    })?;
    let Ended::Done(found) = tested else {
        return Ok(());
    };
    let (mut least, mut largest) = (f64::INFINITY, 0.0_f64);
    for grid in &found.grids {
        let [[a, b], [c, d]] = grid.correlation;
        least = least.min(a).min(d);
        largest = largest.max(b.abs()).max(c.abs());
    }
    to.report.soft(
        "planted noise: that of activations goes with the linear part, that of reconstructions with the nonlinear part (least correlation on the diagonal, largest off it)",
        Figure::new(format!("{least:.3}, {largest:.3}"), [least, largest]),
        !found.grids.is_empty() && found.grids.iter().all(self_test::Grid::passes),
    );
    Ok(())
}

/// Reconstructions of earlier dictionaries predict part of the nonlinear error.
pub(super) fn earlier(
    of: &DarkMatter,
    _: &DarkMatterOptions,
    _: &Maps,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let sources = of.earlier.iter().map(Sae::autoencoder);
    let sources: Vec<Autoencoder<'_>> = sources.collect::<Result<_>>()?;
    if sources.is_empty() {
        return Ok(());
    }
    let (sae, texts) = (of.widest()?.autoencoder()?, (&of.train, &of.held_out));
    let predicted = predict(&of.model, sae, &sources, texts, 0, &mut |at| {
        to.progress("earlier dictionaries", at)
    })?;
    let Ended::Done(found) = predicted else {
        return Ok(());
    };
    let names: Vec<&str> = of.earlier.iter().map(|sae| sae.name.as_str()).collect();
    let rows = found.rows.iter().filter(|row| names.contains(&row.name()));
    let best = rows.max_by(|a, b| a.reduction.total_cmp(&b.reduction));
    let Some(best) = best else { return Ok(()) };
    to.report.soft(
        "the reconstruction of an earlier dictionary predicts part of the nonlinear error (share of its FVU, the best)",
        Figure::new(format!("{:.3} from {}", best.reduction, best.name()), [best.reduction]),
        best.reduction > 0.0,
    );
    Ok(())
}
