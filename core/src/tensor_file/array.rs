//! A tensor as stored in a file: type, shape, strides and bytes, checked against each other once, then read as f32 in the orientation requested.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::values::{Float, widened};
use crate::dims::Matrix;

/// Largest number of dimensions; no model's tensor has more.
const DIMENSIONS: usize = 8;
/// Rows filled together, so that a column-major source is read by whole cache lines.
pub(super) const ROWS: usize = 16;

/// Storage type of numbers, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    Bool,
}

impl Number {
    /// Returns the bytes of one number.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Returns the type's name as shown.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::Bool => "bool",
        }
    }

    const fn float(self) -> Option<Float> {
        match self {
            Self::F16 => Some(Float::F16),
            Self::Bf16 => Some(Float::Bf16),
            Self::F32 => Some(Float::F32),
            Self::F64 => Some(Float::F64),
            _ => None,
        }
    }

    /// Reads the number at the start of `bytes`; 0 if there are too few.
    fn read(self, bytes: &[u8]) -> f64 {
        fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.first_chunk().copied().unwrap_or([0; N])
        }
        match self {
            Self::F16 => half::f16::from_le_bytes(first(bytes)).to_f64(),
            Self::Bf16 => half::bf16::from_le_bytes(first(bytes)).to_f64(),
            Self::F32 => f64::from(f32::from_le_bytes(first(bytes))),
            Self::F64 => f64::from_le_bytes(first(bytes)),
            Self::I8 => f64::from(i8::from_le_bytes(first(bytes))),
            Self::I16 => f64::from(i16::from_le_bytes(first(bytes))),
            Self::I32 => f64::from(i32::from_le_bytes(first(bytes))),
            Self::I64 => i64::from_le_bytes(first(bytes)) as f64,
            Self::U8 | Self::Bool => f64::from(first::<1>(bytes)[0]),
        }
    }
}

/// A tensor as stored in a file.
#[derive(Debug, Clone)]
pub(crate) struct Array<'a> {
    number: Number,
    shape: Vec<usize>,
    /// Strides along each dimension, in numbers, not bytes.
    strides: Vec<usize>,
    /// Bytes from the first entry to the last, or more.
    bytes: Cow<'a, [u8]>,
}

impl<'a> Array<'a> {
    /// Creates a row-major array; the error phrase says why `bytes` are not exactly its entries.
    pub(crate) fn contiguous(
        number: Number,
        shape: Vec<usize>,
        bytes: Cow<'a, [u8]>,
    ) -> Result<Self, String> {
        let strides = row_major(&shape)?;
        Self::exact(number, shape, strides, bytes)
    }

    /// Creates a column-major array; the error phrase says why `bytes` are not exactly its entries.
    pub(crate) fn fortran(
        number: Number,
        shape: Vec<usize>,
        bytes: Cow<'a, [u8]>,
    ) -> Result<Self, String> {
        let backwards: Vec<usize> = shape.iter().rev().copied().collect();
        let mut strides = row_major(&backwards)?;
        strides.reverse();
        Self::exact(number, shape, strides, bytes)
    }

    fn exact(
        number: Number,
        shape: Vec<usize>,
        strides: Vec<usize>,
        bytes: Cow<'a, [u8]>,
    ) -> Result<Self, String> {
        let wanted = elements(&shape).and_then(|n| n.checked_mul(number.bytes()));
        if wanted != Some(bytes.len()) {
            return Err(format!(
                "of shape {shape:?} in {number:?} does not fit its {} bytes",
                bytes.len()
            ));
        }
        Ok(Self {
            number,
            shape,
            strides,
            bytes,
        })
    }

    /// Creates an array with any strides from `offset` on (in numbers). The error phrase says which entry lies outside `storage`, or that there are more
    /// entries than bytes.
    pub(crate) fn strided(
        number: Number,
        (shape, strides): (Vec<usize>, Vec<usize>),
        offset: usize,
        storage: &'a [u8],
    ) -> Result<Self, String> {
        let wrong = || {
            format!(
                "of shape {shape:?}, strides {strides:?} from number {offset} on lies outside its storage of {} bytes",
                storage.len()
            )
        };
        if shape.len() > DIMENSIONS || shape.len() != strides.len() {
            return Err(format!(
                "has {} dimensions and {} strides, {DIMENSIONS} are allowed",
                shape.len(),
                strides.len()
            ));
        }
        let many = elements(&shape).filter(|n| *n <= storage.len());
        let begin = offset.checked_mul(number.bytes());
        let (Some(many), Some(begin)) = (many, begin) else {
            return Err(wrong());
        };
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(0_usize, |last, (n, stride)| {
                last.checked_add(n.saturating_sub(1).checked_mul(*stride)?)
            });
        let length = if many == 0 {
            Some(0)
        } else {
            last.and_then(|last| last.checked_add(1)?.checked_mul(number.bytes()))
        };
        let bytes = length
            .and_then(|length| storage.get(begin..begin.checked_add(length)?))
            .ok_or_else(wrong)?;
        Ok(Self {
            number,
            shape,
            strides,
            bytes: Cow::Borrowed(bytes),
        })
    }

    /// Returns, of a tensor `[a, b, c]`, the matrix `[a, (b − first) · c]` that puts the entries of the second dimension from `first` on side by side.
    pub(crate) fn side_by_side(&self, first: usize) -> Option<Array<'_>> {
        let [a, b, c] = *self.shape.as_slice() else {
            return None;
        };
        let contiguous = row_major(&self.shape).is_ok_and(|strides| strides == self.strides);
        let columns = b.checked_sub(first)? * c;
        let begin = first * c * self.number.bytes();
        let bytes = self.bytes.get(begin..).filter(|_| contiguous)?;
        Some(Array {
            number: self.number,
            shape: vec![a, columns],
            strides: vec![b * c, 1],
            bytes: Cow::Borrowed(bytes),
        })
    }

    /// Returns the type of its numbers.
    pub(crate) fn number(&self) -> Number {
        self.number
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the number of a scalar or of a tensor with one entry.
    pub(crate) fn scalar(&self) -> Option<f64> {
        (elements(&self.shape) == Some(1)).then(|| self.number.read(&self.bytes))
    }

    /// Returns all entries, row-major; of tensors with more than two dimensions only where they are stored row-major.
    pub(crate) fn floats(&self) -> Option<Vec<f32>> {
        if row_major(&self.shape).is_ok_and(|strides| strides == self.strides) {
            if let Some(float) = self.number.float() {
                return Some(widened(&self.bytes, float));
            }
            let each = self.bytes.par_chunks_exact(self.number.bytes());
            return Some(each.map(|bytes| self.number.read(bytes) as f32).collect());
        }
        let mut values = vec![0.0; elements(&self.shape)?];
        let (rows, columns) = self.two_dimensions()?;
        self.fill(&mut values, self.layout_of(rows, columns));
        Some(values)
    }

    /// Returns a matrix, as it is or transposed.
    pub(crate) fn oriented(&self, transposed: bool) -> Option<Matrix> {
        let (rows, layout) = self.layout(transposed)?;
        let mut matrix = Matrix::zeros(rows, layout.columns);
        self.fill(matrix.values_mut(), layout);
        Some(matrix)
    }

    /// Returns the number of rows of a matrix, as it is or transposed, and its layout.
    fn layout(&self, transposed: bool) -> Option<(usize, Layout)> {
        let [_, _] = *self.shape.as_slice() else {
            return None;
        };
        let (by_row, by_column) = self.two_dimensions()?;
        Some(if transposed {
            (by_column.0, self.layout_of(by_column, by_row))
        } else {
            (by_row.0, self.layout_of(by_row, by_column))
        })
    }

    fn layout_of(&self, (_, down): (usize, usize), (columns, along): (usize, usize)) -> Layout {
        Layout {
            number: self.number,
            columns,
            down,
            along,
        }
    }

    /// Returns length and stride of rows and columns; a vector is one row.
    fn two_dimensions(&self) -> Option<((usize, usize), (usize, usize))> {
        match (self.shape.as_slice(), self.strides.as_slice()) {
            ([], []) => Some(((1, 0), (1, 0))),
            ([n], [stride]) => Some(((1, 0), (*n, *stride))),
            ([rows, columns], [down, along]) => Some(((*rows, *down), (*columns, *along))),
            _ => None,
        }
    }

    fn fill(&self, into: &mut [f32], layout: Layout) {
        let blocks = into.par_chunks_mut(ROWS * layout.columns.max(1));
        blocks
            .enumerate()
            .for_each(|(block, out)| layout.fill(&self.bytes, block * ROWS, out));
    }

    /// Returns the number of rows of a matrix, as it is or transposed, its layout and its place in `whole`; none if this is not a matrix or lies elsewhere.
    pub(super) fn placed(
        &self,
        whole: &[u8],
        transposed: bool,
    ) -> Option<(usize, Layout, Range<usize>)> {
        let place = self.place(whole)?;
        let (rows, layout) = self.layout(transposed)?;
        Some((rows, layout, place))
    }

    /// Returns its place in `whole` without borrowing `whole`; none if it lies elsewhere.
    pub(crate) fn in_file(&self, whole: &[u8]) -> Option<Placed> {
        Some(Placed {
            number: self.number,
            shape: self.shape.clone(),
            strides: self.strides.clone(),
            bytes: self.place(whole)?,
        })
    }

    fn place(&self, whole: &[u8]) -> Option<Range<usize>> {
        let Cow::Borrowed(bytes) = self.bytes else {
            return None;
        };
        let begin = (bytes.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let place = begin..begin.checked_add(bytes.len())?;
        // Owned memory may lie anywhere, before `whole` and behind it.
        (place.end <= whole.len()).then_some(place)
    }
}

/// An [`Array`] by its place in a file.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    number: Number,
    shape: Vec<usize>,
    strides: Vec<usize>,
    bytes: Range<usize>,
}

impl Placed {
    /// Returns the array in that file's bytes.
    pub(crate) fn array<'b>(&self, whole: &'b [u8]) -> Option<Array<'b>> {
        Some(Array {
            number: self.number,
            shape: self.shape.clone(),
            strides: self.strides.clone(),
            bytes: Cow::Borrowed(whole.get(self.bytes.clone())?),
        })
    }

    /// Returns its place in the file, from the first entry to the last.
    pub(crate) fn bytes(&self) -> Range<usize> {
        self.bytes.clone()
    }

    /// Returns the type of its numbers.
    pub(crate) fn number(&self) -> Number {
        self.number
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }
}

/// Layout of a matrix's entries in bytes; its rows are those requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) number: Number,
    pub(super) columns: usize,
    /// Stride from one row to the next, in numbers.
    down: usize,
    /// Stride from one column to the next, in numbers.
    along: usize,
}

impl Layout {
    /// Returns whether `bytes` are its entries row by row in f32, as in memory.
    pub(super) fn is_memory(self) -> bool {
        self.number == Number::F32
            && self.along == 1
            && self.down == self.columns
            && cfg!(target_endian = "little")
    }

    /// Fills rows from `row` on.
    pub(super) fn fill(self, bytes: &[u8], row: usize, into: &mut [f32]) {
        let size = self.number.bytes();
        let read = |at: usize| {
            let bytes = bytes.get(at * size..).unwrap_or_default();
            match self.number {
                Number::F32 => f32::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()),
                other => other.read(bytes) as f32,
            }
        };
        let blocks = into.chunks_mut(ROWS * self.columns.max(1)).enumerate();
        for (block, out) in blocks {
            for j in 0..self.columns {
                let column = out.iter_mut().skip(j).step_by(self.columns);
                for (i, to) in column.enumerate() {
                    *to = read((row + block * ROWS + i) * self.down + j * self.along);
                }
            }
        }
    }
}

fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, dim| n.checked_mul(*dim))
}

fn row_major(shape: &[usize]) -> Result<Vec<usize>, String> {
    if shape.len() > DIMENSIONS || elements(shape).is_none() {
        let some: Vec<_> = shape.iter().take(DIMENSIONS).collect();
        return Err(format!(
            "has the impossible shape {some:?} of {} dimensions",
            shape.len()
        ));
    }
    let mut strides = vec![1_usize; shape.len()];
    for at in (1..shape.len()).rev() {
        // A dimension of 0 makes the whole product 0 although a part of it may overflow.
        strides[at - 1] = strides[at].saturating_mul(shape[at].max(1));
    }
    Ok(strides)
}
