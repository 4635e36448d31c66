//! `umbra-cli`: the command line without a window.

use std::process::ExitCode;

fn main() -> ExitCode {
    umbra_core::cli::main(std::env::args_os())
}
