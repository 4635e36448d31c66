//! Stands for a GPU where the feature `gpu` is off: there is none.

/// GPU of a build without the feature `gpu`; no value exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gpu {}

impl Gpu {
    /// Id that the setting `device` takes.
    pub fn id(&self) -> &str {
        match *self {}
    }

    /// Name and backend.
    pub fn label(&self) -> String {
        match *self {}
    }
}
