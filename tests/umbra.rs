//! Starts the command line for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    umbra_core::cli::main(std::env::args_os())
}
