//! What waits until the dictionary that it is about is loaded: the feature of a link.

use umbra_core::workbench::link::Link;

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct ResumeState {
    /// A link that was checked; its feature is shown as soon as its dictionary is loaded.
    pub(crate) link: Option<Link>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A link is followed, or no longer.
    Link(Option<Link>),
}

impl ResumeState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Link(link) => self.link = link,
        }
    }
}
