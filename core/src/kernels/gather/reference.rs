//! The definition: row by row.

use crate::dims::Matrix;

/// `[count, columns]`: the rows of `table` that `list` numbers, in its order.
pub(in crate::kernels) fn gather(table: &Matrix, list: &[u32]) -> Matrix {
    let mut out = Matrix::zeros(list.len(), table.columns());
    for (i, row) in list.iter().enumerate() {
        for column in 0..table.columns() {
            out.row_mut(i)[column] = table.row(*row as usize)[column];
        }
    }
    out
}
