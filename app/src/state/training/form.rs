//! The training form: one dictionary, those trained beside it, and the source that all of them read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use umbra_core::ids::{HookPoint, Site};
use umbra_core::sae::ErrorPart;

/// Default minutes between two checkpoints.
pub(crate) const CHECKPOINT_MINUTES: &str = "10";

/// Settings that a dictionary takes from the one it continues from.
const ITS_OWN: [&str; 3] = ["variant", "features", "k"];

/// The filled-in form. Settings hold only values that differ from the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    /// Block.
    pub(crate) layer: usize,
    /// Place in the block.
    pub(crate) site: Site,
    /// Name of the dictionary; none: made from the hook.
    pub(crate) name: Option<String>,
    /// Text; none: the project's training text.
    pub(crate) text: Option<PathBuf>,
    /// Activation store to read in place of a model's activations on a text.
    pub(crate) store: Option<PathBuf>,
    /// Dictionary to continue from, instead of random directions.
    pub(crate) from: Option<PathBuf>,
    /// Dictionary whose error is read in place of the activation.
    pub(crate) parent: Option<Parent>,
    /// Minutes between two checkpoints, as written.
    pub(crate) checkpoint: String,
    /// Settings by key, as written.
    pub(crate) settings: BTreeMap<String, String>,
    /// Dictionaries trained beside it.
    pub(crate) also: Vec<Draft>,
}

/// Part of the error of one of the project's dictionaries, to train on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Part of the error.
    pub(crate) part: ErrorPart,
    /// Folder of the dictionary.
    pub(crate) folder: PathBuf,
}

/// The settings of one dictionary; a further dictionary takes its missing settings from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    /// Block.
    pub(crate) layer: usize,
    /// Place in the block.
    pub(crate) site: Site,
    /// Its name; none: made from the hook.
    pub(crate) name: Option<String>,
    /// Settings by key, as written.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            layer: 0,
            site: Site::Z,
            name: None,
            text: None,
            store: None,
            from: None,
            parent: None,
            checkpoint: CHECKPOINT_MINUTES.to_owned(),
            settings: BTreeMap::new(),
            also: vec![],
        }
    }
}

impl Form {
    /// The hook to read.
    pub(crate) fn hook(&self) -> HookPoint {
        HookPoint::block(self.layer, self.site)
    }

    /// The first of its dictionaries.
    pub(crate) fn first(&self) -> Draft {
        Draft {
            layer: self.layer,
            site: self.site,
            name: self.name.clone(),
            settings: self.settings.clone(),
        }
    }

    /// Returns this form with another first dictionary.
    #[must_use]
    pub(crate) fn with_first(&self, first: Draft) -> Self {
        let Draft {
            layer,
            site,
            name,
            settings,
        } = first;
        Self {
            layer,
            site,
            name,
            settings,
            ..self.clone()
        }
    }

    /// Returns this form set to continue from the dictionary in `folder`, which reads `hook`, if known; settings that the dictionary fixes are dropped.
    #[must_use]
    pub(crate) fn going_on_from(&self, folder: PathBuf, hook: Option<HookPoint>) -> Self {
        let mut form = self.clone();
        form.settings
            .retain(|key, _| !ITS_OWN.contains(&key.as_str()));
        form.from = Some(folder);
        form.on(hook);
        form
    }

    /// Returns this form set to train on `part` of the error of the dictionary in `folder`, which reads `hook`, if known.
    #[must_use]
    pub(crate) fn on_error(
        &self,
        part: ErrorPart,
        folder: PathBuf,
        hook: Option<HookPoint>,
    ) -> Self {
        let mut form = self.clone();
        form.parent = Some(Parent { part, folder });
        form.on(hook);
        form
    }

    /// Sets layer and site from `hook`, where it belongs to a block.
    pub(crate) fn on(&mut self, hook: Option<HookPoint>) {
        if let Some(HookPoint::Block(layer, site)) = hook {
            (self.layer, self.site) = (layer.index(), site);
        }
    }

    /// One more dictionary: on the next of `layers` that none reads at this place yet; where all are read, twice as wide as the widest (`features`).
    pub(crate) fn another(&self, layers: &[usize], features: usize) -> Draft {
        let read = |layer: usize| {
            let others = self.also.iter().map(Draft::hook);
            let mut hooks = others.chain([self.hook()]);
            hooks.any(|hook| hook == HookPoint::block(layer, self.site))
        };
        let mut draft = Draft {
            layer: self.layer,
            site: self.site,
            name: None,
            settings: BTreeMap::new(),
        };
        let (before, behind): (Vec<usize>, Vec<usize>) =
            layers.iter().partition(|layer| **layer < self.layer);
        let next = behind.into_iter().chain(before).find(|layer| !read(*layer));
        // All dictionaries of an error read the hook of their parent.
        let next = next.filter(|_| self.parent.is_none());
        if let Some(layer) = next {
            draft.layer = layer;
        } else {
            let twice = (2 * features).to_string();
            draft.settings.insert("features".to_owned(), twice);
        }
        draft
    }
}

impl Draft {
    /// The hook to read.
    pub(crate) fn hook(&self) -> HookPoint {
        HookPoint::block(self.layer, self.site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_dictionary_reads_the_next_layer_and_then_grows_wider() {
        let mut form = Form {
            layer: 1,
            ..Form::default()
        };
        for layer in [2, 0] {
            let draft = form.another(&[0, 1, 2], 1_024);
            assert_eq!((draft.layer, draft.settings.len()), (layer, 0));
            form.also.push(draft);
        }
        let wider = form.another(&[0, 1, 2], 1_024);
        assert_eq!(
            (wider.layer, wider.settings["features"].as_str()),
            (1, "2048")
        );
    }

    #[test]
    fn further_dictionaries_of_an_error_read_the_same_hook_and_are_wider() {
        let hook = HookPoint::block(2, Site::ResidPost);
        let form = Form::default().on_error(ErrorPart::Linear, "saes/r".into(), Some(hook));
        assert_eq!(form.hook(), hook);
        let wider = form.another(&[0, 1, 2], 512);
        assert_eq!(
            (wider.hook(), wider.settings["features"].as_str()),
            (hook, "1024")
        );
    }

    #[test]
    fn one_that_goes_on_keeps_what_is_the_others_own_out_of_the_form() {
        let mut form = Form::default();
        for key in ["k", "features", "seed"] {
            form.settings.insert(key.to_owned(), "7".to_owned());
        }
        let hook = HookPoint::block(2, Site::ResidPost);
        let form = form.going_on_from("saes/r".into(), Some(hook));
        assert_eq!(form.hook(), hook);
        assert_eq!(form.settings.keys().collect::<Vec<_>>(), ["seed"]);
    }
}
