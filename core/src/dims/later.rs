//! Matrix values that stay in a file until they are used, so that a dictionary of many gigabytes opens at once and unused parts are never read.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use aligned_vec::AVec;

use super::{Lines, zeros};
use crate::error::Result;

/// File or other source that holds the values.
pub(crate) trait Source: Debug + Send + Sync {
    /// Returns the values in place, if they are stored row by row in f32.
    fn in_place(&self) -> Option<&[f32]>;

    /// Reads all values, row by row. Must not use rayon's pool: the caller may run there, and a thread that waits here can start other work that needs the same
    /// values.
    fn read(&self, into: &mut [f32]);

    /// Checks that so many values fit into memory.
    fn room(&self, count: usize) -> Result<()>;

    /// Checks that `values` are finite.
    fn finite(&self, values: &[f32]) -> Result<()>;
}

/// Values that are read on first use.
#[derive(Debug)]
pub(super) struct Later {
    count: usize,
    source: Box<dyn Source>,
    read: OnceLock<Lines>,
    /// Whether all values are known to be finite.
    finite: OnceLock<bool>,
}

impl Later {
    pub(super) fn new(count: usize, source: Box<dyn Source>) -> Self {
        Self {
            count,
            source,
            read: OnceLock::new(),
            finite: OnceLock::new(),
        }
    }

    /// Whether the values occupy memory.
    pub(super) fn is_read(&self) -> bool {
        self.read.get().is_some()
    }

    pub(super) fn values(&self) -> &[f32] {
        if let Some(values) = self.source.in_place() {
            return values;
        }
        self.read.get_or_init(|| {
            let mut values = zeros(self.count);
            self.source.read(&mut values);
            values
        })
    }

    /// Returns the values for writing; copies them only if another matrix shares them.
    pub(super) fn into_values(later: Arc<Self>) -> Lines {
        let copied = |later: &Self| AVec::from_slice(0, later.values());
        match Arc::try_unwrap(later) {
            Ok(mut alone) => alone.read.take().unwrap_or_else(|| copied(&alone)),
            Err(shared) => copied(&shared),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.finite.get() == Some(&true) {
            return Ok(());
        }
        if !self.is_read() && self.source.in_place().is_none() {
            self.source.room(self.count)?;
        }
        self.source.finite(self.values())?;
        // Another thread may have checked them meanwhile.
        let _already = self.finite.set(true);
        Ok(())
    }
}
