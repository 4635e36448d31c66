//! Stands for GPUs where the feature `gpu` is off: there is none.

use super::facts::{AdapterFacts, AdapterKind};
use crate::error::Result;

use crate::dims::Matrix;
use crate::error::Result;

/// GPU of a build without the feature `gpu`; no value exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gpu {}

/// Adapter of a build without the feature `gpu`; no value exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapter {}

impl Adapter {
    /// Lists no adapter.
    pub fn all() -> Vec<Self> {
        Vec::new()
    }

    /// Name of the adapter.
    pub fn name(&self) -> String {
        match *self {}
    }

    /// Kind of the adapter.
    pub fn kind(&self) -> AdapterKind {
        match *self {}
    }

    /// Facts of the adapter.
    pub fn facts(&self) -> AdapterFacts {
        match *self {}
    }

    /// Opens the adapter.
    pub fn open(&self) -> Result<Gpu> {
        match *self {}
    }
}

impl Gpu {
    /// Id that the setting `device` takes.
    pub fn id(&self) -> &str {
        match *self {}
    }

    /// Bytes that one binding may hold.
    pub(crate) fn binding_limit(&self) -> u64 {
        match *self {}
    }

    /// Whether a window should try again to change its size.
    pub fn is_resting(&self) -> bool {
        match *self {}
    }

    /// Name and backend.
    pub fn label(&self) -> String {
        match *self {}
    }

    /// Returns the fault that ended the use of the device.
    pub fn check(&self) -> Result<()> {
        match *self {}
    }
}

/// Copy of a matrix on a GPU; no value exists.
#[derive(Debug)]
pub(crate) enum Placed {}

impl Placed {
    /// Prepares a copy on a GPU.
    pub(crate) fn new(gpu: &Gpu, _: &'static str) -> Self {
        match *gpu {}
    }

    /// Copies a matrix to the GPU.
    pub(crate) fn fill(&self, _: &Matrix) -> Result<()> {
        match *self {}
    }

    /// Whether it lies on `gpu` and can be used.
    pub(crate) fn is_on(&self, _: &Gpu) -> bool {
        match *self {}
    }

    /// Returns the fault that ended its use.
    pub(crate) fn fault(&self) -> Option<&str> {
        match *self {}
    }
}
