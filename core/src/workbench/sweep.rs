//! Sweeps of features over prompts: prompts from lines of text, and the results kept with a project.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::pair::Pair;
use crate::corpus::Corpus;
use crate::error::{Error, Notes, Result};
use crate::ids::TokenId;
use crate::models::Model;
use crate::project::{MadeWith, Project};
use crate::prompt::Input;
use crate::section::Section;
use crate::steer::limit::Limit;
use crate::steer::sweep::{STUDY, Sweep};

/// Largest file of prompts, in bytes.
const MOST: u64 = 16 << 20;

/// Prompts with their tokens, BOS included where the model's or the dictionary's rule says so.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompts {
    /// Texts.
    pub texts: Vec<String>,
    /// Tokens of each.
    pub tokens: Vec<Vec<TokenId>>,
    /// Decisions on BOS.
    pub notes: Notes,
}

/// Sweep and limits that a project keeps, with their prompts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Prompts.
    pub prompts: Vec<String>,
    /// Dose and response.
    pub sweep: Option<Sweep>,
    /// Largest strengths that were searched for, the latest last.
    pub limits: Vec<Limit>,
}

impl Study {
    /// Returns the study as a section of a report: the sweep, then the strengths that were searched for.
    pub fn section(&self) -> Section {
        let limits = self.limits.iter().map(Limit::section);
        let mut sections = self.sweep.iter().map(Sweep::section).chain(limits);
        let Some(first) = sections.next() else {
            return Section::new("Sweep of features", "Nothing was measured");
        };
        sections.fold(first, Section::joined)
    }

    /// Adds what was found `before` on the same prompts: the sweep where there is no new one, and the limits of other features or directions. What was found on
    /// others is dropped.
    #[must_use]
    pub fn joined(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before.filter(|before| before.prompts == self.prompts) else {
            return self;
        };
        let is_new = |old: &Limit| {
            let same = |new: &Limit| {
                new.feature == old.feature && new.rule.downwards == old.rule.downwards
            };
            !self.limits.iter().any(same)
        };
        let kept: Vec<Limit> = before
            .limits
            .iter()
            .filter(|old| is_new(old))
            .cloned()
            .collect();
        self.limits.splice(0..0, kept);
        self.sweep = self.sweep.or_else(|| before.sweep.clone());
        self
    }
}

impl Prompts {
    /// Takes each line of `text` that is not empty as a prompt of `model`; an error where no line is left.
    pub fn from_lines(model: &Model, text: &str) -> Result<Self> {
        Self::from_inputs(model, text, |line| Input::Text(line.to_owned()))
    }

    /// Takes each line of `text` that is not empty as `input` makes a prompt of it: a text, or a chat that ends where the answer begins. Errors: no line is left,
    /// or the chat template is missing or refuses the messages.
    pub fn from_inputs(model: &Model, text: &str, input: impl Fn(&str) -> Input) -> Result<Self> {
        let mut prompts = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let spelled = input(line).whole(model.codec())?;
            if spelled.tokens.is_empty() {
                continue;
            }
            if prompts.notes.is_empty() {
                spelled
                    .notes
                    .into_iter()
                    .for_each(|note| prompts.notes.add(note));
            }
            prompts.texts.push(line.to_owned());
            prompts.tokens.push(spelled.tokens);
        }
        if prompts.texts.is_empty() {
            let what = "there is none, give at least one line of text";
            return Err(Error::setting("prompts", what));
        }
        Ok(prompts)
    }

    /// Returns the prompts as one text, as [`Self::from_lines`] reads it.
    pub fn lines(&self) -> String {
        self.texts.join("\n")
    }
}

/// Reads a file of prompts, one a line.
pub fn read(path: &Path) -> Result<String> {
    let failed = |cause| Error::io("cannot read the prompts", path, cause);
    let about = std::fs::metadata(path).map_err(failed)?;
    if about.is_dir() {
        return Err(Error::input("is no file of prompts, name a file", path));
    }
    if about.len() > MOST {
        let what = format!(
            "has {} bytes, a file of prompts has {MOST} at most: give fewer",
            about.len()
        );
        return Err(Error::input(what, path));
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// Keeps a study of the dictionary of `pair` with `project`.
pub fn keep(pair: &Pair, project: &Project, study: &Study) -> Result<()> {
    let lines = study.prompts.join("\n");
    let print = Corpus::from_text("prompts", &lines).fingerprint();
    let phrase = match study.prompts.len() {
        1 => "1 prompt".to_owned(),
        many => format!("{many} prompts"),
    };
    let settings = json!({
        "sweep": study.sweep.as_ref().map(|sweep| &sweep.settings),
        "rule": study.limits.last().map(|limit| limit.rule),
    });
    let texts = [(phrase.as_str(), print.as_str())];
    let made = MadeWith::new(&pair.model, &[&*pair.sae], &texts, &settings)?;
    project.keep_study(STUDY, &pair.sae.name, &made, study)
}
