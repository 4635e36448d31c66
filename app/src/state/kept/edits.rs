//! The form of Steering as it is written. Core's types stand in it by their written names; an edit of an action or a name that this version lacks is left out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use umbra_core::ids::FeatureId;
use umbra_core::models::Sampling;
use umbra_core::prompt::Input;
use umbra_core::steer::{ACTIONS, Attend, ErrorName, SAMPLES};
use umbra_core::text::chat::Message;

use crate::state::steering::{Draft, EditDraft, FileVector};

/// The form.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Edits {
    /// None: as at the first start.
    form: Option<Form>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Form {
    edits: Vec<Edit>,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    chat: Option<Vec<Message>>,
    sampling: Picks,
    #[serde(default)]
    stop: String,
    /// None: one.
    #[serde(default)]
    samples: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Edit {
    action: String,
    on: bool,
    #[serde(default)]
    dictionary: Option<String>,
    #[serde(default)]
    feature: Option<u32>,
    #[serde(default)]
    number: String,
    amount: Option<f32>,
    #[serde(default)]
    least: Option<f32>,
    #[serde(default)]
    most: Option<f32>,
    error: String,
    /// Path and key of a vector.
    #[serde(default)]
    file: Option<(PathBuf, String)>,
    #[serde(default)]
    written: Option<String>,
    #[serde(default)]
    from: String,
    attend: String,
    #[serde(default)]
    hook: Option<String>,
    #[serde(default)]
    positions: String,
    #[serde(default)]
    heads: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Picks {
    temperature: f64,
    top_p: Option<f64>,
    top_k: Option<usize>,
    repetition_penalty: f32,
    seed: u64,
    tokens: usize,
    #[serde(default)]
    stop: Vec<String>,
    #[serde(default)]
    ignore_eos: bool,
}

impl Edits {
    /// Takes the form.
    pub(crate) fn new(draft: &Draft) -> Self {
        if *draft == Draft::default() {
            return Self::default();
        }
        let Draft {
            edits,
            prompt,
            sampling,
            stop,
            samples,
        } = draft;
        let (text, chat) = match prompt {
            Some(Input::Text(text)) => (Some(text.clone()), None),
            Some(Input::Chat(messages)) => (None, Some(messages.to_vec())),
            Some(Input::Tokens { .. }) | None => (None, None),
        };
        Self {
            form: Some(Form {
                edits: edits.iter().map(Edit::new).collect(),
                prompt: text,
                chat,
                sampling: Picks::new(sampling),
                stop: stop.clone(),
                samples: Some(*samples),
            }),
        }
    }

    /// Whether the form is as at the first start.
    pub(crate) fn is_untouched(&self) -> bool {
        self.form.is_none()
    }

    /// Returns the form.
    pub(super) fn draft(self) -> Draft {
        let Some(form) = self.form else {
            return Draft::default();
        };
        let prompt = form.chat.map(|messages| Input::Chat(messages.into()));
        Draft {
            edits: form.edits.into_iter().filter_map(Edit::draft).collect(),
            prompt: prompt.or_else(|| form.prompt.map(Input::Text)),
            sampling: form.sampling.sampling(),
            stop: form.stop,
            samples: form.samples.unwrap_or(1).clamp(1, SAMPLES),
        }
    }
}

impl Edit {
    fn new(edit: &EditDraft) -> Self {
        // Every field by name: a new one must be thought of here.
        let EditDraft {
            action,
            on,
            dictionary,
            feature,
            number,
            amount,
            least,
            most,
            error,
            file,
            written,
            from,
            attend,
            hook,
            positions,
            heads,
        } = edit;
        let error = ErrorName::ALL.iter().find(|(one, ..)| one == error);
        let attend = Attend::ALL.iter().find(|(one, _)| one == attend);
        Self {
            action: (*action).to_owned(),
            on: *on,
            dictionary: dictionary.clone(),
            feature: feature.map(|feature| feature.0),
            number: number.clone(),
            amount: Some(*amount).filter(|amount| amount.is_finite()),
            least: least.filter(|bound| bound.is_finite()),
            most: most.filter(|bound| bound.is_finite()),
            error: error.map_or("", |(_, name, _)| name).to_owned(),
            file: file
                .as_ref()
                .map(|file| (file.path.clone(), file.key.clone())),
            written: written.clone(),
            from: from.clone(),
            attend: attend.map_or("", |(_, name)| name).to_owned(),
            hook: hook.map(|hook| hook.to_string()),
            positions: positions.clone(),
            heads: heads.clone(),
        }
    }

    fn draft(self) -> Option<EditDraft> {
        let action = ACTIONS.iter().find(|action| action.name == self.action)?;
        let error = ErrorName::ALL
            .iter()
            .find(|(_, name, _)| *name == self.error)?;
        let attend = Attend::ALL.iter().find(|(_, name)| *name == self.attend)?;
        let hook = self.hook.map(|hook| hook.parse()).transpose().ok()?;
        Some(EditDraft {
            action: action.name,
            on: self.on,
            dictionary: self.dictionary,
            feature: self.feature.map(FeatureId),
            number: self.number,
            amount: self.amount.unwrap_or_default(),
            least: self.least,
            most: self.most,
            error: error.0,
            file: self.file.map(|(path, key)| FileVector { path, key }),
            written: self.written,
            from: self.from,
            attend: attend.0,
            hook,
            positions: self.positions,
            heads: self.heads,
        })
    }
}

impl Picks {
    fn new(sampling: &Sampling) -> Self {
        Self {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k,
            repetition_penalty: sampling.repetition_penalty,
            seed: sampling.seed,
            tokens: sampling.tokens,
            stop: sampling.stop.clone(),
            ignore_eos: sampling.ignore_eos,
        }
    }

    fn sampling(self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            tokens: self.tokens,
            stop: self.stop,
            ignore_eos: self.ignore_eos,
        }
    }
}

#[cfg(test)]
mod tests {
    use umbra_core::ids::{Head, HookPoint, Layer, Site};

    use super::*;

    #[test]
    fn every_field_of_an_edit_comes_back_and_an_unknown_one_is_left_out() {
        let mut edits: Vec<EditDraft> = ACTIONS.iter().map(|a| EditDraft::new(a.name)).collect();
        edits.push(EditDraft::of_head(Layer(1), Head(2)));
        edits.push(EditDraft {
            action: "clamp",
            on: false,
            dictionary: Some("attn-1".to_owned()),
            feature: Some(FeatureId(12)),
            number: "12x".to_owned(),
            amount: -0.5,
            least: Some(-1.0),
            most: None,
            error: ErrorName::Nonlinear,
            file: Some(FileVector {
                path: "v.safetensors".into(),
                key: "v".to_owned(),
            }),
            written: Some("zero".to_owned()),
            from: "One day".to_owned(),
            attend: Attend::Itself,
            hook: Some(HookPoint::block(2, Site::ResidPost)),
            positions: "1..".to_owned(),
            heads: "0,3".to_owned(),
        });
        let draft = Draft {
            edits,
            prompt: Some("Once".into()),
            sampling: Sampling {
                temperature: 0.25,
                seed: u64::MAX,
                ignore_eos: true,
                ..Sampling::default()
            },
            stop: "\\n".to_owned(),
            samples: 4,
        };
        let text = serde_json::to_string(&Edits::new(&draft)).unwrap();
        let read: Edits = serde_json::from_str(&text).unwrap();
        assert_eq!(read.draft(), draft);
        let later = text.replacen("\"splice\"", "\"splice-twice\"", 1);
        let read: Edits = serde_json::from_str(&later).unwrap();
        assert_eq!(read.draft().edits.len(), draft.edits.len() - 1);
        assert_eq!(Edits::default().draft(), Draft::default());
    }
}
