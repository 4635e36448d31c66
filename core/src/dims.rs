//! Named dimensions: [`Matrix`], a `[rows, columns]` table of f32, and [`Dims`], which checks shapes letter by letter.
//!
//! Letters are those of the table in `lib.rs`. Every public tensor function checks its shapes in its first statement.

mod held;
mod later;

use std::any::Any;
use std::sync::Arc;

use aligned_vec::{AVec, ConstAlign};
use candle_core::{DType, Device, Tensor};

use self::held::Held;
use self::later::Later;
use crate::error::{Error, Result};

pub(crate) use self::later::Source;

/// Dense row-major matrix of f32 on the CPU.
///
/// Its memory begins on a cache line, since a vector load across two lines costs twice as much. A large matrix that was opened from a file stays there until
/// its values are first used; [`Self::check`] looks through them. It may hold a copy of its values on a device, which goes when they change.
#[derive(Debug, Clone)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Values,
    held: Held,
}

/// Values in memory, aligned to a cache line.
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

/// Size of a cache line in bytes.
const CACHE_LINE: usize = 64;

impl Default for Matrix {
    fn default() -> Self {
        Self::zeros(0, 0)
    }
}

impl Matrix {
    /// Creates a matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            values: Values::Here(zeros(rows * columns)),
            held: Held::default(),
        }
    }

    /// Creates a `[rows, columns]` matrix whose values `source` reads on first use.
    pub(crate) fn later(rows: usize, columns: usize, source: Box<dyn Source>) -> Self {
        let later = Later::new(rows * columns, source);
        Self {
            rows,
            columns,
            values: Values::Later(Arc::new(later)),
            held: Held::default(),
        }
    }

    /// Whether its values come from a file that is read on first use.
    pub(crate) fn is_of_file(&self) -> bool {
        matches!(self.values, Values::Later(_))
    }

    /// Whether its values occupy memory.
    #[cfg(test)]
    pub(crate) fn is_in_memory(&self) -> bool {
        match &self.values {
            Values::Here(_) => true,
            Values::Later(later) => later.is_read(),
        }
    }

    /// Checks that its values fit into memory and are finite. Values in memory were checked when they were read, so this costs at most one read of a matrix
    /// that still lies in a file.
    pub fn check(&self) -> Result<()> {
        match &self.values {
            Values::Here(_) => Ok(()),
            Values::Later(later) => later.check(),
        }
    }

    /// Creates a matrix from row-major values; an error if their number is not `rows * columns`.
    pub fn new(rows: usize, columns: usize, values: Vec<f32>) -> Result<Self> {
        if values.len() == rows * columns {
            Ok(Self {
                rows,
                columns,
                values: Values::Here(AVec::from_iter(0, values)),
                held: Held::default(),
            })
        } else {
            Err(Error::Shape {
                op: "matrix",
                what: format!("{} values cannot fill [{rows}, {columns}]", values.len()),
            })
        }
    }

    /// Creates a matrix from a tensor of any rank ≥ 1, all leading dimensions flattened into rows (`[b, t, h, e]` with `columns = h*e`), widened to f32.
    pub fn from_tensor(tensor: &Tensor, columns: usize) -> Result<Self> {
        let values = tensor
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        Self::new(values.len() / columns.max(1), columns, values)
    }

    /// Returns a candle tensor `[rows, columns]` on the CPU.
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

    /// Returns row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values()[i * self.columns..(i + 1) * self.columns]
    }

    /// Returns row `i` for writing.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        let place = i * self.columns..(i + 1) * self.columns;
        &mut self.values_mut()[place]
    }

    /// Returns the transpose, `[columns, rows]`.
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

    /// Returns the rows with these indices, in this order; each must exist.
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

    /// Returns the rows where `mask` is true.
    #[must_use]
    pub fn rows_where(&self, mask: &[bool]) -> Self {
        let numbers = (0..).zip(mask).filter(|(_, kept)| **kept);
        let numbers: Vec<u32> = numbers.map(|(number, _)| number).collect();
        self.rows_of(&numbers)
    }

    /// Iterates over the rows.
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values().chunks_exact(self.columns.max(1))
    }

    /// Returns all values, row-major.
    pub fn values(&self) -> &[f32] {
        match &self.values {
            Values::Here(values) => values,
            Values::Later(later) => later.values(),
        }
    }

    /// Returns all values, row-major, for writing.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.held.clear();
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

    /// Returns the copy on a device, if there is one of this type.
    pub(crate) fn held<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.held.get()
    }

    /// Holds a copy of its values on a device in place of the former one, or none. Clones do not hold it.
    pub(crate) fn hold(&self, copy: Option<Arc<dyn Any + Send + Sync>>) {
        self.held.put(copy);
    }

    /// Returns the values and drops the shape.
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

/// Value with a shape that [`Dims`] can check.
pub trait Shaped {
    /// Returns the extents, outermost first.
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

/// Binds letters to sizes at the start of an operation; the first mismatch is an error.
#[derive(Debug)]
pub struct Dims {
    op: &'static str,
    bound: Vec<(char, usize)>,
}

impl Dims {
    /// Starts the check of the operation `op`.
    pub fn new(op: &'static str) -> Self {
        Self {
            op,
            bound: Vec::new(),
        }
    }

    /// Binds each letter of `letters` (such as `"n d"`) to the extent at its place, or compares it with the bound size.
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

    /// Binds `letter` to the length of a value that holds no f32.
    pub fn bind_len(self, name: &str, len: usize, letter: &str) -> Result<Self> {
        struct Len(usize);
        impl Shaped for Len {
            fn extents(&self) -> Vec<usize> {
                vec![self.0]
            }
        }
        self.bind(name, &Len(len), letter)
    }

    /// Returns the size bound to `letter`, if any.
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
    fn a_copy_on_a_device_goes_where_values_change_and_no_clone_has_it() {
        let mut matrix = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!(matrix.held::<u32>().is_none());
        matrix.hold(Some(Arc::new(7_u32)));
        assert_eq!(matrix.held::<u32>().as_deref(), Some(&7));
        assert!(matrix.held::<u64>().is_none(), "of another type");
        let clone = matrix.clone();
        assert!(clone == matrix && clone.held::<u32>().is_none());
        matrix.row_mut(1)[0] = 5.0;
        assert!(matrix.held::<u32>().is_none());
        matrix.hold(Some(Arc::new(8_u32)));
        matrix.hold(None);
        assert!(matrix.held::<u32>().is_none());
    }

    #[test]
    fn a_wrong_shape_is_named_with_what_was_bound() {
        let refused = Dims::new("decode")
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
