//! How a model is opened.

use super::{Form, Processing};

/// How weights are held and what is done to them; by default f32 and nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opening {
    /// How they are held.
    pub form: Form,
    /// What is done to them.
    pub processing: Processing,
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
