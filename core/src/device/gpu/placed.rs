//! A matrix that lies on a device while it is in use there.

use std::sync::{Mutex, OnceLock};

use super::{Gpu, Table, lock};
use crate::device::placed;
use crate::dims::Matrix;
use crate::error::{Error, Result};

/// Copy of a matrix on a device, made on first use, with the fault that ended its use.
#[derive(Debug)]
pub(crate) struct Placed {
    gpu: Gpu,
    what: &'static str,
    table: Mutex<Option<Table>>,
    fault: OnceLock<String>,
}

impl Placed {
    /// Prepares a copy on `gpu`; `what` names it in errors.
    pub(crate) fn new(gpu: &Gpu, what: &'static str) -> Self {
        Self {
            gpu: gpu.clone(),
            what,
            table: Mutex::new(None),
            fault: OnceLock::new(),
        }
    }

    /// Whether it lies on `gpu`, split by the same limit, and can be used.
    pub(crate) fn is_on(&self, gpu: &Gpu) -> bool {
        let [limit, own] = [gpu, &self.gpu].map(Gpu::binding_limit);
        self.gpu == *gpu && limit == own && self.fault().is_none()
    }

    /// Copies `of` to the device, unless it lies there. An error if the device fails or if a value is not finite.
    pub(crate) fn fill(&self, of: &Matrix) -> Result<()> {
        self.table(of).map(drop)
    }

    fn table(&self, of: &Matrix) -> Result<Table> {
        let mut table = lock(&self.table);
        if let Some(table) = &*table {
            return Ok(table.clone());
        }
        of.check()?;
        let copy = Table::upload(&self.gpu, self.what, of)?;
        self.gpu.check()?;
        Ok(table.insert(copy).clone())
    }

    /// Returns the fault that ended its use, if there was one.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }
}

/// Runs `work` with the copy of `matrix` on a device. None where there is none, or where the device failed or gave a number that is not finite, now or earlier:
/// then the caller computes with the matrix itself, on the CPU, and reports what is wrong there.
pub(crate) fn with_placed<T>(
    matrix: &Matrix,
    work: impl FnOnce(&Gpu, &Table) -> Result<T>,
) -> Result<Option<T>> {
    let Some(placed) = placed(matrix).filter(|placed| placed.fault().is_none()) else {
        return Ok(None);
    };
    let done = placed
        .table(matrix)
        .and_then(|table| work(&placed.gpu, &table));
    match done {
        Err(fault @ (Error::Device { .. } | Error::Numeric { .. })) => {
            placed.fault.get_or_init(|| fault.to_string());
            Ok(None)
        }
        done => done.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Adapter, testing};
    use super::*;
    use crate::device::{place, release};

    #[test]
    fn a_placed_matrix_is_used_until_its_device_fails_on_wgpu() {
        let Some(shared) = testing::gpu() else { return };
        // A device of its own, since it is given up.
        let all = Adapter::all();
        let adapter = all.iter().find(|adapter| adapter.id == shared.id());
        let gpu = adapter.unwrap().open().unwrap();
        let matrix = Matrix::new(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let read = || {
            with_placed(&matrix, |gpu, table| {
                let mut back = Matrix::zeros(2, 3);
                table.read(gpu, &mut back)?;
                Ok(back)
            })
        };
        assert_eq!(read().unwrap(), None, "it is not placed");
        place(&matrix, &gpu, "rows");
        let first = placed(&matrix).unwrap();
        assert!(first.is_on(&gpu) && !first.is_on(&shared));
        assert!(!first.is_on(&gpu.with_binding_limit(64)));
        assert_eq!(read().unwrap().as_ref(), Some(&matrix));
        place(&matrix, &gpu, "rows");
        assert!(
            Arc::ptr_eq(&first, &placed(&matrix).unwrap()),
            "copied once"
        );
        let wrong = with_placed(&matrix, |_, _| -> Result<()> {
            Err(Error::setting("k", "is 0"))
        });
        assert!(
            wrong.is_err() && first.fault().is_none(),
            "not the device's"
        );
        release(&matrix);
        assert_eq!(read().unwrap(), None);
        place(&matrix, &gpu, "rows");
        gpu.give_up("was unplugged");
        assert_eq!(read().unwrap(), None, "the CPU takes over");
        let last = placed(&matrix).unwrap();
        assert!(last.fault().unwrap().contains("was unplugged"));
        assert!(!last.is_on(&gpu), "and placing tries again");
        assert!(last.fill(&matrix).is_err());
    }
}
