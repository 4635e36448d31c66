//! Which feature at which token the panel explains: a person's choice, else one that fires on the sentence.

use umbra_core::heads::{Firing, firing};
use umbra_core::ids::{FeatureId, Head, Layer};
use umbra_core::prompt::Input;

use crate::state::catalogue::DictionaryId;
use crate::state::heads::attribution::{Key, Read};
use crate::state::{AppState, Load};
use crate::views::heads::map;

/// Subject of the panel, or what is missing for one.
pub(crate) enum Subject<'a> {
    /// An attribution.
    Asked(Asked<'a>),
    /// The sentence has to be read with a dictionary first.
    Read(DictionaryId, Input),
    /// A sentence that says what is missing, with the text where a token may be chosen.
    Missing(String, Option<&'a [String]>),
    /// Prompt has no sentence.
    NoSentence,
}

/// An attribution to show.
pub(crate) struct Asked<'a> {
    /// Attributed feature, or the reason for none.
    pub(crate) key: Key,
    /// Why it is this one, where no person asked for it.
    pub(crate) why: Option<String>,
    /// Selected feature that is silent on the sentence, which is why another is shown.
    pub(crate) silent: Option<FeatureId>,
    /// The sentence as the dictionary reads it.
    pub(crate) read: &'a Read,
    /// Features of the head, where they are measured.
    pub(crate) of_head: Vec<FeatureId>,
}

/// Dictionary of the panel: the one in use with its selected feature, unless a person chose a head of another layer than it reads; else that of `head`.
fn dictionary(
    state: &AppState,
    head: Option<(Layer, Head)>,
) -> Option<(DictionaryId, Option<FeatureId>)> {
    let used = state.dictionary().filter(|_| state.sae().is_some());
    let layer = state.selection.head.map(|(layer, _)| layer);
    let used = used.filter(|used| {
        let hook = used.hook().filter(|hook| hook.is_z());
        hook.is_some_and(|hook| layer.is_none() || hook.layer() == layer)
    });
    if let Some(used) = used {
        return Some((used.id, state.selection.feature));
    }
    let (layer, _) = head?;
    Some((state.z_dictionary(layer)?.id, None))
}

impl<'a> Subject<'a> {
    pub(crate) fn new(state: &'a AppState, head: Option<(Layer, Head)>) -> Self {
        let Some((dictionary, selected)) = dictionary(state, head) else {
            let words = "Attribution needs a dictionary on attn.hook_z: choose one, or train one";
            return Self::Missing(words.to_owned(), None);
        };
        let Some(input) = state.prompt.input() else {
            return Self::NoSentence;
        };
        let panel = &state.heads.attribution;
        let of = (dictionary, input);
        if panel.reading_of.as_ref() != Some(&of) {
            return Self::Read(of.0, of.1);
        }
        let read = match &panel.reading {
            Load::Ready(read) => read.as_ref(),
            Load::Failed(why) => {
                let words = format!("The sentence could not be read: {why}");
                return Self::Missing(words, None);
            }
            Load::Loading | Load::Absent => return Self::Read(of.0, of.1),
        };
        let of_head = head
            .and_then(|head| map::features_of(state, head))
            .filter(|(id, _)| *id == dictionary)
            .map_or_else(Vec::new, |(_, features)| features);
        let chosen = panel.chosen.as_ref().filter(|chosen| {
            let feature = selected == Some(chosen.feature);
            let token = state.selection.token == Some(chosen.at);
            (chosen.dictionary, &chosen.input) == (of.0, &of.1) && feature && token
        });
        if let Some(chosen) = chosen.filter(|chosen| chosen.at < read.reading.tokens.len()) {
            return Self::Asked(Asked {
                key: chosen.clone(),
                why: None,
                silent: None,
                read,
                of_head,
            });
        }
        Self::firing(state, of, (selected, read, of_head))
    }

    /// The selected feature where it is strongest, at the selected token if it fires there; else the strongest of the head's, else of all.
    fn firing(
        state: &AppState,
        (dictionary, input): (DictionaryId, Input),
        (selected, read, of_head): (Option<FeatureId>, &'a Read, Vec<FeatureId>),
    ) -> Self {
        let catalogue = state.catalogue.get(dictionary);
        let name = catalogue.map_or("", |d| d.name.as_str());
        let reading = (&read.reading.latents, read.reading.counts.as_slice());
        let token = state.selection.token;
        let counts = |at: &usize| reading.1.get(*at).copied().unwrap_or(true);
        let first = |features: &[FeatureId]| -> Option<Firing> {
            let at = token.filter(counts);
            let here = at.and_then(|at| firing(reading, Some(features), Some(at)).first().copied());
            let of_them = |firing: &&Firing| features.contains(&firing.feature);
            here.or_else(|| read.firing.iter().find(of_them).copied())
        };
        let own = selected.and_then(|feature| first(&[feature]));
        let silent = selected.filter(|_| own.is_none());
        let of_them = first(&of_head);
        let all = read.firing.first().copied();
        let Some(found) = own.or(of_them).or(all) else {
            let words = format!("No feature of {name} fires on this sentence");
            return Self::Missing(words, Some(&read.reading.texts));
        };
        let feature = found.feature;
        let why = if own.is_some() {
            format!("#{feature} of {name} where it is strongest on the sentence")
        } else if of_them.is_some() {
            format!("#{feature} of {name}, the strongest of the head's features on the sentence")
        } else {
            format!("#{feature} of {name}, the strongest feature on the sentence")
        };
        let left_out = token.is_some_and(|at| !counts(&at));
        let why = if left_out {
            format!("{why} (the first position and special tokens are excluded)")
        } else {
            why
        };
        Self::Asked(Asked {
            key: Key {
                dictionary,
                feature,
                input,
                at: found.at,
            },
            why: Some(why),
            silent,
            read,
            of_head,
        })
    }
}
