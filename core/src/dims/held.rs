//! Place of a matrix for a copy of its values on a device. What the copy is, `device` knows.

use std::any::Any;
use std::fmt::{Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};

/// Copy of a matrix elsewhere; shared, since many threads compute with one matrix.
type Shared = Arc<dyn Any + Send + Sync>;

/// The place. A clone begins without a copy, since it is made to be changed or to be computed with elsewhere.
#[derive(Default)]
pub(super) struct Held(Mutex<Option<Shared>>);

impl Held {
    /// Returns the copy, if it is a `T`.
    pub(super) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let copy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copy.as_ref()
            .and_then(|copy| Arc::clone(copy).downcast().ok())
    }

    /// Puts `copy` in the place of the former one.
    pub(super) fn put(&self, copy: Option<Shared>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = copy;
    }

    /// Drops the copy.
    pub(super) fn clear(&mut self) {
        *self.0.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Debug for Held {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let copy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.write_str(if copy.is_some() { "Held" } else { "None" })
    }
}
