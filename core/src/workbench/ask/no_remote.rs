//! Stands for the connection to an endpoint where the feature `hub` is off.

use super::{Endpoint, Message};
use crate::error::{Error, Result};

/// Refuses.
pub(super) fn chat(endpoint: &Endpoint, _: &[Message]) -> Result<String> {
    Err(Error::left_out(format!("asking {}", endpoint.url), "hub"))
}
