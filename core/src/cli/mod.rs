//! The command line: `umbra <noun> <verb>`, one file per noun. The only module that prints.

use std::process::ExitCode;

/// Runs the command line in `args` (program name first).
pub fn main(args: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    unimplemented!("{:?}", args.into_iter().next())
}
