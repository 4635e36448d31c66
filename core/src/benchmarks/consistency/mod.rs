//! Consistency of dictionaries across seeds: how far the features of one training run are found again by another (Song et al. 2025, arXiv 2505.20254).
//!
//! Definitions
//! - **cosine** of features `i` and `j` of two dictionaries: |⟨a_i, b_j⟩| / (‖a_i‖ · ‖b_j‖) of their decoder rows; 0 where a row is zero.
//! - **PW-MCC** of two dictionaries: the largest mean cosine that an assignment reaches, one-to-one, of the features of the smaller dictionary to features of the
//!   other. The assignment is optimal (Kuhn and Munkres, on cosines rounded to 1e-9). Where the dictionaries have too many pairs of features for that
//!   ([`Spec::most_pairs`]), it lies between two bounds, the greedy assignment and the mean of best cosines, and the greedy one is reported.
//! - **PW-MCC** of several: the mean over all pairs of dictionaries.
//! - **share**: of features of the smaller dictionary whose assigned partner has a cosine of at least 0.7 or 0.9.
//! - **chance**: PW-MCC of the smaller dictionary with random directions in place of the other. Directions in few dimensions are alike by chance.
//!
//! Intervals are of a bootstrap over features. They do not cover what further seeds would give; the standard deviation over pairs shows that from three
//! dictionaries on.

mod assignment;
#[cfg(test)]
mod tests;

use faer::Mat;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::estimate::{Bootstrap, DRAWS, Estimate};
use crate::compare;
use crate::error::{Error, Notes, Result};
use crate::ids::FeatureId;
use crate::models::MODEL_FINGERPRINT;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// Cosines from which a partner counts.
pub const THRESHOLDS: [f64; 2] = [0.7, 0.9];

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "pw_mcc",
        "mean of the absolute cosines of decoder rows under the one-to-one assignment that makes it largest, over the features of the smaller dictionary; of several dictionaries the mean over pairs (Song et al. 2025)",
    ),
    (
        "share",
        "share of the features of the smaller dictionary whose assigned partner has an absolute cosine of at least 0.7 or 0.9",
    ),
    (
        "chance",
        "pw_mcc of the smaller dictionary with random directions in place of the other's features",
    ),
    (
        "opposed",
        "assigned pairs whose cosine is negative: they point in opposite directions",
    ),
    (
        "bounds",
        "the greedy assignment and the mean of the best absolute cosines, between which the optimum lies; equal to pw_mcc where the assignment is optimal",
    ),
    ("interval", "95 % interval of a bootstrap over features"),
];

/// Settings of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Draws of the bootstrap over features.
    pub draws: usize,
    /// Seed of the draws and of the random directions.
    pub seed: u64,
    /// Largest number of pairs of features for which the assignment is optimal. Memory is 4 bytes a pair.
    pub most_pairs: usize,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            draws: DRAWS,
            seed: 0,
            most_pairs: 1 << 28,
        }
    }
}

/// Feature of the first dictionary of a pair with its partner in the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Partner {
    /// Feature of the first.
    pub a: FeatureId,
    /// Feature of the second.
    pub b: FeatureId,
    /// Cosine of their decoder rows, with its sign.
    pub cosine: f64,
}

/// Share of features whose partner has at least a cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Least cosine.
    pub least: f64,
    /// The share.
    pub share: Estimate,
}

/// Two dictionaries, matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// Place of the first among the dictionaries.
    pub a: usize,
    /// Place of the second.
    pub b: usize,
    /// Mean absolute cosine under the assignment.
    pub pw_mcc: Estimate,
    /// Bounds of the optimum.
    pub bounds: [f64; 2],
    /// Whether the assignment is optimal.
    pub is_optimal: bool,
    /// Shares at [`THRESHOLDS`].
    pub shares: Vec<Share>,
    /// Mean absolute cosine with random directions; none where the assignment is not optimal.
    pub chance: Option<f64>,
    /// Number of pairs with a negative cosine.
    pub opposed: usize,
    /// Assigned pairs by falling absolute cosine.
    pub partners: Vec<Partner>,
}

/// Dictionaries of one hook and model, compared in pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Consistency {
    /// Names of the dictionaries.
    pub names: Vec<String>,
    /// Their numbers of features.
    pub features: Vec<usize>,
    /// Name of their hook.
    pub hook: String,
    /// Every pair of dictionaries.
    pub pairs: Vec<Matched>,
    /// Mean of PW-MCC over the pairs.
    pub pw_mcc: Estimate,
    /// Standard deviation of PW-MCC over the pairs; none for fewer than three dictionaries.
    pub sd_of_pairs: Option<f64>,
    /// Mean shares over the pairs.
    pub shares: Vec<Share>,
    /// Differences of the dictionaries besides their seeds, and further notes for people.
    pub notes: Vec<String>,
}

/// Compares every two of `saes`. Dictionaries of different hooks or models, or one dictionary given twice, are an error. `observe` gets pairs done.
pub fn consistency(
    saes: &[&Sae],
    spec: &Spec,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Consistency>> {
    let notes = check(saes)?;
    let all: Vec<(usize, usize)> = (0..saes.len())
        .flat_map(|a| (a + 1..saes.len()).map(move |b| (a, b)))
        .collect();
    let mut pairs = Vec::with_capacity(all.len());
    for (a, b) in &all {
        if observe(Progress::new(
            pairs.len(),
            all.len(),
            "pairs of dictionaries",
        ))
        .is_break()
        {
            return Ok(Ended::STOPPED);
        }
        // The first of a pair is the smaller one, so that each of its features has a partner.
        let (a, b) = if saes[*a].features() <= saes[*b].features() {
            (*a, *b)
        } else {
            (*b, *a)
        };
        let Ended::Done(pair) = matched((saes, a, b), spec)? else {
            return Ok(Ended::STOPPED);
        };
        pairs.push(pair);
    }
    summary(saes, pairs, (spec, notes)).map(Ended::Done)
}

/// Puts the pairs together.
fn summary(
    saes: &[&Sae],
    pairs: Vec<Matched>,
    (spec, notes): (&Spec, Notes),
) -> Result<Consistency> {
    let bootstrap = bootstrap(spec);
    let sizes: Vec<Vec<f64>> = pairs.iter().map(|pair| sizes(&pair.partners)).collect();
    let over = |value: &dyn Fn(f64) -> f64| -> Result<Estimate> {
        let groups: Vec<Vec<f64>> = sizes
            .iter()
            .map(|sizes| sizes.iter().map(|size| value(*size)).collect())
            .collect();
        let groups: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
        Estimate::from_groups(&groups, bootstrap).ok_or_else(empty)
    };
    let shares = THRESHOLDS.map(|least| {
        let share = over(&|size| f64::from(size >= least))?;
        Ok(Share { least, share })
    });
    let of_pairs: Vec<f64> = pairs.iter().map(|pair| pair.pw_mcc.value).collect();
    let mean = of_pairs.iter().sum::<f64>() / of_pairs.len() as f64;
    let squares: f64 = of_pairs.iter().map(|value| (value - mean).powi(2)).sum();
    Ok(Consistency {
        names: saes.iter().map(|sae| sae.name.clone()).collect(),
        features: saes.iter().map(|sae| sae.features()).collect(),
        hook: saes[0].reads()?.to_string(),
        pw_mcc: over(&|size| size)?,
        sd_of_pairs: (of_pairs.len() > 1).then(|| (squares / (of_pairs.len() - 1) as f64).sqrt()),
        shares: shares.into_iter().collect::<Result<_>>()?,
        pairs,
        notes: notes.iter().map(str::to_owned).collect(),
    })
}

fn bootstrap(spec: &Spec) -> Bootstrap {
    Bootstrap {
        draws: spec.draws,
        seed: spec.seed,
    }
}

fn empty() -> Error {
    Error::setting("sae", "a dictionary has no features: choose another one")
}

fn sizes(partners: &[Partner]) -> Vec<f64> {
    partners.iter().map(|pair| pair.cosine.abs()).collect()
}

fn matched((saes, a, b): (&[&Sae], usize, usize), spec: &Spec) -> Result<Ended<Matched>> {
    let (one, other) = (saes[a], saes[b]);
    let pairs = one.features().saturating_mul(other.features());
    let is_optimal = pairs <= spec.most_pairs;
    let of_one = directions(one)?;
    let (mut partners, bounds, chance) = if is_optimal {
        let partners = assignment::optimal(&of_one, &directions(other)?);
        let value = mean(&partners);
        let random = random((other.features(), one.w_dec.columns()), spec.seed);
        let chance = mean(&assignment::optimal(&of_one, &random));
        (partners, [value, value], Some(chance))
    } else {
        let Ended::Done((partners, upper)) = greedy(one, other)? else {
            return Ok(Ended::STOPPED);
        };
        let bounds = [mean(&partners), upper];
        (partners, bounds, None)
    };
    partners.sort_by(|x, y| {
        let order = y.cosine.abs().total_cmp(&x.cosine.abs());
        order.then(x.a.cmp(&y.a))
    });
    let sizes = sizes(&partners);
    let bootstrap = bootstrap(spec);
    let shares = THRESHOLDS.map(|least| {
        let reach: Vec<f64> = sizes.iter().map(|size| f64::from(*size >= least)).collect();
        let share = Estimate::from_values(&reach, bootstrap).ok_or_else(empty)?;
        Ok(Share { least, share })
    });
    Ok(Ended::Done(Matched {
        a,
        b,
        pw_mcc: Estimate::from_values(&sizes, bootstrap).ok_or_else(empty)?,
        bounds,
        is_optimal,
        shares: shares.into_iter().collect::<Result<_>>()?,
        chance,
        opposed: partners.iter().filter(|pair| pair.cosine < 0.0).count(),
        partners,
    }))
}

fn mean(partners: &[Partner]) -> f64 {
    sizes(partners).iter().sum::<f64>() / partners.len().max(1) as f64
}

/// Returns the greedy pairs, with features that found none at cosine 0, and the mean of the best absolute cosines of the first's features.
fn greedy(one: &Sae, other: &Sae) -> Result<Ended<(Vec<Partner>, f64)>> {
    let Ended::Done(found) = compare::compare(one, other, &mut |_| Flow::Continue(()))? else {
        return Ok(Ended::STOPPED);
    };
    let mut partners: Vec<Partner> = found
        .pairs
        .iter()
        .map(|pair| Partner {
            a: pair.a,
            b: pair.b,
            cosine: f64::from(pair.cosine),
        })
        .collect();
    let mut has_none = vec![true; one.features()];
    let mut is_free = vec![true; other.features()];
    for pair in &partners {
        has_none[pair.a.index()] = false;
        is_free[pair.b.index()] = false;
    }
    let alone = (0..one.features()).filter(|a| has_none[*a]);
    let free = (0..other.features()).filter(|b| is_free[*b]);
    partners.extend(alone.zip(free).map(|(a, b)| Partner {
        a: FeatureId::from(a),
        b: FeatureId::from(b),
        cosine: 0.0,
    }));
    let upper = assignment::mean_of_best(&directions(one)?, &directions(other)?);
    Ok(Ended::Done((partners, upper)))
}

/// Decoder rows brought to length 1, `[f, d]`; zero rows stay zero.
fn directions(sae: &Sae) -> Result<Mat<f32>> {
    sae.w_dec.check()?;
    let rows: Vec<&[f32]> = sae.w_dec.iter_rows().collect();
    Ok(normalised(rows.len(), sae.w_dec.columns(), |i, j| {
        f64::from(rows[i][j])
    }))
}

fn random((rows, columns): (usize, usize), seed: u64) -> Mat<f32> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    // The sum of twelve uniform numbers is close to a normal one.
    let mut normal = || (0..12).map(|_| chance.random::<f64>()).sum::<f64>() - 6.0;
    let values: Vec<f64> = (0..rows * columns).map(|_| normal()).collect();
    normalised(rows, columns, |i, j| values[i * columns + j])
}

fn normalised(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Mat<f32> {
    let lengths: Vec<f64> = (0..rows)
        .map(|i| {
            (0..columns)
                .map(|j| value(i, j).powi(2))
                .sum::<f64>()
                .sqrt()
        })
        .collect();
    Mat::from_fn(rows, columns, |i, j| {
        if lengths[i] > 0.0 {
            (value(i, j) / lengths[i]) as f32
        } else {
            0.0
        }
    })
}

/// Checks that the dictionaries can be compared as runs of one training; returns what differs besides the seed.
fn check(saes: &[&Sae]) -> Result<Notes> {
    let [first, others @ ..] = saes else {
        return Err(Error::setting("sae", "there is none, give two or more"));
    };
    if others.is_empty() {
        let what = format!(
            "{} is alone: give two dictionaries or more, of different seeds",
            first.name
        );
        return Err(Error::setting("sae", what));
    }
    let mut notes = Notes::default();
    let mut prints = vec![first.fingerprint()];
    for other in others {
        same_place(first, other)?;
        same_model(first, other, &mut notes)?;
        let print = other.fingerprint();
        if let Some(at) = prints.iter().position(|known| *known == print) {
            let what = format!(
                "{} and {} have equal weights: give dictionaries of different seeds",
                saes[at].name, other.name
            );
            return Err(Error::setting("sae", what));
        }
        prints.push(print);
        if let Some(note) = difference(first, other) {
            notes.add(note);
        }
    }
    Ok(notes)
}

fn same_place(first: &Sae, other: &Sae) -> Result<()> {
    let place = |sae: &Sae| -> Result<String> {
        let mut place = sae.reads()?.to_string();
        if let Some(head) = sae.provenance.head {
            place = format!("head {head} of {place}");
        }
        if sae.role.transcodes() {
            place = format!("{place} to {}", sae.writes()?);
        }
        if sae.error_of.is_some() {
            place = format!("an error at {place}");
        }
        Ok(place)
    };
    let (here, there) = (place(first)?, place(other)?);
    let (width, other_width) = (first.w_dec.columns(), other.w_dec.columns());
    if here != there || width != other_width {
        let what = format!(
            "{} is of {here}, {width} wide, and {} of {there}, {other_width} wide: directions of different places cannot be compared, give dictionaries of one hook",
            first.name, other.name
        );
        return Err(Error::setting("sae", what));
    }
    Ok(())
}

fn same_model(first: &Sae, other: &Sae, notes: &mut Notes) -> Result<()> {
    let print = |sae: &Sae| {
        let print = sae.provenance.other.get(MODEL_FINGERPRINT);
        print.and_then(|print| print.as_str()).map(str::to_owned)
    };
    let name = |sae: &Sae| {
        let name = sae.provenance.model.rsplit(['/', '\\']).next();
        name.unwrap_or_default().to_lowercase()
    };
    let (differ, is_proven) = match (print(first), print(other)) {
        (Some(one), Some(two)) => (one != two, true),
        _ => (name(first) != name(other), false),
    };
    if differ {
        let named = |sae: &Sae| match sae.provenance.model.as_str() {
            "" => "an unnamed model".to_owned(),
            name => name.to_owned(),
        };
        let why = if is_proven {
            "fingerprints differ"
        } else {
            "names differ"
        };
        let what = format!(
            "{} was trained on {} and {} on {} ({why}): directions of different models cannot be compared, give dictionaries of one model",
            first.name,
            named(first),
            other.name,
            named(other)
        );
        return Err(Error::setting("sae", what));
    }
    if !is_proven {
        notes.add(format!(
            "No fingerprints prove that {} and {} are of one model: their files' names of it agree",
            first.name, other.name
        ));
    }
    Ok(())
}

/// Returns a sentence on what two dictionaries differ in besides the seed, as far as their files say.
fn difference(first: &Sae, other: &Sae) -> Option<String> {
    let mut differ = Vec::new();
    if first.features() != other.features() {
        differ.push(format!(
            "{} and {} features",
            first.features(),
            other.features()
        ));
    }
    if first.selection.describe() != other.selection.describe() {
        let (one, two) = (first.selection.describe(), other.selection.describe());
        differ.push(format!("{one} and {two}"));
    }
    let tokens = |sae: &Sae| sae.provenance.other.get("tokens_seen").cloned();
    if let (Some(one), Some(two)) = (tokens(first), tokens(other))
        && one != two
    {
        differ.push(format!("{one} and {two} activations of training"));
    }
    let seed = |sae: &Sae| sae.provenance.other.get("seed").cloned();
    let one_seed = match (seed(first), seed(other)) {
        (Some(one), Some(two)) if one == two => Some(one),
        _ => None,
    };
    let pair = format!("{} and {}", first.name, other.name);
    match (differ.is_empty(), one_seed) {
        (true, None) => None,
        (true, Some(seed)) => Some(format!("{pair} have one seed, {seed}")),
        (false, None) => Some(format!(
            "{pair} differ in more than the seed: {}",
            differ.join("; ")
        )),
        (false, Some(seed)) => Some(format!(
            "{pair} have one seed, {seed}, and differ in {}: the figures compare settings, not seeds",
            differ.join("; ")
        )),
    }
}
