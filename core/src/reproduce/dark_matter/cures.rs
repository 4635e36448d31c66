//! Cures of the error that train nothing: a better choice of features.

use super::{DarkMatter, DarkMatterOptions, Figure, Maps, Section};
use crate::dark_matter::pursuit::{Method, Settings, compare};
use crate::error::Result;
use crate::progress::Ended;

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
