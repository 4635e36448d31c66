//! Panel “Where does it matter?”: the second text, what is patched, and the results.

use umbra_core::causes::patch::{PatchSite, Patching};
use umbra_core::causes::paths::{Mlps, Paths, Receiver};
use umbra_core::workbench::patching::Asked;

use crate::state::dark_matter::study::{Change, Study};

/// Name of the job that patches places.
pub(crate) const PLACES_JOB: &str = "Patch places between two texts";
/// Name of the job that patches paths.
pub(crate) const PATHS_JOB: &str = "Patch paths between two texts";

/// Way of looking at the difference of two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum View {
    /// By place: layer by position, or layer by head.
    #[default]
    Places,
    /// By path from head to head.
    Paths,
}

impl View {
    /// All, in order, with their names.
    pub(crate) const ALL: [(Self, &'static str); 2] =
        [(Self::Places, "By place"), (Self::Paths, "By path")];
}

/// Choices of a person.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Form {
    /// The second text; none while nobody wrote one.
    pub(crate) second: Option<String>,
    /// View of the panel.
    pub(crate) view: View,
    /// Kind of place.
    pub(crate) site: PatchSite,
    /// End of the paths.
    pub(crate) receiver: Receiver,
    /// Treatment of the MLPs between.
    pub(crate) mlps: Mlps,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            second: None,
            view: View::default(),
            site: PatchSite::default(),
            receiver: Receiver::Logits,
            mlps: Mlps::default(),
        }
    }
}

/// Facts of the panel. Results belong to the model of a fingerprint.
#[derive(Debug, Default)]
pub(crate) struct PatchingState {
    /// Choices.
    pub(crate) form: Form,
    /// The chosen place of the map: layer, and position or head.
    pub(crate) place: Option<(usize, usize)>,
    /// The chosen sender of the map of paths: layer and head.
    pub(crate) sender: Option<(usize, usize)>,
    /// Patching by place.
    pub(crate) places: Study<Asked<Patching>, String>,
    /// Patching by path.
    pub(crate) paths: Study<Asked<Paths>, String>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// Choices changed.
    Form(Box<Form>),
    /// A place was chosen.
    Place(usize, usize),
    /// A sender was chosen.
    Sender(usize, usize),
    /// Change of the patching by place.
    Places(Change<Asked<Patching>, String>),
    /// Change of the patching by path.
    Paths(Change<Asked<Paths>, String>),
}

impl PatchingState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Form(form) => self.form = *form,
            Event::Place(layer, at) => self.place = Some((layer, at)),
            Event::Sender(layer, head) => self.sender = Some((layer, head)),
            Event::Places(change) => {
                if ends(&change) {
                    self.place = None;
                }
                self.places.apply(change);
            }
            Event::Paths(change) => {
                if ends(&change) {
                    self.sender = None;
                }
                self.paths.apply(change);
            }
        }
    }
}

/// Whether another result comes with a change.
fn ends<T>(change: &Change<T, String>) -> bool {
    matches!(change, Change::Kept(..) | Change::Ended(_, Some(_)))
}
