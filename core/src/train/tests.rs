//! The step against its definition, and whole runs.
use super::*;
