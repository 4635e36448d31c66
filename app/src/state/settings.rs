//! Settings: theme, text size, rail, inspector, folded parts, dismissed purpose lines, recent projects. All of them survive a restart.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use umbra_core::device::DeviceWish;
use umbra_core::ids::FeatureId;
use umbra_core::models::{BosWish, Form, Opening};

use crate::state::tour::Tour;
use crate::state::view::ViewId;
use crate::widgets::grid::arrangement::{Arrangement, Arrangements};

/// Smallest and largest text size, percent.
pub(crate) const TEXT_SIZES: std::ops::RangeInclusive<u16> = 80..=160;

/// Recent projects and recent models kept.
const RECENT: usize = 8;

/// A model that was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecentModel {
    /// Its name.
    pub(crate) name: String,
    /// Folder or file.
    pub(crate) path: PathBuf,
    /// Whether the matrices of its file stay as stored.
    stored: bool,
    /// Processing of its weights, in the command line's words; empty for none.
    process: String,
    /// Whether BOS was left out.
    #[serde(default)]
    no_bos: bool,
    /// Whether a text that begins with BOS got a second one.
    #[serde(default)]
    keep_double_bos: bool,
}

impl RecentModel {
    /// The model at `path`, opened like this.
    pub(crate) fn new(name: &str, path: PathBuf, opening: Opening) -> Self {
        let processing = opening.processing;
        Self {
            name: name.to_owned(),
            path,
            stored: opening.form == Form::Stored,
            process: if processing.is_none() {
                String::new()
            } else {
                processing.to_string()
            },
            no_bos: opening.bos.left_out,
            keep_double_bos: opening.bos.doubled,
        }
    }

    /// Options it was opened with.
    pub(crate) fn opening(&self) -> Opening {
        Opening {
            form: if self.stored { Form::Stored } else { Form::F32 },
            processing: self.process.parse().unwrap_or_default(), // steps of a newer version are left out
            bos: BosWish {
                left_out: self.no_bos,
                doubled: self.keep_double_bos,
            },
        }
    }
}

/// Theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum ThemeChoice {
    /// Dark.
    #[default]
    Dark,
    /// Light.
    Light,
}

/// Order of a sentence's features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Ranking {
    /// By surprise, where there is an index.
    #[default]
    Surprise,
    /// By the size of the activation.
    Activation,
    /// By the share of the reconstruction.
    Share,
}

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Theme.
    pub(crate) theme: ThemeChoice,
    /// Text size, percent.
    pub(crate) text_percent: u16,
    /// Whether the rail shows words.
    pub(crate) rail_words: bool,
    /// Whether the inspector is shown.
    pub(crate) inspector: bool,
    /// Names of the foldable parts of screens that are unfolded.
    pub(crate) unfolded: BTreeSet<String>,
    /// Screens whose purpose line was dismissed.
    pub(crate) purposes_dismissed: BTreeSet<ViewId>,
    /// How far the tour is.
    pub(crate) tour: Tour,
    /// Dictionary and feature that the tour speaks of, from its first steps on.
    pub(crate) tour_of: Option<(String, u32)>,
    /// Ways on from the first screen that a person took; the buttons stand there until all are taken.
    pub(crate) ways_taken: BTreeSet<ViewId>,
    /// Folders of recent projects, latest first.
    pub(crate) recent: Vec<PathBuf>,
    /// Recent projects that are not saved yet.
    pub(crate) unsaved: BTreeSet<PathBuf>,
    /// Recent models, latest first.
    pub(crate) recent_models: Vec<RecentModel>,
    /// Folder of the project that was open last; none: the demo.
    pub(crate) last: Option<PathBuf>,
    /// Device that jobs are given.
    #[serde(serialize_with = "write_device", deserialize_with = "read_device")]
    pub(crate) device: DeviceWish,
    /// Columns of tables, by the names of tables.
    pub(crate) tables: Arrangements,
    /// Order of a sentence's features.
    pub(crate) ranking: Ranking,
    /// Whether features on more than a tenth of all tokens are listed.
    pub(crate) dense_unfolded: bool,
}

fn write_device<S: Serializer>(wish: &DeviceWish, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(wish)
}

/// Reads a device; one that this version does not know is left to be chosen.
fn read_device<'de, D: Deserializer<'de>>(from: D) -> Result<DeviceWish, D::Error> {
    let text = String::deserialize(from)?;
    Ok(text.parse().unwrap_or_default())
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            text_percent: 100,
            rail_words: true,
            inspector: true,
            unfolded: BTreeSet::new(),
            purposes_dismissed: BTreeSet::new(),
            tour: Tour::default(),
            tour_of: None,
            ways_taken: BTreeSet::new(),
            recent: vec![],
            unsaved: BTreeSet::new(),
            recent_models: vec![],
            last: None,
            device: DeviceWish::default(),
            tables: Arrangements::new(),
            ranking: Ranking::default(),
            dense_unfolded: false,
        }
    }
}

/// Changes of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Another theme.
    Theme(ThemeChoice),
    /// Set the text size in percent, clamped to [`TEXT_SIZES`].
    TextPercent(u16),
    /// The rail with or without words.
    RailWords(bool),
    /// The inspector shown or hidden.
    Inspector(bool),
    /// The part of this name was unfolded, or folded.
    Unfolded(&'static str, bool),
    /// A purpose line dismissed for good.
    PurposeDismissed(ViewId),
    /// All purpose lines shown again.
    PurposesRestored,
    /// The tour begins, goes on or ends.
    Tour(Tour),
    /// The tour speaks of this feature of the dictionary of this name.
    TourOf(String, FeatureId),
    /// Ways on from the first screen were taken or dismissed.
    WaysTaken(Vec<ViewId>),
    /// A project was opened; whether it is yet to be saved.
    Opened(PathBuf, bool),
    /// The demo was opened.
    DemoOpened,
    /// A recent project or model that is no more.
    Forgotten(PathBuf),
    /// A model was loaded.
    ModelOpened(RecentModel),
    /// Another device for jobs.
    Device(DeviceWish),
    /// Other columns, or another order, of a table.
    Table(String, Arrangement),
    /// Another order of a sentence's features.
    Ranking(Ranking),
    /// Dense features listed or folded.
    DenseUnfolded(bool),
}

impl Settings {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let settings = self;
        match event {
            Event::Theme(theme) => settings.theme = theme,
            Event::TextPercent(percent) => {
                settings.text_percent = percent.clamp(*TEXT_SIZES.start(), *TEXT_SIZES.end());
            }
            Event::RailWords(words) => settings.rail_words = words,
            Event::Inspector(shown) => settings.inspector = shown,
            Event::Unfolded(part, true) => {
                settings.unfolded.insert(part.to_owned());
            }
            Event::Unfolded(part, false) => {
                settings.unfolded.remove(part);
            }
            Event::PurposeDismissed(view) => {
                settings.purposes_dismissed.insert(view);
            }
            Event::PurposesRestored => settings.purposes_dismissed.clear(),
            Event::Tour(tour) => settings.tour = tour,
            Event::TourOf(dictionary, feature) => settings.tour_of = Some((dictionary, feature.0)),
            Event::WaysTaken(views) => settings.ways_taken.extend(views),
            Event::DemoOpened => settings.last = None,
            Event::Opened(folder, unsaved) => {
                settings.last = Some(folder.clone());
                settings.recent.retain(|recent| *recent != folder);
                settings.unsaved.remove(&folder);
                if unsaved {
                    settings.unsaved.insert(folder.clone());
                }
                settings.recent.insert(0, folder);
                settings.recent.truncate(RECENT);
            }
            Event::Forgotten(path) => {
                settings.recent.retain(|recent| *recent != path);
                settings.unsaved.remove(&path);
                settings.recent_models.retain(|recent| recent.path != path);
            }
            Event::Device(wish) => settings.device = wish,
            Event::Table(name, arrangement) => {
                settings.tables.insert(name, arrangement);
            }
            Event::Ranking(ranking) => settings.ranking = ranking,
            Event::DenseUnfolded(unfolded) => settings.dense_unfolded = unfolded,
            Event::ModelOpened(model) => {
                let models = &mut settings.recent_models;
                models.retain(|recent| recent.path != model.path);
                models.insert(0, model);
                models.truncate(RECENT);
            }
        }
    }
}
