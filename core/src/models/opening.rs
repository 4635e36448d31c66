//! Options for opening a model.

use super::{Form, Processing};

/// Request about BOS; by default the model's rule, or that of the dictionary in use, applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BosWish {
    /// Puts no BOS before any text.
    pub left_out: bool,
    /// Puts a second BOS before a text that begins with one.
    pub doubled: bool,
}

/// Form and processing of the weights, and the request about BOS; by default f32, no processing, no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opening {
    /// Form of the weights in memory.
    pub form: Form,
    /// Processing of the weights.
    pub processing: Processing,
    /// Request about BOS.
    pub bos: BosWish,
}

impl From<Form> for Opening {
    fn from(form: Form) -> Self {
        Self {
            form,
            ..Self::default()
        }
    }
}

impl From<Processing> for Opening {
    fn from(processing: Processing) -> Self {
        Self {
            processing,
            ..Self::default()
        }
    }
}
