//! A matrix that stays in its mapped file until it is used.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use memmap2::Mmap;

use super::array::{Array, Layout, ROWS};
use crate::device::check_room;
use crate::dims::{Matrix, Source};
use crate::error::{Error, Result};

/// A tensor of a mapped file.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) tensor: String,
    pub(crate) path: PathBuf,
    pub(crate) map: Arc<Mmap>,
}

#[derive(Debug)]
struct Left {
    named: Named,
    layout: Layout,
    place: Range<usize>,
}

/// Returns `array` as a matrix, or transposed, that is read from `named`'s file when it is used; none if it is not a matrix or not stored in that file as it
/// is.
pub(crate) fn later(array: &Array<'_>, transposed: bool, named: &Named) -> Option<Matrix> {
    let (rows, layout, place) = array.placed(&named.map, transposed)?;
    let left = Left {
        named: named.clone(),
        layout,
        place,
    };
    Some(Matrix::later(rows, layout.columns, Box::new(left)))
}

/// Checks that all `values` are finite; the error names the first that is not.
pub(crate) fn finite(values: &[f32], tensor: &str, path: &Path) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let what = format!(
                "tensor `{tensor}` holds {} at entry {at}, its training diverged",
                values[at]
            );
            Err(Error::input(what, path))
        }
    }
}

impl Left {
    fn bytes(&self) -> &[u8] {
        self.named.map.get(self.place.clone()).unwrap_or_default()
    }
}

impl Source for Left {
    fn in_place(&self) -> Option<&[f32]> {
        if !self.layout.is_memory() {
            return None;
        }
        // A file may put a tensor at any byte.
        bytemuck::try_cast_slice(self.bytes()).ok()
    }

    fn read(&self, into: &mut [f32]) {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let columns = self.layout.columns.max(1);
        let rows = (into.len() / columns).div_ceil(threads);
        let rows = rows.next_multiple_of(ROWS);
        thread::scope(|scope| {
            for (part, into) in into.chunks_mut(rows * columns).enumerate() {
                scope.spawn(move || self.layout.fill(self.bytes(), part * rows, into));
            }
        });
    }

    fn room(&self, count: usize) -> Result<()> {
        check_room(4 * count as u64, || {
            let Named { tensor, path, .. } = &self.named;
            format!("reading tensor `{tensor}` of {}", path.display())
        })
    }

    fn finite(&self, values: &[f32]) -> Result<()> {
        finite(values, &self.named.tensor, &self.named.path)
    }
}
