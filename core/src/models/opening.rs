//! How a model is opened.

use super::{Form, Processing};

/// What a person asks of BOS; by default what the model, or the dictionary in use, names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BosWish {
    /// None precedes any text.
    pub left_out: bool,
    /// A text that begins with it gets a second one.
    pub doubled: bool,
}

/// How weights are held, what is done to them, and what is asked of BOS; by default f32 and nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opening {
    /// How they are held.
    pub form: Form,
    /// What is done to them.
    pub processing: Processing,
    /// What is asked of BOS.
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
