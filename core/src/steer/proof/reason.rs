//! Finds why an edit changes nothing, by looking at its numbers and at the value that it met.

use std::fmt;

use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{FeatureId, Head};
use crate::steer::Positions;
use crate::steer::apply::chosen;
use crate::steer::edit::{Action, DictionaryEdit, Edit, ErrorTerm, LatentChange};

/// Why an edit changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Its vector, times the strength, is 0.
    NoStrength,
    /// Its factor is 1.
    NoFactor,
    /// It adds 0 to activations.
    NothingAdded,
    /// None of its positions occurs in the run.
    NeverReached(Positions),
    /// Features that it removes or multiplies are active at none of this many positions.
    Silent(Vec<FeatureId>, usize),
    /// Activations already have the values that it sets.
    AlreadySet(Vec<FeatureId>),
    /// It changes no activation, and the error that it keeps restores the value.
    ErrorRestored,
    /// The coordinate along its direction lies within the bounds everywhere: its least and greatest value.
    WithinBounds(f64, f64),
    /// The component that it scales or removes is 0.
    NoComponent,
    /// Its vector is 0 in the heads that it edits.
    OtherHeads(Vec<Head>),
    /// The value is already what it puts in place.
    AlreadyThere,
    /// Its change is too small for the value's numbers.
    TooSmall,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let features = |all: &[FeatureId]| {
            let all: Vec<String> = all.iter().map(|feature| format!("#{feature}")).collect();
            match all.len() {
                1 => format!("feature {}", all[0]),
                _ => format!("features {}", all.join(", ")),
            }
        };
        match self {
            Self::NoStrength => f.write_str("the strength is 0"),
            Self::NoFactor => f.write_str("the factor is 1"),
            Self::NothingAdded => f.write_str("0 is added to the activation"),
            Self::NeverReached(positions) => {
                write!(f, "no position of this run is among `{positions}`")
            }
            Self::Silent(which, positions) => write!(
                f,
                "{} never fires at the {positions} positions reached, and only an active feature can be removed or multiplied",
                features(which)
            ),
            Self::AlreadySet(which) => {
                write!(
                    f,
                    "{} already has this activation everywhere",
                    features(which)
                )
            }
            Self::ErrorRestored => f.write_str(
                "the error term restores the value: reconstruction plus error is the value itself",
            ),
            Self::WithinBounds(least, most) => write!(
                f,
                "the bounds are satisfied already: the coordinate lies between {least:.4} and {most:.4}"
            ),
            Self::NoComponent => f.write_str("the value has no component along this direction"),
            Self::OtherHeads(heads) => {
                let heads: Vec<String> = heads.iter().map(Head::to_string).collect();
                write!(
                    f,
                    "the vector is 0 in head {}, it writes in other heads",
                    heads.join(", ")
                )
            }
            Self::AlreadyThere => f.write_str("the value is already what the edit puts in place"),
            Self::TooSmall => f.write_str("the change is too small for the value's numbers"),
        }
    }
}

/// Finds why `edit` left a value as it was at the `many` positions reached so far. `before`, `[n, w]` of so many heads, is the value, or for a transcoder what it reads.
pub(super) fn reason(
    edit: &Edit,
    (before, heads): (&Matrix, usize),
    many: usize,
) -> Result<Reason> {
    let value = (before, heads);
    Ok(match &edit.action {
        Action::Add(vector) if is_zero(vector) => Reason::NoStrength,
        Action::AddAcross(parts) if parts.iter().all(|(_, part)| is_zero(part)) => {
            Reason::NoStrength
        }
        Action::AddAcross(_) => Reason::TooSmall,
        Action::Add(vector) => other_heads(edit, vector, value).unwrap_or(Reason::TooSmall),
        Action::Scale(by) if *by == 1.0 => Reason::NoFactor,
        Action::Orthogonal { factor, .. } if *factor == 1.0 => Reason::NoFactor,
        Action::ProjectOut(direction) | Action::Orthogonal { direction, .. } => {
            other_heads(edit, direction, value).unwrap_or(Reason::NoComponent)
        }
        Action::Clamp { direction, .. } => {
            let satisfied = || {
                let (least, most) = coordinates(edit, direction, value);
                Reason::WithinBounds(least, most)
            };
            other_heads(edit, direction, value).unwrap_or_else(satisfied)
        }
        Action::Dictionary(change) => dictionary(change, before, many)?,
        Action::Scale(_)
        | Action::Zero
        | Action::Replace(_)
        | Action::Patch(_)
        | Action::Attend(_) => Reason::AlreadyThere,
    })
}

fn is_zero(vector: &[f32]) -> bool {
    vector.iter().all(|x| *x == 0.0)
}

/// Returns where in the value's width the numbers of `vector` act, with their numbers.
fn acting(edit: &Edit, vector: &[f32], (before, heads): (&Matrix, usize)) -> Vec<(usize, f32)> {
    let width = before.columns() / heads.max(1);
    let acts_on: Vec<usize> = match &edit.heads {
        Some(chosen) => chosen.iter().map(|head| head.index()).collect(),
        None => (0..heads).collect(),
    };
    let places = acts_on
        .iter()
        .flat_map(|head| head * width..(head + 1) * width);
    places.zip(chosen(vector, &acts_on, width)).collect()
}

/// Says so where `vector` is 0 in the chosen heads and not elsewhere.
fn other_heads(edit: &Edit, vector: &[f32], value: (&Matrix, usize)) -> Option<Reason> {
    let chosen = edit.heads.as_ref()?;
    let is_zero_here = acting(edit, vector, value).iter().all(|(_, v)| *v == 0.0);
    (is_zero_here && !is_zero(vector)).then(|| Reason::OtherHeads(chosen.clone()))
}

/// Returns the least and the greatest coordinate of the rows along the unit vector of `direction`.
fn coordinates(edit: &Edit, direction: &[f32], value: (&Matrix, usize)) -> (f64, f64) {
    let along = acting(edit, direction, value);
    let squared: f64 = along.iter().map(|(_, v)| f64::from(*v).powi(2)).sum();
    let rows = value.0.iter_rows().map(|x| {
        let terms = along
            .iter()
            .map(|(at, v)| f64::from(x[*at]) * f64::from(*v));
        terms.sum::<f64>() / squared.sqrt()
    });
    rows.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| {
        (least.min(x), most.max(x))
    })
}

fn dictionary(edit: &DictionaryEdit, before: &Matrix, many: usize) -> Result<Reason> {
    if edit.changes.is_empty() {
        return Ok(match edit.error {
            ErrorTerm::Kept | ErrorTerm::Frozen => Reason::ErrorRestored,
            ErrorTerm::Dropped | ErrorTerm::Linear(_) | ErrorTerm::Nonlinear(_) => {
                Reason::AlreadyThere
            }
        });
    }
    let nothing = |change: &LatentChange| match change {
        LatentChange::Scale(_, by) => *by == 1.0,
        LatentChange::Add(_, x) => *x == 0.0,
        LatentChange::Set(..) => false,
    };
    if edit.changes.iter().all(nothing) {
        let adds = |change: &LatentChange| matches!(change, LatentChange::Add(..));
        return Ok(if edit.changes.iter().any(adds) {
            Reason::NothingAdded
        } else {
            Reason::NoFactor
        });
    }
    let sae = edit.sae()?;
    let latents = sae.encode(&*sae.own_part(before)?)?;
    let act = |row: usize, feature: FeatureId| {
        let found = latents.row(row).find(|(other, _)| *other == feature);
        found.map_or(0.0, |(_, act)| act)
    };
    let features: Vec<FeatureId> = edit.changes.iter().map(|change| change.parts().0).collect();
    let rows = 0..before.rows();
    let silent = rows
        .clone()
        .all(|row| features.iter().all(|feature| act(row, *feature) == 0.0));
    let removes = |change: &LatentChange| {
        matches!(change, LatentChange::Scale(..))
            || matches!(change, LatentChange::Set(_, x) if *x == 0.0)
    };
    if silent && edit.changes.iter().all(removes) {
        return Ok(Reason::Silent(features, many));
    }
    let is_set = |change: &LatentChange| match change {
        LatentChange::Set(feature, x) => rows.clone().all(|row| act(row, *feature) == *x),
        _ => nothing(change),
    };
    Ok(if edit.changes.iter().all(is_set) {
        Reason::AlreadySet(features)
    } else {
        Reason::TooSmall
    })
}
