//! Named dimensions: a matrix type for `[rows, columns]` of f32, and the check that shapes agree letter by letter.
//!
//! Letters are those of the table in `lib.rs`. Every public tensor function checks its shapes in its first statement.

mod later;

use std::sync::Arc;

use aligned_vec::{AVec, ConstAlign};
use candle_core::{DType, Device, Tensor};

use self::later::Later;
use crate::error::{Error, Result};

pub(crate) use self::later::Source;

/// A dense row-major matrix of f32 on the CPU. Its memory begins with a cache line: a vector load that crosses two of them costs twice as much, and from
/// an ordinary allocation every one would. A large one that was opened and not made may still lie in its file: it is read when its values are first asked
/// for, and its entries are looked through by [`Self::check`].
#[derive(Debug, Clone)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Values,
}

/// Values in memory, from a cache line on.
type Lines = AVec<f32, ConstAlign<CACHE_LINE>>;

#[derive(Debug, Clone)]
enum Values {
    Here(Lines),
    Later(Arc<Later>),
}

impl Default for Values {
    fn default() -> Self {
        Self::Here(AVec::new(0))
    }
}

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;

impl Default for Matrix {
    fn default() -> Self {
        Self::zeros(0, 0)
    }
}

impl Matrix {
    /// All zero.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            values: Values::Here(zeros(rows * columns)),
        }
    }

    /// `[rows, columns]` that `source` has, read when they are asked for.
    pub(crate) fn later(rows: usize, columns: usize, source: Box<dyn Source>) -> Self {
        let later = Later::new(rows * columns, source);
        Self {
            rows,
            columns,
            values: Values::Later(Arc::new(later)),
        }
    }

    /// Whether its values lie in a file, or lay there until they were used.
    pub(crate) fn is_of_file(&self) -> bool {
        matches!(self.values, Values::Later(_))
    }

    /// Whether its values take room in memory.
    #[cfg(test)]
    pub(crate) fn is_in_memory(&self) -> bool {
        match &self.values {
            Values::Here(_) => true,
            Values::Later(later) => later.is_read(),
        }
    }

    /// That there is room for its values and that every one is a number. Those in memory were looked through when they were read, so this costs one
    /// reading of those that still lie in a file, once.
    pub fn check(&self) -> Result<()> {
        match &self.values {
            Values::Here(_) => Ok(()),
            Values::Later(later) => later.check(),
        }
    }

    /// From row-major values; an error if their number is not `rows * columns`.
    pub fn new(rows: usize, columns: usize, values: Vec<f32>) -> Result<Self> {
        if values.len() == rows * columns {
            Ok(Self {
                rows,
                columns,
                values: Values::Here(AVec::from_iter(0, values)),
            })
        } else {
            Err(Error::Shape {
                op: "matrix",
                what: format!("{} values cannot fill [{rows}, {columns}]", values.len()),
            })
        }
    }

    /// From a tensor of any rank ≥ 1, all leading dimensions flattened into rows (`[b, t, h, e]` with `columns = h*e`), widened to f32.
    pub fn from_tensor(tensor: &Tensor, columns: usize) -> Result<Self> {
        let values = tensor
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        Self::new(values.len() / columns.max(1), columns, values)
    }

    /// As a candle tensor `[rows, columns]` on the CPU.
    pub fn to_tensor(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(
            self.values(),
            (self.rows, self.columns),
            &Device::Cpu,
        )?)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values()[i * self.columns..(i + 1) * self.columns]
    }

    /// Row `i`, writable.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        let place = i * self.columns..(i + 1) * self.columns;
        &mut self.values_mut()[place]
    }

    /// Rows as columns, `[columns, rows]`.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.columns, self.rows);
        let into = out.values_mut();
        for (i, row) in self.iter_rows().enumerate() {
            let column = into.iter_mut().skip(i).step_by(self.rows.max(1));
            for (to, from) in column.zip(row) {
                *to = *from;
            }
        }
        out
    }

    /// The rows of these numbers, in their order; each must exist.
    #[must_use]
    pub fn rows_of(&self, numbers: &[u32]) -> Self {
        let mut chosen = Self::zeros(numbers.len(), self.columns);
        for (i, number) in numbers.iter().enumerate() {
            chosen
                .row_mut(i)
                .copy_from_slice(self.row(*number as usize));
        }
        chosen
    }

    /// The rows that `mask` has `true` for.
    #[must_use]
    pub fn rows_where(&self, mask: &[bool]) -> Self {
        let numbers = (0..).zip(mask).filter(|(_, kept)| **kept);
        let numbers: Vec<u32> = numbers.map(|(number, _)| number).collect();
        self.rows_of(&numbers)
    }

    /// All rows in order.
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values().chunks_exact(self.columns.max(1))
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f32] {
        match &self.values {
            Values::Here(values) => values,
            Values::Later(later) => later.values(),
        }
    }

    /// All values, row-major, writable.
    pub fn values_mut(&mut self) -> &mut [f32] {
        let values = match std::mem::take(&mut self.values) {
            Values::Here(values) => values,
            Values::Later(later) => Later::into_values(later),
        };
        self.values = Values::Here(values);
        match &mut self.values {
            Values::Here(values) => values,
            Values::Later(_) => &mut [],
        }
    }

    /// The values alone.
    pub fn into_values(self) -> Vec<f32> {
        self.values().to_vec()
    }
}

impl PartialEq for Matrix {
    fn eq(&self, other: &Self) -> bool {
        let shape = |of: &Self| (of.rows, of.columns);
        shape(self) == shape(other) && self.values() == other.values()
    }
}

fn zeros(count: usize) -> Lines {
    AVec::from_iter(0, std::iter::repeat_n(0.0, count))
}

/// Something with a shape that [`Dims`] can check.
pub trait Shaped {
    /// The extents, outermost first.
    fn extents(&self) -> Vec<usize>;
}

impl Shaped for Matrix {
    fn extents(&self) -> Vec<usize> {
        vec![self.rows, self.columns]
    }
}

impl Shaped for [f32] {
    fn extents(&self) -> Vec<usize> {
        vec![self.len()]
    }
}

impl Shaped for Vec<f32> {
    fn extents(&self) -> Vec<usize> {
        vec![self.len()]
    }
}

impl Shaped for Tensor {
    fn extents(&self) -> Vec<usize> {
        self.dims().to_vec()
    }
}

/// Binds letters to sizes at the door of an operation; the first disagreement is the error.
#[derive(Debug)]
pub struct Dims {
    op: &'static str,
    bound: Vec<(char, usize)>,
}

impl Dims {
    /// Starts the check of operation `op`.
    pub fn of(op: &'static str) -> Self {
        Self {
            op,
            bound: Vec::new(),
        }
    }

    /// Binds each letter of `letters` (as in `"n d"`) to the extent at its place, or compares it with what was bound before.
    pub fn bind(
        mut self,
        name: &str,
        shaped: &(impl Shaped + ?Sized),
        letters: &str,
    ) -> Result<Self> {
        let extents = shaped.extents();
        let letters: Vec<char> = letters.chars().filter(|c| !c.is_whitespace()).collect();
        let agrees = letters.len() == extents.len()
            && letters
                .iter()
                .zip(&extents)
                .all(|(letter, extent)| self.get(*letter).is_none_or(|bound| bound == *extent));
        if !agrees {
            let wanted: Vec<_> = letters.iter().map(char::to_string).collect();
            let known: Vec<_> = self
                .bound
                .iter()
                .map(|(letter, size)| format!("{letter}={size}"))
                .collect();
            let what = format!(
                "`{name}` should be [{}] with {}, got {extents:?}",
                wanted.join(", "),
                known.join(" ")
            );
            return Err(Error::Shape { op: self.op, what });
        }
        for (letter, extent) in letters.into_iter().zip(extents) {
            if self.get(letter).is_none() {
                self.bound.push((letter, extent));
            }
        }
        Ok(self)
    }

    /// The same for something of length `len` that is not of f32.
    pub fn bind_len(self, name: &str, len: usize, letter: &str) -> Result<Self> {
        struct Len(usize);
        impl Shaped for Len {
            fn extents(&self) -> Vec<usize> {
                vec![self.0]
            }
        }
        self.bind(name, &Len(len), letter)
    }

    /// The size bound to `letter`, if any.
    pub fn get(&self, letter: char) -> Option<usize> {
        self.bound
            .iter()
            .find(|(l, _)| *l == letter)
            .map(|(_, size)| *size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_shape_is_named_with_what_was_bound() {
        let refused = Dims::of("decode")
            .bind("w_dec", &Matrix::zeros(16, 8), "f d")
            .unwrap()
            .bind("b_dec", &vec![0.0; 9], "d")
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "decode: `b_dec` should be [d] with f=16 d=8, got [9]"
        );
    }
}
