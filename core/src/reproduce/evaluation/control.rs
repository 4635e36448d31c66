//! Claims on control: supervised dictionaries, dictionaries trained on the task, dictionaries whose decoder never learned.

use super::{Figure, Report, Watch, World};
use crate::dims::Matrix;
use crate::error::Result;
use crate::progress::Ended;
use crate::recovery::Spread;
use crate::recovery::fit::{Fit, Sparsity};
use crate::sae::Sae;
use crate::tasks::supervised::{self, Parametrisation};
use crate::tasks::test::{self, EditPoint, Evaluation, How, Spec, Tested};

/// Active features, features and batch of the dictionaries that are trained on the task (the paper's later results: TopK with k = 3).
const K: usize = 3;
const FEATURES: usize = 512;
const BATCH: usize = 256;
const LEARNING_RATE: f64 = 2e-3;

/// An attribute matters where at most this share of prompts agrees with the true change without an edit.
const MATTERS: f64 = 0.9;

/// Standard errors by which accuracy may fall from one number of exchanges to the next.
const NOISE: f64 = 2.0;

/// Kinds of trained dictionaries.
const KINDS: [&str; 2] = ["TopK", "frozen decoder"];

/// Trains one dictionary a place; none if it was stopped.
fn train(
    world: &World<'_>,
    (kind, seed): (&str, u64),
    watch: &mut Watch<'_>,
) -> Result<Option<Vec<Sae>>> {
    let fit = Fit {
        features: FEATURES,
        sparsity: Sparsity::TopK(K),
        learning_rate: LEARNING_RATE,
        epochs: world.options.epochs,
        batch: BATCH,
    };
    let mut saes = Vec::new();
    for (place, values) in world.places.iter().zip(&world.activations.clean) {
        let building = world.task.building();
        let rows = values.values()[..building * values.columns()].to_vec();
        let rows = Matrix::new(building, values.columns(), rows)?;
        let said = |pass: usize| format!("{kind}, seed {seed}: pass {pass} of {}", fit.epochs);
        let mut observe = |pass: usize| watch.at(said(pass));
        let trained = if kind == KINDS[1] {
            fit.train_with_frozen_decoder(&rows, seed, &mut observe)?
        } else {
            fit.train(&rows, seed, &mut observe)?
        };
        let Ended::Done(sae) = trained else {
            return Ok(None);
        };
        let mut sae = sae.reading(place.site.hook);
        sae.name = format!("{kind} {seed}");
        saes.push(sae);
    }
    watch.next();
    Ok(Some(saes))
}

/// Dictionary over all places of an evaluation: the last one, where several are edited together.
fn whole(found: &Evaluation) -> Option<&Tested> {
    found.dictionaries.iter().rfind(|tested| !tested.supervised)
}

/// Evaluations of the dictionaries of one kind, one a seed.
type Kind = Vec<Evaluation>;

pub(super) fn claims(world: &World<'_>, report: &mut Report, watch: &mut Watch<'_>) -> Result<()> {
    let mut spec = Spec::new(&world.sites);
    spec.supervised = vec![
        (supervised::Fit::Mean, Parametrisation::Coupled),
        (supervised::Fit::Mean, Parametrisation::Names),
    ];
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in KINDS {
        let mut found = Kind::new();
        for seed in 0..world.options.seeds {
            let Some(saes) = train(world, (kind, seed), watch)? else {
                return Ok(());
            };
            let saes: Vec<&Sae> = saes.iter().collect();
            let said = |at: crate::progress::Progress| {
                format!(
                    "testing {kind}, seed {seed}: prompt {} of {}",
                    at.done, at.total
                )
            };
            let tested = test::run(world.model, &world.task, (&saes, &spec), &mut |at| {
                watch.at(said(at))
            })?;
            let Ended::Done(tested) = tested else {
                return Ok(());
            };
            found.push(tested);
        }
        kinds.push(found);
    }
    let Some(first) = kinds.first().and_then(|kind| kind.first()) else {
        return Ok(());
    };
    ability(first, report);
    supervision(first, report);
    order(first, &kinds, report);
    steps(&kinds[0], report);
    Ok(())
}

fn ability(found: &Evaluation, report: &mut Report) {
    report.soft(
        "the model does the task (accuracy 0.7 or more)",
        Figure::new(
            format!(
                "accuracy {:.3}, logit difference {:.2}",
                found.accuracy, found.logit_difference
            ),
            [found.accuracy, found.logit_difference],
        ),
        found.is_able(),
    );
    let Some(supervised) = found.dictionaries.first() else {
        return;
    };
    report.soft(
        "the supervised dictionary is nearly sufficient and necessary (0.8 or more)",
        Figure::new(
            format!(
                "{:.3} and {:.3}",
                supervised.sufficiency, supervised.necessity
            ),
            [supervised.sufficiency, supervised.necessity],
        ),
        supervised.sufficiency > 0.8 && supervised.necessity > 0.8,
    );
}

fn supervision(found: &Evaluation, report: &mut Report) {
    let Some(supervised) = found.dictionaries.first() else {
        return;
    };
    for attribute in &found.attributes {
        let untouched = supervised.untouched.get(attribute).copied().unwrap_or(1.0);
        let accuracy = supervised
            .edit_accuracy
            .get(attribute)
            .copied()
            .unwrap_or(0.0);
        let figure = Figure::new(
            format!("{accuracy:.3}, without an edit {untouched:.3}"),
            [accuracy, untouched],
        );
        if untouched <= MATTERS {
            report.soft(
                format!("one supervised exchange of `{attribute}`, which matters here, agrees with the true change on more than 0.8 of the prompts, and on more than no edit"),
                figure,
                accuracy > 0.8 && accuracy > untouched,
            );
        } else {
            report.reported(
                format!("`{attribute}` hardly changes the answer at these places: agreement with the true change"),
                figure,
            );
        }
    }
    let of = |name: &str| {
        let tested = found.dictionaries.iter().find(|tested| tested.name == name);
        tested.map_or(f64::NAN, |tested| tested.sufficiency)
    };
    let [coupled, names] = ["supervised-mean-coupled", "supervised-mean-names"].map(of);
    report.soft(
        "directions for each name at each mention fail, coupled directions work like independent ones (sufficiency)",
        Figure::new(
            format!("independent {:.3}, coupled {coupled:.3}, names {names:.3}", supervised.sufficiency),
            [supervised.sufficiency, coupled, names],
        ),
        names < supervised.sufficiency && (coupled - supervised.sufficiency).abs() < 0.2,
    );
}

fn order(first: &Evaluation, kinds: &[Kind], report: &mut Report) {
    let Some(supervised) = first.dictionaries.first() else {
        return;
    };
    for attribute in &first.attributes {
        let untouched = supervised.untouched.get(attribute).copied().unwrap_or(1.0);
        if untouched > MATTERS {
            continue;
        }
        let spreads: Vec<Spread> = kinds
            .iter()
            .map(|kind| {
                let each = kind
                    .iter()
                    .filter_map(|found| Some(whole(found)?.few(attribute)?.accuracy));
                Spread::new(&each.collect::<Vec<f64>>())
            })
            .collect();
        let one = supervised
            .edit_accuracy
            .get(attribute)
            .copied()
            .unwrap_or(0.0);
        let [trained, frozen] = [spreads[0].mean, spreads[1].mean];
        let error = (one * (1.0 - one) / first.prompts[1].max(1) as f64).sqrt();
        report.soft(
            format!("edits of `{attribute}`: supervised ≥ TopK trained on the task > frozen decoder, {} exchanges (the first within {NOISE} standard errors)", test::FEW),
            Figure::new(
                format!("{one:.3} ≥ {trained:.3} > {frozen:.3}, without an edit {untouched:.3}, {} seeds", spreads[0].seeds),
                [one, trained, frozen, untouched],
            ),
            one + NOISE * error >= trained && trained > frozen,
        );
    }
}

fn steps(kind: &Kind, report: &mut Report) {
    let Some(tested) = kind.first().and_then(whole) else {
        return;
    };
    let mut worst = 0.0_f64;
    let mut line = Vec::new();
    for attribute in tested.edit_accuracy.keys() {
        let mut before: Option<&EditPoint> = None;
        let mut said = Vec::new();
        let all = tested.edits.iter();
        for point in all.filter(|point| point.attribute == *attribute && point.how == How::Agnostic)
        {
            if let Some(before) = before {
                let share = before.accuracy;
                let error = (share * (1.0 - share) / point.prompts.max(1) as f64).sqrt();
                let fall = (share - point.accuracy) / error.max(1.0 / point.prompts.max(1) as f64);
                worst = worst.max(fall);
            }
            said.push(format!("{:.2}", point.accuracy));
            before = Some(point);
        }
        line.push(format!("{attribute} {}", said.join(" ")));
    }
    report.soft(
        format!("accuracy does not fall with the number of exchanges (by no more than {NOISE} standard errors)"),
        Figure::new(
            format!("{}; largest fall {worst:.1} standard errors", line.join("; ")),
            [worst],
        ),
        worst <= NOISE,
    );
}
