//! Searches the registry: by words, and for names similar to one that does not exist.

use super::{Entry, FEW, Registry, Release};

/// Matches of a search: releases, or dictionaries where the words match one release or none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matches<'a> {
    /// Releases whose name, model or repository has all words.
    pub releases: Vec<&'a Release>,
    /// Dictionaries whose `RELEASE:ID` has all words.
    pub dictionaries: Vec<(&'a Release, &'a Entry)>,
}

impl Registry {
    /// Searches for the words of `text`, ignoring case; no words match all releases. The whole name of a release, alone or followed by a colon and more words,
    /// means its dictionaries.
    pub fn matches(&self, text: &str) -> Matches<'_> {
        let text = text.trim();
        let (of, rest) = text.split_once(':').unwrap_or((text, ""));
        if let Some(release) = self.release(of) {
            let words = words(rest);
            let entries = release.entries.iter();
            return Matches {
                releases: Vec::new(),
                dictionaries: entries
                    .filter(|entry| has(&entry.id, &words))
                    .map(|entry| (release, entry))
                    .collect(),
            };
        }
        let words = words(text);
        let releases: Vec<&Release> = (self.releases.iter())
            .filter(|r| has(&format!("{} {} {}", r.name, r.model, r.repo), &words))
            .collect();
        if !releases.is_empty() {
            return Matches {
                releases,
                dictionaries: Vec::new(),
            };
        }
        let all = self.releases.iter();
        let all = all.flat_map(|release| release.entries.iter().map(move |entry| (release, entry)));
        Matches {
            releases,
            dictionaries: all
                .filter(|(release, entry)| has(&format!("{}:{}", release.name, entry.id), &words))
                .collect(),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn has(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

/// Returns the few of `names` that share most pairs of letters with `wanted`, the closest first.
pub(crate) fn closest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let pairs = |text: &str| -> Vec<[char; 2]> {
        let letters: Vec<char> = text.to_lowercase().chars().collect();
        letters.windows(2).map(|two| [two[0], two[1]]).collect()
    };
    let wanted = pairs(wanted);
    let likeness = |name: &str| {
        let mut rest = pairs(name);
        let all = wanted.len() + rest.len();
        let mut shared = 0;
        for pair in &wanted {
            if let Some(at) = rest.iter().position(|other| other == pair) {
                rest.swap_remove(at);
                shared += 1;
            }
        }
        2.0 * f64::from(shared) / all.max(1) as f64
    };
    let mut ranked: Vec<(f64, &str)> = names.map(|name| (likeness(name), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.iter().take(FEW).map(|(_, name)| *name).collect()
}
