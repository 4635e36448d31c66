//! Carries out requests (`state/requests/`) after the frame is drawn, one file per area. It knows no view.
//!
//! # How an area adds something
//! - **a command**: a variant in `state/requests/AREA.rs`'s `Command` and an arm in `commands/AREA.rs`'s `run(self, context)`. In `run`, change
//!   the state only by `context.apply(event)`; start long work by `context.jobs.start(…)`.
//! - **something that happens by itself** when the state calls for it (the table of a newly selected dictionary): `follow(state, commands)` of the
//!   area, asked once a frame; it compares what is there with what is selected and sends a command. The command must mark the state at once
//!   (`Load::Loading`), or it would be sent again in the next frame.
//! - **something that was drawn before it was read** (names of features): the state keeps what was wanted, `follow_drawn` asks for it after the frame.
//! - **an entry of the palette**: a line in `shell/palette.rs`.

mod attention;
mod compare;
mod context;
mod dark_matter;
mod devices;
mod dictionary;
mod evaluation;
mod families;
mod features;
mod heads;
mod history;
mod labels;
mod lens;
mod library;
mod navigation;
#[cfg(test)]
mod notes_tests;
mod opening;
mod passes;
mod path;
pub(crate) mod prompt;
mod results;
mod search;
mod shell;
mod start;
mod steering;
mod texts;
mod training;

use crate::state::AppState;
use crate::state::requests::{Command, Commands};

pub(crate) use context::Context;

impl Command {
    /// Carries it out.
    pub(crate) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Navigation(command) => command.run(context),
            Self::Shell(command) => command.run(context),
            Self::Library(command) => command.run(context),
            Self::Opening(command) => command.run(context),
            Self::Path(command) => command.run(context),
            Self::Devices(command) => command.run(context),
            Self::Dictionary(command) => command.run(context),
            Self::Passes(command) => command.run(context),
            Self::Features(command) => command.run(context),
            Self::Families(command) => command.run(context),
            Self::Labels(command) => command.run(context),
            Self::Prompt(command) => command.run(context),
            Self::Texts(command) => command.run(context),
            Self::Search(command) => command.run(context),
            Self::Lens(command) => command.run(context),
            Self::Attention(command) => command.run(context),
            Self::Training(command) => command.run(context),
            Self::Compare(command) => command.run(context),
            Self::DarkMatter(command) => command.run(context),
            Self::Heads(command) => command.run(context),
            Self::Steering(command) => command.run(context),
            Self::Evaluation(command) => command.run(context),
            Self::Results(command) => command.run(context),
        }
    }
}

/// Asks every area what the state calls for.
pub(crate) fn follow(state: &AppState, commands: &mut Commands) {
    library::follow(state, commands);
    navigation::follow(state, commands);
    opening::follow(state, commands);
    path::follow(state, commands);
    passes::follow(state, commands);
    features::follow(state, commands);
    prompt::follow(state, commands);
    start::follow(state, commands);
    training::follow(state, commands);
    compare::follow(state, commands);
    dark_matter::follow(state, commands);
    heads::follow(state, commands);
    steering::follow(state, commands);
}

/// Asks for what the last frame drew without having it.
pub(crate) fn follow_drawn(state: &AppState, commands: &mut Commands) {
    features::follow_drawn(state, commands);
}
