//! Claims that must hold anywhere: mean and least squares, weights, necessity at its two ends.

use super::{Figure, Report, Watch, World};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Site as Hooked};
use crate::progress::Flow;
use crate::sae::{AbsTopK, Sae, TopK};
use crate::tasks::activations::Activations;
use crate::tasks::edits::Side;
use crate::tasks::site::{Place, Site};
use crate::tasks::supervised::{Fit, Parametrisation, Supervised};
use crate::tasks::test::{self, Spec};
use crate::tasks::{Prompt, Task};

/// Values of each attribute of the balanced world, and its width.
const VALUES: usize = 6;
const WIDTH: usize = 12;

/// Dictionaries that reconstruct exactly, or as the mean alone, are tested on this many prompts.
const FEW: usize = 60;

/// A task of all pairs of values once in each half, whose activations are a sum of two directions and a third that neither attribute decides.
fn balanced() -> Result<(Task, Activations)> {
    let mut prompts = Vec::new();
    let mut values = Vec::new();
    for half in 0..2_usize {
        for a in 0..VALUES {
            for b in 0..VALUES {
                prompts.push(Prompt {
                    text: String::new(),
                    tokens: vec![0_usize.into(), 1_usize.into()],
                    right: 0_usize.into(),
                    wrong: 1_usize.into(),
                    values: vec![format!("a{a}"), format!("b{b}")],
                    positions: vec![1],
                    counterfactuals: Vec::new(),
                });
                let wave = |seed: usize, column: usize| {
                    ((seed * 31 + column * 17 + 7) as f32 * 0.731).sin()
                };
                values.extend((0..WIDTH).map(|column| {
                    3.0 * wave(a, column)
                        + wave(100 + b, column)
                        + 0.2 * wave(1000 + half * 97 + a * VALUES + b, column)
                }));
            }
        }
    }
    let task = Task {
        name: "balanced".to_owned(),
        attributes: vec!["a".to_owned(), "b".to_owned()],
        derived: Vec::new(),
        positions: vec!["end".to_owned()],
        prompts,
    };
    let site = Site {
        hook: HookPoint::block(0, Hooked::ResidPost),
        heads: None,
        position: "end".to_owned(),
        offset: 0,
    };
    let place = Place {
        site,
        position: 0,
        width: WIDTH,
        columns: (0..WIDTH).collect(),
    };
    let clean = Matrix::new(task.prompts.len(), WIDTH, values)?;
    let activations = Activations {
        places: vec![place],
        clean: vec![clean],
        counterfactual: Vec::new(),
    };
    Ok((task, activations))
}

/// Largest difference of the directions of two dictionaries, less a constant of each attribute, over the length of the longest.
fn apart(task: &Task, [one, other]: [&Supervised; 2]) -> f64 {
    let mut largest = 0.0_f64;
    let mut longest = 0.0_f64;
    for attribute in 0..task.attributes.len() {
        let difference = |prompt: usize| -> Option<Vec<f64>> {
            let of = |fitted: &Supervised| {
                let directions = fitted.directions(0, &task.prompts[prompt].values);
                directions[attribute].map(<[f32]>::to_vec)
            };
            let pairs = of(one)?.into_iter().zip(of(other)?);
            Some(pairs.map(|(a, b)| f64::from(a) - f64::from(b)).collect())
        };
        let Some(constant) = difference(0) else {
            continue;
        };
        for prompt in 0..task.building() {
            let Some(here) = difference(prompt) else {
                continue;
            };
            let squares = here.iter().zip(&constant).map(|(a, b)| (a - b).powi(2));
            largest = largest.max(squares.sum::<f64>().sqrt());
        }
        let lengths = one.lengths(0, task).into_iter().map(|(_, length)| length);
        longest = lengths.fold(longest, f64::max);
    }
    largest / longest
}

pub(super) fn constants(
    world: &World<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    if watch.at("mean and least squares".to_owned()) == Flow::Break(()) {
        return Ok(());
    }
    let both = |task: &Task, activations: &Activations| -> Result<[Supervised; 2]> {
        let made = |fit| Supervised::new(task, activations, (fit, Parametrisation::Independent));
        Ok([made(Fit::Mean)?, made(Fit::LeastSquares)?])
    };
    let (task, activations) = balanced()?;
    let [means, squares] = both(&task, &activations)?;
    let exact = apart(&task, [&means, &squares]);
    report.hard(
        "mean and least-squares dictionaries are equal up to a constant of each attribute where attributes are independent and balanced (below 1e-5 of the longest direction)",
        Figure::new(format!("{exact:.1e}"), [exact]),
        exact < 1e-5,
    );
    let [means, squares] = both(&world.task, &world.activations)?;
    let here = apart(&world.task, [&means, &squares]);
    report.reported(
        "the same figure on the sentences, where IO and S exclude each other and names are drawn",
        Figure::new(format!("{here:.2}"), [here]),
    );
    Ok(())
}

/// A dictionary with one feature for each coordinate: it reconstructs exactly.
fn coordinates(hook: HookPoint, width: usize) -> Sae {
    let mut unit = Matrix::zeros(width, width);
    for row in 0..width {
        unit.row_mut(row)[row] = 1.0;
    }
    let encoder = (unit.clone(), vec![0.0; width]);
    let k = width;
    Sae::new(
        "coordinates",
        encoder,
        (unit, vec![0.0; width]),
        AbsTopK { k },
    )
    .reading(hook)
}

/// A dictionary without an active feature: it reconstructs the mean.
fn silent(hook: HookPoint, mean: Vec<f32>) -> Sae {
    let width = mean.len();
    let encoder = (Matrix::zeros(1, width), vec![-1.0]);
    let decoder = (Matrix::zeros(1, width), mean);
    Sae::new("mean", encoder, decoder, TopK { k: 1 }).reading(hook)
}

pub(super) fn identities(
    world: &World<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let mut task = world.task.clone();
    let half = task.building();
    let few = FEW.min(half);
    // Two prompts build for each that tests, as everywhere the first half builds.
    let (builds, tests) = task.prompts.split_at(half);
    task.prompts = [&builds[..few], &tests[..few]].concat();
    let place = &world.places[0];
    let site = std::slice::from_ref(&world.sites[0]);
    let hook = place.site.hook;
    let exact = coordinates(hook, place.width);
    let mut mean = vec![0.0_f64; place.width];
    for row in 0..few {
        let each = mean.iter_mut().zip(world.activations.clean[0].row(row));
        each.for_each(|(sum, value)| *sum += f64::from(*value) / few as f64);
    }
    let mean = silent(hook, mean.into_iter().map(|value| value as f32).collect());
    let mut spec = Spec::new(site);
    spec.exchanges = vec![2];
    let said = "necessity at its two ends".to_owned();
    let found = test::run(world.model, &task, (&[&exact, &mean], &spec), &mut |_| {
        watch.at(said.clone())
    })?;
    let Some(found) = found.done() else {
        return Ok(());
    };
    let of = |name: &str| {
        let tested = found.dictionaries.iter().find(|tested| tested.name == name);
        tested.map_or([f64::NAN; 2], |tested| {
            [tested.sufficiency, tested.necessity]
        })
    };
    let [whole, none] = [of("coordinates"), of("mean")];
    let off = (whole[0] - 1.0)
        .abs()
        .max((whole[1] - 1.0).abs())
        .max(none[1].abs());
    report.hard(
        "an exact reconstruction has sufficiency and necessity 1, the mean has necessity 0 (within 1e-4, f32 passes)",
        Figure::new(
            format!("{:.6}, {:.6} and {:.6}", whole[0], whole[1], none[1]),
            [whole[0], whole[1], none[1]],
        ),
        off < 1e-4,
    );
    let codes = exact.encode(&world.activations.clean[0])?;
    let mut largest = 0.0_f64;
    for row in 0..few {
        let values = world.activations.clean[0].row(row).to_vec();
        let whole = Matrix::new(1, place.width, values)?;
        let side = Side::new(&exact, place, &whole, (&codes, row))?;
        let sum: f64 = side.weights().iter().sum();
        largest = largest.max((sum - 1.0).abs());
    }
    report.hard(
        "the weights of the active features sum to 1 (within 1e-6)",
        Figure::new(format!("off by {largest:.1e} at most"), [largest]),
        largest < 1e-6,
    );
    Ok(())
}
