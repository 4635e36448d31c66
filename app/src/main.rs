//! `umbra [PROJECT]` opens the window; `umbra <subcommand>` is the command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use umbra_app::arguments::Arguments;
use umbra_app::window;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if umbra_core::cli::is_subcommand(&args) {
        return umbra_core::cli::main(args);
    }
    let (sentence, code) = match Arguments::parse(args.iter().skip(1).cloned()) {
        Err(_) if umbra_core::cli::is_like_subcommand(&args) => {
            return umbra_core::cli::main(args);
        }
        Err(usage) => (usage, 2),
        Ok(arguments) => match window::open(&arguments) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(sentence) => (sentence, 1),
        },
    };
    drop(writeln!(std::io::stderr(), "{sentence}")); // nobody may be listening
    ExitCode::from(code)
}
