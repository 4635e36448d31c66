//! The only writer of the state: passes each event to its area. Events that touch neighbouring areas have a file in `apply/`.

mod catalogue;
mod project;
mod prompt;
mod resume;

use super::{AppState, Event};

impl AppState {
    /// Carries out one event. The only writer of the state.
    pub(crate) fn apply(&mut self, event: Event) {
        match event {
            Event::Project(event) => project::apply(self, event),
            Event::Catalogue(event) => catalogue::apply(self, event),
            Event::Opening(event) => self.opening.apply(event),
            Event::Passes(event) => self.passes.apply(event),
            Event::Path(event) => self.path.apply(event, self.places.home.as_deref()),
            Event::Selection(event) => {
                resume::gives_way(&mut self.resume, &event);
                if matches!(event, super::selection::Event::Token(_)) {
                    self.prompt.caret = None; // a person chose another
                }
                self.selection.apply(event);
            }
            Event::Resume(event) => self.resume.apply(event),
            Event::Features(event) => self.features.apply(event),
            Event::Families(event) => self.families.apply(event),
            Event::Labels(event) => self.labels.apply(event),
            Event::Prompt(event) => prompt::apply(self, event),
            Event::Texts(event) => self.texts.apply(event),
            Event::Search(event) => self.search.apply(event),
            Event::Lens(event) => self.lens.apply(event),
            Event::Attention(event) => self.attention.apply(event),
            Event::Evaluation(event) => self.evaluation.apply(event),
            Event::Training(event) => self.training.apply(event),
            Event::Compare(event) => self.compare.apply(event),
            Event::DarkMatter(event) => self.dark_matter.apply(event),
            Event::Heads(event) => self.heads.apply(event),
            Event::Steering(event) => {
                if matches!(event, super::steering::Event::Draft(_)) {
                    self.resume.draft = None;
                }
                self.steering.apply(event);
            }
            Event::Devices(event) => {
                if let Some(line) = self.devices.apply(event) {
                    self.log.line(&line);
                }
            }
            Event::Jobs(event) => {
                if let Some(line) = self.jobs.apply(event) {
                    self.log.line(&line);
                }
            }
            Event::Log(event) => self.log.apply(event),
            Event::History(event) => self.history.apply(event),
            Event::Settings(event) => self.settings.apply(event),
        }
        self.survey_again();
    }
}
