//! Stands for GPUs where the feature `gpu` is off: there is none.

use super::facts::{AdapterFacts, AdapterKind};
use crate::dims::Matrix;
use crate::error::Result;

/// Has no value, which only this module sees: code that handles a GPU compiles without a word about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Never {}

/// GPU of a build without the feature `gpu`; no value exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gpu(Never);

/// Adapter of a build without the feature `gpu`; no value exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adapter(Never);

impl Adapter {
    /// Lists no adapter.
    pub fn all() -> Vec<Self> {
        Vec::new()
    }

    /// Name of the adapter.
    pub fn name(&self) -> String {
        match self.0 {}
    }

    /// Kind of the adapter.
    pub fn kind(&self) -> AdapterKind {
        match self.0 {}
    }

    /// Facts of the adapter.
    pub fn facts(&self) -> AdapterFacts {
        match self.0 {}
    }

    /// Opens the adapter.
    pub fn open(&self) -> Result<Gpu> {
        match self.0 {}
    }
}

impl Gpu {
    /// Ends a path that a GPU alone takes.
    pub(crate) fn absent(&self) -> ! {
        match self.0 {}
    }

    /// Id that the setting `device` takes.
    pub fn id(&self) -> &str {
        match self.0 {}
    }

    /// Bytes that one binding may hold.
    pub(crate) fn binding_limit(&self) -> u64 {
        match self.0 {}
    }

    /// Whether a window should try again to change its size.
    pub fn is_resting(&self) -> bool {
        match self.0 {}
    }

    /// Name and backend.
    pub fn label(&self) -> String {
        match self.0 {}
    }

    /// Returns the fault that ended the use of the device.
    pub fn check(&self) -> Result<()> {
        match self.0 {}
    }
}

/// Copy of a matrix on a GPU; no value exists.
#[derive(Debug)]
pub(crate) struct Placed(Never);

impl Placed {
    /// Prepares a copy on a GPU.
    pub(crate) fn new(gpu: &Gpu, _: &'static str) -> Self {
        match gpu.0 {}
    }

    /// Copies a matrix to the GPU.
    pub(crate) fn fill(&self, _: &Matrix) -> Result<()> {
        match self.0 {}
    }

    /// Whether it lies on `gpu` and can be used.
    pub(crate) fn is_on(&self, _: &Gpu) -> bool {
        match self.0 {}
    }

    /// Returns the fault that ended its use.
    pub(crate) fn fault(&self) -> Option<&str> {
        match self.0 {}
    }
}
