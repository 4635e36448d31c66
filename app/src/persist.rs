//! Settings and tiles survive a restart. (eframe itself keeps the window's size and position.)

use serde::{Deserialize, Serialize};

use crate::state::layout::{Layout, Saved};
use crate::state::settings::Settings;

/// The key under which everything is kept.
const KEY: &str = "umbra-1";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    settings: Settings,
    layout: Saved,
}

/// Reads settings and tiles; what cannot be read is as at the first start.
pub(crate) fn load(storage: Option<&dyn eframe::Storage>) -> (Settings, Layout) {
    let kept: Option<Kept> = storage.and_then(|storage| eframe::get_value(storage, KEY));
    kept.map_or_else(Default::default, |kept| {
        (kept.settings, Layout::restore(kept.layout))
    })
}

/// Keeps settings and tiles.
pub(crate) fn save(storage: &mut dyn eframe::Storage, settings: &Settings, layout: &Layout) {
    let kept = Kept {
        settings: settings.clone(),
        layout: layout.saved(),
    };
    eframe::set_value(storage, KEY, &kept);
}
