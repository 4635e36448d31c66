//! `--device` of every command that runs a dictionary, and `umbra devices`.

use std::path::Path;
use std::sync::OnceLock;

use super::Console;
use crate::corpus::Rows;
use crate::device::DeviceWish;
use crate::error::Result;
use crate::workbench::devices::{Choice, Devices, Job, Runs};
use crate::workbench::pair::Pair;
use crate::workbench::passes::{Pass, Speeds};

/// `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct DeviceArg {
    /// Device that runs the dictionary: auto (the faster one, measured once and remembered), cpu, wgpu (the best GPU) or an id of `umbra devices` such as wgpu:0
    #[arg(
        long,
        value_name = "auto|cpu|wgpu[:N]",
        default_value_t,
        hide_default_value = true
    )]
    pub device: DeviceWish,
}

impl DeviceArg {
    /// Chooses the device for `job` and says which it is and why.
    pub fn choose(self, job: &Job, console: &Console) -> Result<Choice> {
        let choice = devices().choose(self.device, job)?;
        console.note(&choice.note());
        Ok(choice)
    }

    /// Chooses the device that runs `what` on `rows` tokens a call, places it there, and says which it is and why, once for all dictionaries of which that is true; the
    /// command's answer names it. Only `decoding` takes the decoder there.
    pub(super) fn place<'a>(
        self,
        what: impl Into<Runs<'a>>,
        (rows, decoding): (usize, bool),
        console: &Console,
    ) -> Result<Choice> {
        let what = what.into();
        let placing = devices().place(self.device, what, &what.job(rows, decoding))?;
        console.note_once(&placing.choice.note());
        let choice = placing.choice.clone();
        console.computes(placing);
        Ok(choice)
    }

    /// Says how long a pass of `pair` over `rows` is expected to take, if a pass like it was run here before.
    pub(super) fn expect(self, pass: Pass, (pair, rows): (&Pair, &Rows), console: &Console) {
        if let Some(ran) = speeds().expected(pass, pair, self.device) {
            console.note(&format!(
                "Expected time: {}",
                ran.said(rows.counted() as u64)
            ));
        }
    }
}

/// The devices of this machine, with the measurements in the user's data folder.
pub fn devices() -> &'static Devices {
    static DEVICES: OnceLock<Devices> = OnceLock::new();
    DEVICES.get_or_init(|| with_data(Devices::new))
}

/// The speeds of passes that were run on this machine, kept in the user's data folder.
pub(super) fn speeds() -> &'static Speeds {
    static SPEEDS: OnceLock<Speeds> = OnceLock::new();
    SPEEDS.get_or_init(|| with_data(Speeds::new))
}

fn with_data<T>(make: impl FnOnce(Option<&Path>) -> T) -> T {
    let folders = directories::ProjectDirs::from("", "", "umbra");
    make(folders.as_ref().map(directories::ProjectDirs::data_dir))
}
