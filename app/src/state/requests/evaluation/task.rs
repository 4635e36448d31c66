//! Requests for the task with a known answer.

use crate::state::evaluation::task::Form;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look for the result kept with the project.
    Look,
    /// Other settings of the next run.
    Form(Box<Form>),
    /// Run the task with the settings of the form and keep the result with the project.
    Run,
    /// Stop the run.
    Stop,
}
