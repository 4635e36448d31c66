//! Requests of the panel “Where does it matter?”.

use crate::state::steering::causes::patching::Form;

/// Two texts and a target, as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Text whose activations are taken.
    pub(crate) clean: String,
    /// Text that reads them.
    pub(crate) corrupt: String,
    /// Target as the command line writes it.
    pub(crate) target: String,
}

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Choices changed.
    Form(Box<Form>),
    /// Look for the results kept with the project.
    Look,
    /// Patch every place of the form's site and keep the result with the project.
    Places(Pair),
    /// Patch every path to the form's receiver and keep the result with the project.
    Paths(Pair),
    /// Choose a place: layer, and position or head.
    Place(usize, usize),
    /// Choose a sender: layer and head.
    Sender(usize, usize),
    /// Put the chosen place into the stack of Steering as a patch, with the second text as the text to continue.
    Steer(usize, usize),
}
