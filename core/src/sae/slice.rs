//! Part of a hook that a dictionary reads and writes: all of it, one head's slice of a hook with a slice per head (SAELens `hook_head_index`), or the error that
//! its parent leaves of either ([`super::ErrorOf`]).

use std::borrow::Cow;

use super::Sae;
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};

impl Sae {
    /// Returns the part of its hook's values `[n, h·e]`, heads side by side, that it reads: all of them, its head's `[n, e]`, or what its parent leaves of
    /// either.
    pub fn own_part<'m>(&self, whole: &'m Matrix) -> Result<Cow<'m, Matrix>> {
        if let Some(of) = &self.error_of {
            return of.of(&*of.parent().own_part(whole)?).map(Cow::Owned);
        }
        let Some(columns) = self.columns(whole)? else {
            return Ok(Cow::Borrowed(whole));
        };
        let part = whole.iter_rows().flat_map(|row| &row[columns.clone()]);
        let part = part.copied().collect();
        Matrix::new(whole.rows(), columns.len(), part).map(Cow::Owned)
    }

    /// Returns `whole [n, h·e]` with `part` in place of what [`Self::own_part`] returned; other heads keep their bits. In place of an error it is `x + (part −
    /// error)`, so that a value that equals the error changes no bit of `x`.
    pub fn put_back(&self, whole: &Matrix, part: Matrix) -> Result<Matrix> {
        if let Some(of) = &self.error_of {
            let parent = of.parent();
            let mut x = parent.own_part(whole)?.into_owned();
            let own = of.of(&x)?;
            Dims::new("put back in place of an error")
                .bind("part", &part, "n d")?
                .bind("error", &own, "n d")?;
            let changes = part.values().iter().zip(own.values());
            for (x, (part, own)) in x.values_mut().iter_mut().zip(changes) {
                *x += part - own;
            }
            return parent.put_back(whole, x);
        }
        let Some(columns) = self.columns(whole)? else {
            return Ok(part);
        };
        let mut all = whole.clone();
        for (i, part) in part.iter_rows().enumerate() {
            all.row_mut(i)[columns.clone()].copy_from_slice(part);
        }
        Ok(all)
    }

    /// Returns the columns of its head; none if it reads all heads.
    fn columns(&self, whole: &Matrix) -> Result<Option<std::ops::Range<usize>>> {
        let Some(head) = self.provenance.head else {
            return Ok(None);
        };
        let e = self.width();
        let start = head.index() * e;
        if e == 0 || !whole.columns().is_multiple_of(e) || start + e > whole.columns() {
            return Err(Error::Shape {
                op: "one head's slice",
                what: format!(
                    "{} reads head {head}, {e} wide, of values {} wide: choose the model it was trained on",
                    self.name,
                    whole.columns()
                ),
            });
        }
        Ok(Some(start..start + e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Head;
    use crate::sae::{Provenance, Relu};

    #[test]
    fn a_head_s_slice_is_taken_and_put_back_alone() {
        let mut sae = Sae::new(
            "tiny",
            (Matrix::zeros(3, 2), vec![0.0; 3]),
            (Matrix::zeros(3, 2), vec![0.0; 2]),
            Relu,
        )
        .with_provenance(Provenance {
            head: Some(Head(1)),
            ..Provenance::default()
        });
        let whole = Matrix::new(2, 6, (0..12).map(|i| i as f32).collect()).unwrap();
        let part = sae.own_part(&whole).unwrap().into_owned();
        assert_eq!(part.values(), [2.0, 3.0, 8.0, 9.0]);
        let changed = Matrix::new(2, 2, vec![-1.0; 4]).unwrap();
        let all = sae.put_back(&whole, changed).unwrap();
        assert_eq!(all.row(0), [0.0, 1.0, -1.0, -1.0, 4.0, 5.0]);
        assert_eq!(all.row(1), [6.0, 7.0, -1.0, -1.0, 10.0, 11.0]);
        sae.provenance.head = Some(Head(3));
        assert!(sae.own_part(&whole).is_err());
        sae.provenance.head = None;
        assert_eq!(sae.own_part(&whole).unwrap().values(), whole.values());
        assert_eq!(sae.put_back(&whole, part.clone()).unwrap(), part);
    }
}
