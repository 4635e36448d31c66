//! Trains what the list needs: the ladder where a project has none, and a dictionary of each part of the error.

use std::sync::Arc;

use super::{DarkMatter, DarkMatterOptions, Figure, Maps, Section, Watch};
use crate::device::Compute;
use crate::error::Result;
use crate::eval;
use crate::progress::{Ended, Flow};
use crate::sae::{ErrorOf, ErrorPart, Sae};
use crate::train::{self, Event, Keeping, Spec};

/// Trains the ladder of the options in one pass of the model; empty where it was stopped.
pub(super) fn rungs(
    of: &DarkMatter,
    options: &DarkMatterOptions,
    watch: &mut Watch<'_>,
) -> Result<Vec<Sae>> {
    let specs = options
        .widths
        .iter()
        .map(|width| of.spec((*width, options.k, options.rungs_on)));
    let saes = trained(of, specs.collect(), &mut |what| {
        watch.at(format!("ladder, {what}"))
    })?;
    let named = saes
        .into_iter()
        .zip(&options.widths)
        .map(|(mut sae, width)| {
            sae.name = format!("rung of {width}");
            sae
        });
    Ok(named.collect())
}

/// Trains dictionaries of `specs` in one pass; empty where it was stopped.
fn trained(
    of: &DarkMatter,
    specs: Vec<Spec>,
    at: &mut dyn FnMut(String) -> Flow,
) -> Result<Vec<Sae>> {
    let runs: Vec<(Spec, Keeping)> = specs
        .into_iter()
        .map(|spec| (spec, Keeping::default()))
        .collect();
    let mut observe = |which: usize, event: Event| match event {
        Event::Progress(point) => at(format!(
            "dictionary {}: step {} of {}",
            which + 1,
            point.step,
            point.steps
        )),
        _ => Flow::Continue(()),
    };
    let outcomes = train::run_several(&runs, &of.model, &of.train, &Compute::Cpu, &mut observe)?;
    let mut saes = Vec::new();
    for outcome in outcomes {
        match outcome? {
            Ended::Done(outcome) => saes.push(outcome.sae),
            Ended::Stopped(_) => return Ok(Vec::new()),
        }
    }
    Ok(saes)
}

/// Trains a dictionary on the whole error and on each part of it; the one on the nonlinear part explains least of what it reads.
pub(super) fn parts(
    of: &DarkMatter,
    options: &DarkMatterOptions,
    maps: &Maps,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let parent = Arc::new(of.widest()?.clone());
    let mut specs = Vec::new();
    for part in ErrorPart::ALL {
        let map = maps.last().map(|map| map.weights.clone());
        let map = map.filter(|_| part.needs_map());
        let mut spec = of.spec((options.features, options.k, options.children_on));
        spec.on = Some(Arc::new(ErrorOf::new(Arc::clone(&parent), part, map, "")?));
        specs.push(spec);
    }
    let children = trained(of, specs, &mut |what| {
        to.at(format!("parts of the error, {what}"))
    })?;
    let mut measured = Vec::new();
    for (part, child) in ErrorPart::ALL.into_iter().zip(&children) {
        let what = format!("the dictionary of the {}", part.said());
        let figures = eval::run(&of.model, child, &of.held_out, &mut |at| {
            to.progress(&what, at)
        })?;
        let Ended::Done(figures) = figures else {
            return Ok(());
        };
        measured.push(figures);
    }
    let [whole, linear, nonlinear] = measured.as_slice() else {
        return Ok(());
    };
    to.report.soft(
        "a dictionary of the nonlinear part of the error has a higher FVU than one of the linear part (linear, nonlinear)",
        Figure::new(
            format!("{:.3}, {:.3}", linear.fvu, nonlinear.fvu),
            [linear.fvu, nonlinear.fvu],
        ),
        nonlinear.fvu > linear.fvu,
    );
    if let Some(pair) = whole.pair {
        to.report.soft(
            "parent and a dictionary of its error together leave less unexplained than the parent (FVU, cross-entropy)",
            Figure::new(
                format!(
                    "{:.3} → {:.3}, {:.4} → {:.4} nats",
                    pair.fvu_parent, pair.fvu_pair, pair.ce_parent, pair.ce_pair
                ),
                [pair.fvu_parent, pair.fvu_pair, pair.ce_parent, pair.ce_pair],
            ),
            pair.fvu_pair < pair.fvu_parent,
        );
    }
    Ok(())
}
