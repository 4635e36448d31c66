//! Dictionaries of an error: they read what a parent leaves of an activation, or the linear or nonlinear part of it (Engels et al. 2024, arXiv 2410.14670, v1;
//! papers 4.4, experiment 7).
//!
//! With the parent's reconstruction `x̂` of `x` and the linear map `[x, 1] · map` of its error:
//!
//! | part | what the child reads | parent and child as one dictionary |
//! |---|---|---|
//! | error | `x − x̂` | `x̂ + child(x − x̂)` |
//! | linear | `[x, 1] · map` | `x̂ + child(linear)` |
//! | nonlinear | `x − x̂ − [x, 1] · map` | `x̂ + child(nonlinear)` |
//!
//! [`Sae::own_part`] gives the child's input and [`Sae::put_back`] puts the child's reconstruction in its place, so that callers of the two treat a child as any
//! dictionary. A parent may be a child itself.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::Sae;
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Key, Result};

/// Number of tokens per unit of parallel work.
const BLOCK: usize = 256;

/// Part of a parent's error that a dictionary reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorPart {
    /// The whole error, `x − x̂`.
    Whole,
    /// The part that a linear map predicts from the activation.
    Linear,
    /// The rest of the error.
    Nonlinear,
}

impl ErrorPart {
    /// All parts, in the order of lists.
    pub const ALL: [Self; 3] = [Self::Whole, Self::Linear, Self::Nonlinear];

    /// Returns its name in files, flags and forms.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "error",
            Self::Linear => "linear",
            Self::Nonlinear => "nonlinear",
        }
    }

    /// Returns its name inside a sentence.
    pub const fn said(self) -> &'static str {
        match self {
            Self::Whole => "error",
            Self::Linear => "linear error",
            Self::Nonlinear => "nonlinear error",
        }
    }

    /// Whether it takes a linear map to tell it from the rest of the error.
    pub const fn needs_map(self) -> bool {
        !matches!(self, Self::Whole)
    }
}

impl fmt::Display for ErrorPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ErrorPart {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|part| part.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::setting(
                "on",
                format!("`{text}` is no part of an error, give {names}"),
            )
        })
    }
}

/// Parent of a dictionary, and the part of its error that the dictionary reads.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorOf {
    parent: Arc<Sae>,
    part: ErrorPart,
    map: Option<Matrix>,
    path: PathBuf,
    fingerprint: String,
}

impl ErrorOf {
    /// Creates it for `parent`, which was opened from `path`. A part that a linear map tells from the rest takes `map [d + 1, d]`, the weights of `[x, 1]`; the
    /// whole error takes none. Refuses a parent that is no autoencoder.
    pub fn new(
        parent: impl Into<Arc<Sae>>,
        part: ErrorPart,
        map: Option<Matrix>,
        path: impl Into<PathBuf>,
    ) -> Result<Self> {
        let parent = parent.into();
        let d = parent.autoencoder()?.w_dec.columns();
        match &map {
            Some(map) if (map.rows(), map.columns()) != (d + 1, d) => {
                return Err(Error::Shape {
                    op: "part of an error",
                    what: format!(
                        "the linear map is [{}, {}], and the error of {} takes [{}, {d}]: fit it on this dictionary",
                        map.rows(),
                        map.columns(),
                        parent.name,
                        d + 1
                    ),
                });
            }
            None if part.needs_map() => {
                let what = format!(
                    "the {} of {name} needs the linear map that tells it from the rest: fit a probe of {name} first",
                    part.said(),
                    name = parent.name
                );
                return Err(Error::setting(Key::Probe, what));
            }
            _ => {}
        }
        Ok(Self {
            fingerprint: parent.fingerprint(),
            map: map.filter(|_| part.needs_map()),
            path: path.into(),
            parent,
            part,
        })
    }

    /// Returns the parent.
    pub fn parent(&self) -> &Arc<Sae> {
        &self.parent
    }

    /// Returns the part that is read.
    pub fn part(&self) -> ErrorPart {
        self.part
    }

    /// Returns the weights of `[x, 1]`, `[d + 1, d]`, for a part that needs them.
    pub fn map(&self) -> Option<&Matrix> {
        self.map.as_ref()
    }

    /// Returns the folder or file that the parent was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns [`Sae::fingerprint`] of the parent.
    pub fn parent_fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Describes it as a phrase: `the linear error of resid-2`.
    pub fn said(&self) -> String {
        format!("the {} of {}", self.part.said(), self.parent.name)
    }

    /// Computes the part of the error of `x [n, d]`, which the parent reads.
    pub fn of(&self, x: &Matrix) -> Result<Matrix> {
        let linear = match &self.map {
            Some(map) => Some(linear_part(map, x)?),
            None => None,
        };
        match (self.part, linear) {
            (ErrorPart::Linear, Some(linear)) => Ok(linear),
            (_, linear) => {
                let mut left = x.clone();
                subtract(&mut left, &self.parent.decode(&self.parent.encode(x)?, x)?);
                if let Some(linear) = &linear {
                    subtract(&mut left, linear);
                }
                Ok(left)
            }
        }
    }

    /// Computes a hex SHA-256 of the parent's fingerprint, the part and the map, which a run that resumes must find unchanged.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{} of {}\n", self.part, self.fingerprint));
        for value in self.map.iter().flat_map(Matrix::values) {
            hash.update((value + 0.0).to_le_bytes());
        }
        format!("{:x}", hash.finalize())
    }
}

fn subtract(from: &mut Matrix, other: &Matrix) {
    let pairs = from.values_mut().iter_mut().zip(other.values());
    pairs.for_each(|(from, other)| *from -= other);
}

/// Computes `[z, 1] · weights` of `z [n, p]`, with `weights [p + 1, d]`.
pub(crate) fn linear_part(weights: &Matrix, z: &Matrix) -> Result<Matrix> {
    let (p, d) = (z.columns(), weights.columns());
    Dims::new("linear part of the error")
        .bind("weights", weights, "e d")?
        .bind("z", z, "n p")?;
    if weights.rows() != p + 1 {
        return Err(Error::Shape {
            op: "linear part of the error",
            what: format!(
                "the map has {} rows, values {p} wide need {}: read the values that it was fitted on",
                weights.rows(),
                p + 1
            ),
        });
    }
    let slope = MatRef::from_row_major_slice(&weights.values()[..p * d], p, d);
    let mut linear = Matrix::zeros(z.rows(), d);
    linear
        .values_mut()
        .par_chunks_mut((BLOCK * d).max(1))
        .zip(z.values().par_chunks((BLOCK * p).max(1)))
        .for_each(|(linear, z)| {
            for row in linear.chunks_exact_mut(d) {
                row.copy_from_slice(weights.row(p));
            }
            let n = z.len() / p;
            matmul(
                MatMut::from_row_major_slice_mut(linear, n, d),
                Accum::Add,
                MatRef::from_row_major_slice(z, n, p),
                slope,
                1.0,
                Par::Seq,
            );
        });
    Ok(linear)
}

impl Sae {
    /// Has it read a part of a parent's error from now on; its hook and head become those of the parent.
    pub fn read_error(&mut self, of: impl Into<Arc<ErrorOf>>) {
        let of = of.into();
        self.provenance.hook = of.parent.provenance.hook;
        self.provenance.head = of.parent.provenance.head;
        self.error_of = Some(of);
    }

    /// Returns the dictionary at the end of its line of parents, which reads activations; itself unless it reads an error.
    pub fn root(&self) -> &Self {
        let mut sae = self;
        while let Some(of) = &sae.error_of {
            sae = &of.parent;
        }
        sae
    }

    /// Returns what the dictionaries of its line reconstruct together of `x [n, d]`, the part of the hook that its root reads: the root's reconstruction plus
    /// that of each child. A dictionary that reads activations reconstructs alone.
    pub fn with_parents(&self, x: &Matrix) -> Result<Matrix> {
        let Some(of) = &self.error_of else {
            return self.decode(&self.encode(x)?, x);
        };
        let mut sum = of.parent.with_parents(x)?;
        let part = self.part_of(x)?;
        let own = self.decode(&self.encode(&part)?, &part)?;
        let pairs = sum.values_mut().iter_mut().zip(own.values());
        pairs.for_each(|(sum, own)| *sum += own);
        Ok(sum)
    }

    /// Computes what it reads of `x [n, d]`, the part of the hook that its root reads.
    pub(super) fn part_of<'x>(&self, x: &'x Matrix) -> Result<Cow<'x, Matrix>> {
        match &self.error_of {
            None => Ok(Cow::Borrowed(x)),
            Some(of) => Ok(Cow::Owned(of.of(&*of.parent.part_of(x)?)?)),
        }
    }

    /// Checks that it reads activations: studies that follow an activation through the encoder's weights reject a dictionary of an error, which reads activations
    /// only through its parent's selection.
    pub(crate) fn check_reads_activations(&self) -> Result<()> {
        let Some(of) = &self.error_of else {
            return Ok(());
        };
        Err(Error::Unsupported {
            what: format!("{}, a dictionary of {}, here", self.name, of.said()),
            remedy: format!(
                "this study follows activations through the encoder's weights, choose the parent {}",
                of.parent.name
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Head, HookPoint, Site};
    use crate::sae::{Provenance, Relu, TopK};

    const D: usize = 3;

    /// A table of numbers without a pattern.
    fn table(rows: usize, columns: usize, seed: u32) -> Matrix {
        let value =
            |i: usize| ((i as u32 + 1).wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(97)) % 1_000;
        let values = (0..rows * columns).map(|i| value(i) as f32 / 500.0 - 1.0);
        Matrix::new(rows, columns, values.collect()).unwrap()
    }

    fn sae(name: &str, seed: u32) -> Sae {
        let weights = (table(5, D, seed), vec![0.1; 5]);
        Sae::new(
            name,
            weights,
            (table(5, D, seed + 1), vec![0.2; D]),
            TopK { k: 2 },
        )
        .reading(HookPoint::block(0, Site::ResidPost))
    }

    fn child(parent: Sae, part: ErrorPart, seed: u32) -> Sae {
        let map = part.needs_map().then(|| table(D + 1, D, 5));
        let mut child = sae("child", seed);
        child.read_error(ErrorOf::new(parent, part, map, "parent").unwrap());
        child
    }

    fn decoded(sae: &Sae, x: &Matrix) -> Matrix {
        sae.decode(&sae.encode(x).unwrap(), x).unwrap()
    }

    #[track_caller]
    fn near(a: &Matrix, b: &Matrix) {
        assert_eq!((a.rows(), a.columns()), (b.rows(), b.columns()));
        for (a, b) in a.values().iter().zip(b.values()) {
            // A few roundings of numbers up to 4.
            assert!((a - b).abs() < 2e-6, "{a} {b}");
        }
    }

    fn sum(a: &Matrix, b: &Matrix) -> Matrix {
        let values = a.values().iter().zip(b.values()).map(|(a, b)| a + b);
        Matrix::new(a.rows(), a.columns(), values.collect()).unwrap()
    }

    #[test]
    fn the_parts_are_what_the_parent_leaves_and_their_sum_is_the_activation() {
        let (x, parent) = (table(7, D, 1), sae("parent", 2));
        let parts = ErrorPart::ALL.map(|part| {
            let child = child(parent.clone(), part, 3);
            child.own_part(&x).unwrap().into_owned()
        });
        let [whole, linear, nonlinear] = &parts;
        near(&sum(&decoded(&parent, &x), whole), &x);
        near(&sum(linear, nonlinear), whole);
        let map = table(D + 1, D, 5);
        let by_definition = |i: usize, j: usize| {
            let products = (0..D).map(|m| f64::from(x.row(i)[m]) * f64::from(map.row(m)[j]));
            (products.sum::<f64>() + f64::from(map.row(D)[j])) as f32
        };
        let rows = (0..7).flat_map(|i| (0..D).map(move |j| (i, j)));
        let want = rows.map(|(i, j)| by_definition(i, j)).collect();
        near(linear, &Matrix::new(7, D, want).unwrap());
        // Another part is another number.
        assert!(whole.values() != linear.values() && whole.values() != nonlinear.values());
    }

    #[test]
    fn what_is_put_back_replaces_the_part_alone() {
        let (x, parent) = (table(7, D, 1), sae("parent", 2));
        for part in ErrorPart::ALL {
            let child = child(parent.clone(), part, 3);
            let own = child.own_part(&x).unwrap().into_owned();
            // The part itself changes no bit.
            assert_eq!(child.put_back(&x, own.clone()).unwrap(), x);
            let made = decoded(&child, &own);
            let mut want = sum(&x, &made);
            subtract(&mut want, &own);
            near(&child.put_back(&x, made.clone()).unwrap(), &want);
            let pair = child.with_parents(&x).unwrap();
            near(&pair, &sum(&decoded(&parent, &x), &made));
            if part == ErrorPart::Whole {
                near(&child.put_back(&x, made).unwrap(), &pair);
            }
            assert!(child.put_back(&x, table(7, D + 1, 1)).is_err());
        }
    }

    #[test]
    fn a_parent_may_be_a_child_and_may_read_one_head() {
        let first = sae("first", 2);
        let second = child(first.clone(), ErrorPart::Whole, 3);
        let third = child(second.clone(), ErrorPart::Whole, 4);
        let x = table(7, D, 1);
        let error = second.own_part(&x).unwrap().into_owned();
        let mut left = error.clone();
        subtract(&mut left, &decoded(&second, &error));
        near(&third.own_part(&x).unwrap(), &left);
        let made = decoded(&third, &left);
        let all = sum(&sum(&decoded(&first, &x), &decoded(&second, &error)), &made);
        near(&third.with_parents(&x).unwrap(), &all);
        near(&third.put_back(&x, made).unwrap(), &all);
        assert_eq!(third.root().name, "first");

        let of_head = Sae {
            provenance: Provenance {
                head: Some(Head(1)),
                ..first.provenance.clone()
            },
            ..first
        };
        let child = child(of_head.clone(), ErrorPart::Whole, 3);
        assert_eq!(child.provenance.head, Some(Head(1)));
        let whole = table(7, 2 * D, 9);
        let own = child.own_part(&whole).unwrap().into_owned();
        let slice = of_head.own_part(&whole).unwrap().into_owned();
        near(&sum(&decoded(&of_head, &slice), &own), &slice);
        let back = child.put_back(&whole, Matrix::zeros(7, D)).unwrap();
        assert_eq!(back.row(3)[..D], whole.row(3)[..D]);
        near(
            &child.root().own_part(&back).unwrap(),
            &decoded(&of_head, &slice),
        );
    }

    #[test]
    fn the_fingerprint_depends_on_parent_part_and_map() {
        let print = |part, seed| child(sae("parent", seed), part, 3).fingerprint();
        let own = print(ErrorPart::Linear, 2);
        assert_eq!(own, print(ErrorPart::Linear, 2));
        let others = [
            print(ErrorPart::Whole, 2),
            print(ErrorPart::Nonlinear, 2),
            print(ErrorPart::Linear, 7),
            sae("child", 3).fingerprint(),
        ];
        for other in others {
            assert_ne!(other, own);
        }
        let mut changed = child(sae("parent", 2), ErrorPart::Linear, 3);
        let of = changed.error_of.take().unwrap();
        let of = ErrorOf::new(
            Arc::clone(of.parent()),
            of.part(),
            Some(table(D + 1, D, 6)),
            "parent",
        );
        let of = of.unwrap();
        assert_ne!(
            of.fingerprint(),
            ErrorOf::new(
                sae("parent", 2),
                ErrorPart::Linear,
                Some(table(D + 1, D, 5)),
                "x"
            )
            .unwrap()
            .fingerprint()
        );
        changed.read_error(of);
        assert_ne!(changed.fingerprint(), own);
    }

    #[test]
    fn what_cannot_be_a_parent_is_refused() {
        let refused = |parent: Sae, map| {
            let made = ErrorOf::new(parent, ErrorPart::Linear, map, "parent");
            made.unwrap_err().to_string()
        };
        let parent = sae("parent", 2);
        assert!(refused(parent.clone(), None).contains("fit a probe of parent"));
        assert!(refused(parent.clone(), Some(table(D, D, 1))).contains("takes [4, 3]"));
        let transcoder = parent.clone().with_role(crate::sae::Role::Transcoder(
            crate::sae::Transcoder::default(),
        ));
        assert!(refused(transcoder, None).contains("transcoder"));
        let child = child(parent, ErrorPart::Whole, 3);
        let said = child.check_reads_activations().unwrap_err().to_string();
        assert!(
            said.contains("the error of parent") && said.contains("choose the parent"),
            "{said}"
        );
        assert!(sae("x", 1).check_reads_activations().is_ok());
        assert!("total".parse::<ErrorPart>().is_err());
        let relu = Sae {
            selection: Relu.into(),
            ..child
        };
        assert!(relu.autoencoder().is_ok());
    }
}
