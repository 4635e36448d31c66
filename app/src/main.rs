//! `umbra [PROJECT]` opens the window; `umbra <subcommand>` is the command line.

use std::process::ExitCode;
use std::sync::Arc;

use umbra_app::app::App;
use umbra_app::commands::{Command, library};
use umbra_app::persist;
use umbra_app::shell::dialogs::SystemDialogs;
use umbra_app::state::AppState;

fn main() -> ExitCode {
    let opened = eframe::run_native(
        "umbra",
        eframe::NativeOptions::default(),
        Box::new(|creation| {
            let (settings, layout) = persist::load(creation.storage);
            let state = AppState {
                settings,
                ..AppState::default()
            };
            let first = Command::Library(library::Command::OpenDemo);
            let dialogs = Arc::new(SystemDialogs);
            let app = App::new(&creation.egui_ctx, state, layout, dialogs, first);
            Ok(Box::new(app))
        }),
    );
    if opened.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
