//! The command line as the tests start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    umbra_core::cli::main(std::env::args_os())
}
