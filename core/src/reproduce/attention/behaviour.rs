//! Findings of the paper: reconstruction, long and short prefixes, sentences with two names.

use super::{Attention, AttentionOptions, Figure, Section};
use crate::error::Result;
use crate::eval;
use crate::heads::induction::{self, Curve, Options, PREFIXES};
use crate::heads::ioi::{self, Corruption, Ioi};
use crate::progress::Ended;

/// Least share of cross-entropy recovered.
const RECOVERED: f64 = 0.8;
/// Largest share of the dictionary's features that are active.
const ACTIVE: f64 = 0.05;
/// Attention to the right source, over all prefix lengths, from which a head counts as an induction head.
const INDUCTION: f64 = 0.3;

/// Cross-entropy recovered, and how many features it takes.
pub(super) fn reconstruction(
    of: &Attention,
    _: &AttentionOptions,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    for study in &of.studies {
        let (sae, name) = (&study.sae, &study.sae.name);
        let watch = &mut *to.watch;
        let found = eval::run(&of.model, sae, &of.held_out, &mut |_| {
            watch.at(format!("reconstruction by {name}"))
        })?;
        let Ended::Done(figures) = found else {
            return Ok(());
        };
        let share = figures.l0 / sae.features() as f64;
        to.report.soft(
            format!("{name} recovers more than {RECOVERED} of cross-entropy with under 5 % of its features active"),
            Figure::new(
                format!(
                    "recovered {:.3} from zero ablation, L0 {:.1} of {} features ({:.1} %)",
                    figures.ce_recovered_zero,
                    figures.l0,
                    sae.features(),
                    100.0 * share
                ),
                [figures.ce_recovered_zero, figures.l0, share],
            ),
            figures.ce_recovered_zero > RECOVERED && share < ACTIVE,
        );
    }
    Ok(())
}

/// Prefix-length curves of induction heads.
pub(super) fn induction(
    of: &Attention,
    options: &AttentionOptions,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let asked = Options {
        sequences: options.sequences,
        seed: 0,
    };
    let watch = &mut *to.watch;
    let found = induction::synthetic(&of.model, &asked, &mut |at| {
        watch.at(format!("induction, {} of {} sequences", at.done, at.total))
    })?;
    let Ended::Done(found) = found else {
        return Ok(());
    };
    let heads: Vec<&Curve> = found
        .strongest()
        .into_iter()
        .filter(|curve| curve.mean() > INDUCTION)
        .collect();
    let named = |curve: &&Curve| {
        let values: Vec<String> = curve.by_prefix.iter().map(|v| format!("{v:.2}")).collect();
        format!("L{}H{} {}", curve.layer, curve.head, values.join(" "))
    };
    let all: Vec<String> = heads.iter().map(named).collect();
    let text = if all.is_empty() {
        format!("no head attends more than {INDUCTION} to the right source")
    } else {
        format!(
            "attention for prefixes of 1 to {PREFIXES} tokens: {}",
            all.join("; ")
        )
    };
    let values: Vec<f64> = heads.iter().flat_map(|curve| curve.by_prefix).collect();
    to.report.soft(
        "attention of an induction head rises with the prefix, no fall beyond its sampling error",
        Figure::new(text, values),
        heads.iter().any(|curve| curve.rises()),
    );
    let strict = heads.iter().filter(|curve| curve.rises_strictly()).count();
    to.report.reported(
        "induction heads whose mean attention never falls at all",
        Figure::new(
            format!("{strict} of {}", heads.len()),
            [strict as f64, heads.len() as f64],
        ),
    );
    let long = |curve: &&&Curve| curve.long() - curve.short() > curve.long() / 2.0;
    let [needs, short] = [
        heads.iter().filter(long).count(),
        heads.iter().filter(|c| !long(c)).count(),
    ];
    to.report.reported(
        "heads that need a long prefix (attention more than doubles), and heads that do not",
        Figure::new(
            format!("{needs} and {short}; GPT-2 small has one of each in layer 5"),
            [needs as f64, short as f64],
        ),
    );
    Ok(())
}

/// Sentences with two names, by the dictionary whose features at S2 matter most.
pub(super) fn names(
    of: &Attention,
    options: &AttentionOptions,
    to: &mut Section<'_, '_>,
) -> Result<()> {
    let prompts = ioi::from_templates(&of.model, options.prompts, 0)?;
    let mut all: Vec<Ioi> = Vec::new();
    for study in &of.studies {
        let watch = &mut *to.watch;
        let name = &study.sae.name;
        let found = ioi::run(
            &of.model,
            study.sae.autoencoder()?,
            (&prompts, &[]),
            &mut |at| watch.at(format!("two names by {name}, {} of {}", at.done, at.total)),
        )?;
        let Ended::Done(found) = found else {
            return Ok(());
        };
        all.push(found);
    }
    let fall = |found: &Ioi| found.features.first().map_or(0.0, |effect| effect.change);
    let Some(most) = all.iter().min_by(|a, b| fall(a).total_cmp(&fall(b))) else {
        return Ok(());
    };
    to.report.soft(
        "the model answers with the name that occurs once",
        Figure::new(
            format!(
                "logit difference {:.2} on average, above 0 in {:.0} % of {} sentences",
                most.ld,
                100.0 * most.positive,
                prompts.len()
            ),
            [most.ld, most.positive],
        ),
        most.ld > 0.0 && most.positive > 0.5,
    );
    let listed: Vec<String> = most
        .features
        .iter()
        .take(3)
        .map(|effect| {
            format!(
                "#{} {:+.2} (active in {} + {})",
                effect.feature, effect.change, effect.alive[0], effect.alive[1]
            )
        })
        .collect();
    to.report.reported(
        "change of the logit difference with one feature set to 0 at the repeated name, the three largest falls",
        Figure::new(
            format!("{}: {}; without the error {:+.2}", most.dictionary, listed.join(", "), most.error_term),
            most.features.iter().take(3).map(|effect| effect.change).collect::<Vec<_>>(),
        ),
    );
    noising(&all, to);
    Ok(())
}

/// Both corruptions in the layer whose output at S2 matters most.
fn noising(all: &[Ioi], to: &mut Section<'_, '_>) {
    let all = all.iter().filter_map(|found| found.noising.as_ref());
    let loss = |noising: &&ioi::Noising| noising.clean - noising.zero_at_s2;
    let Some(noising) = all.max_by(|a, b| loss(a).total_cmp(&loss(b))) else {
        let none = Figure::new("no sentence allows both corruptions", []);
        return to.report.reported("noising at the repeated name", none);
    };
    let [names, and] =
        [Corruption::Names, Corruption::And].map(|corruption| noising.of(corruption));
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share))
    };
    let layer = noising.layers.first().map_or(0, |layer| layer.0);
    to.report.soft(
        "attention output from a sentence that keeps \"and\" (A) leaves more of the answer than from one without it (B)",
        Figure::new(
            format!(
                "layer {layer}: clean {:.2}, A {:.2}, B {:.2}; recovered from zero at S2 ({:.2}) {} and {}, from zero everywhere ({:.2}) {} and {}; GPT-2 small, layers 5 and 6: 93 % and 43 %",
                noising.clean,
                names.ld,
                and.ld,
                noising.zero_at_s2,
                percent(names.recovered_at_s2),
                percent(and.recovered_at_s2),
                noising.zero_everywhere,
                percent(names.recovered_everywhere),
                percent(and.recovered_everywhere),
            ),
            [noising.clean, names.ld, and.ld, noising.zero_at_s2, noising.zero_everywhere],
        ),
        names.ld > and.ld,
    );
}
