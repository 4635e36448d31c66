//! `umbra open`: the window on the feature of a link. The desktop program opens it; here the link is checked, and the rest is refused.

use super::{Console, Exit};
use crate::error::{Error, Result};
use crate::workbench::link::Link;

/// Flags of `umbra open`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The window's own flags may follow: --renderer wgpu|glow, --theme dark|light, --size WIDTHxHEIGHT. A link that is not complete, or does not fit its project and dictionary, opens no window."
)]
pub(super) struct Args {
    /// Link: `umbra://feature?…`, as `umbra link write` and “Copy link” in the window make it
    #[arg(value_name = "LINK")]
    link: String,
}

/// Runs `umbra open` in a program without a window.
pub(super) fn run(args: &Args, _console: &Console) -> Result<Exit> {
    let link: Link = args.link.parse()?;
    link.check()?;
    Err(Error::Unsupported {
        what: "A window in this program".to_owned(),
        remedy: "open the link with the desktop program, umbra".to_owned(),
    })
}
