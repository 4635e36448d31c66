//! Values of a matrix that lie in a file until something asks for them, so that a dictionary of many gigabytes opens in no time and what is not used is not
//! read.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use aligned_vec::AVec;

use super::{Lines, zeros};
use crate::error::Result;

/// Where they lie.
pub(crate) trait Source: Debug + Send + Sync {
    /// As they lie, if that is row by row in f32.
    fn in_place(&self) -> Option<&[f32]>;

    /// All of them, row by row. Not on rayon's pool: what asks for values may run there, and one of its threads that waits here takes on other work that asks for
    /// the same values.
    fn read(&self, into: &mut [f32]);

    /// An error if there is no room for that many values.
    fn room(&self, count: usize) -> Result<()>;

    /// An error if `values` holds one that is no number.
    fn finite(&self, values: &[f32]) -> Result<()>;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Later {
    count: usize,
    source: Box<dyn Source>,
    read: OnceLock<Lines>,
    /// Whether all of them are numbers.
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

    /// Whether they take room in memory.
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

    /// The values to be written to, without a copy where no other matrix shares them.
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
        // Another thread may have said so meanwhile.
        let _already = self.finite.set(true);
        Ok(())
    }
}
