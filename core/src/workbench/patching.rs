//! Two texts of a person, for patching between them and for the smallest set of edits, and the results kept with a project.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Notes, Result};
use crate::ids::TokenId;
use crate::models::Model;
use crate::project::{MadeWith, Project};
use crate::prompt::Input;
use crate::sae::Sae;

/// Tokens of two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// Tokens of the text whose activations are taken.
    pub clean: Vec<TokenId>,
    /// Tokens of the text that reads them.
    pub corrupt: Vec<TokenId>,
}

impl Texts {
    /// Tokenizes both texts or chats. The notes say where a text begins with BOS, and what was assumed of a chat.
    pub fn read(model: &Model, clean: &Input, corrupt: &Input) -> Result<(Self, Notes)> {
        let (clean, mut notes) = tokens(model, clean)?;
        let (corrupt, others) = tokens(model, corrupt)?;
        notes.extend(others);
        Ok((Self { clean, corrupt }, notes))
    }
}

/// Tokenizes a text, with BOS before it by the model's rule, or a chat. The notes say whether a text begins with BOS, and what was assumed of a chat.
pub fn tokens(model: &Model, input: &Input) -> Result<(Vec<TokenId>, Notes)> {
    let spelled = input.whole(model.codec())?;
    let mut notes = Notes::default();
    spelled.notes.into_iter().for_each(|note| notes.add(note));
    Ok((spelled.tokens, notes))
}

/// A result with the texts as a person wrote them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked<T> {
    /// Text whose activations are taken; none where a single text is edited.
    pub clean: Option<String>,
    /// Text that is measured and edited.
    pub corrupt: String,
    /// The result.
    pub result: T,
}

/// Kind of a kept result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Study {
    /// Places: [`crate::causes::patch::Patching`].
    Places,
    /// Paths: [`crate::causes::paths::Paths`].
    Paths,
    /// Edits: [`crate::causes::smallest::Smallest`].
    Least,
    /// Features and parts: [`crate::causes::Causes`].
    Causes,
}

impl Study {
    /// Name by which a project keeps it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Places => "patching",
            Self::Paths => "paths",
            Self::Least => "least-edit",
            Self::Causes => "causes",
        }
    }
}

/// Stores a result of `model`, and of `saes` where features are edited, with `project`; an older one is overwritten.
pub fn keep<T: Serialize>(
    project: &Project,
    study: Study,
    (model, saes): (&Model, &[&Sae]),
    asked: &Asked<T>,
) -> Result<()> {
    let texts: Vec<(&str, &str)> = (asked.clean.iter().map(String::as_str))
        .chain([asked.corrupt.as_str()])
        .map(|text| (text, ""))
        .collect();
    let made = MadeWith::new(model, saes, &texts, &())?;
    project.keep_study(study.key(), model.name(), &made, asked)
}

/// Returns the result that `project` keeps of `model`, if there is one; an error if it was made with another model of that name.
pub fn kept<T: DeserializeOwned>(
    project: &Project,
    study: Study,
    model: &Model,
) -> Result<Option<Asked<T>>> {
    let kept = project.kept_study::<Asked<T>>(study.key(), model.name())?;
    let checked = kept.map(|kept| kept.checked(model, &[]));
    Ok(checked.transpose()?.map(|kept| kept.result))
}
