//! `umbra [PROJECT]` and `umbra open LINK` open the window; `umbra <subcommand>` is the command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use umbra_app::arguments::Arguments;
use umbra_app::window;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let opened = if Arguments::open_link(&args) {
        let arguments = Arguments::parse_link(&args);
        arguments
            .and_then(|arguments| arguments.check().map(|()| arguments))
            .and_then(|arguments| window::open(&arguments))
            .map_err(|sentence| (sentence, 1))
    } else if umbra_core::cli::is_subcommand(&args) {
        return umbra_core::cli::main(args);
    } else {
        match Arguments::parse(args.iter().skip(1).cloned()) {
            Err(_) if umbra_core::cli::is_like_subcommand(&args) => {
                return umbra_core::cli::main(args);
            }
            Err(usage) => Err((usage, 2)),
            Ok(arguments) => window::open(&arguments).map_err(|sentence| (sentence, 1)),
        }
    };
    let Err((sentence, code)) = opened else {
        return ExitCode::SUCCESS;
    };
    drop(writeln!(std::io::stderr(), "{sentence}")); // nobody may be listening
    ExitCode::from(code)
}
