//! The form of Steering as it is filled in: one edit and what it means, all edits, the text, how tokens are picked, and what a change is called.

use std::path::PathBuf;

use umbra_core::error::Error;
use umbra_core::ids::{FeatureId, Head, HookPoint, Layer, Site};
use umbra_core::models::Sampling;
use umbra_core::prompt::Input;
use umbra_core::steer::{
    ACTIONS, ActionHelp, Attend, EditSpec, ErrorName, LatentChange, Positions, Switched, Vector,
    What,
};

/// One edit of the stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EditDraft {
    /// Name of its action.
    pub(crate) action: &'static str,
    /// Whether it is in force.
    pub(crate) on: bool,
    /// Name of the dictionary that it edits by; none: the one in use.
    pub(crate) dictionary: Option<String>,
    /// Feature of the direction or activation; by default the selected feature.
    pub(crate) feature: Option<FeatureId>,
    /// The number of another feature, being written.
    pub(crate) number: String,
    /// Strength, factor or value.
    pub(crate) amount: f32,
    /// Lower bound of a clamp.
    pub(crate) least: Option<f32>,
    /// Upper bound of a clamp.
    pub(crate) most: Option<f32>,
    /// Treatment of the dictionary's error.
    pub(crate) error: ErrorName,
    /// A vector of a file, in place of a feature.
    pub(crate) file: Option<FileVector>,
    /// The edit in its written form, where the form has no fields for it.
    pub(crate) written: Option<String>,
    /// The other text of a patch.
    pub(crate) from: String,
    /// Attention of the queries of the chosen heads.
    pub(crate) attend: Attend,
    /// The hook; by default the dictionary's.
    pub(crate) hook: Option<HookPoint>,
    /// Empty: as the action has it.
    pub(crate) positions: String,
    /// Empty: all.
    pub(crate) heads: String,
}

/// A vector in a safetensors file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileVector {
    /// Path of the file.
    pub(crate) path: PathBuf,
    /// Name of the tensor.
    pub(crate) key: String,
}

/// A field of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// A feature.
    Feature,
    /// Multiple of its row.
    Strength,
    /// A factor.
    Factor,
    /// A value of its activation.
    Value,
    /// Bounds of a clamp.
    Bounds,
    /// Upper bound of a cap.
    Most,
    /// Treatment of the dictionary's error.
    Error,
    /// Part that replaces the value.
    Part,
    /// Another text.
    From,
    /// Attention.
    Attend,
}

impl Default for EditDraft {
    fn default() -> Self {
        Self {
            action: "add",
            on: true,
            dictionary: None,
            feature: None,
            number: String::new(),
            amount: 8.0,
            least: None,
            most: Some(0.0),
            error: ErrorName::Kept,
            file: None,
            written: None,
            from: String::new(),
            attend: Attend::Uniform,
            hook: None,
            positions: String::new(),
            heads: String::new(),
        }
    }
}

/// `set-feature` as `Set feature`.
pub(crate) fn label(action: &str) -> String {
    let words = action.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Returns the help of `action`.
pub(crate) fn help(action: &str) -> &'static ActionHelp {
    let known = ACTIONS.iter().find(|known| known.name == action);
    known.expect("the menu is made from the table")
}

impl EditDraft {
    /// A fresh one of `action`.
    pub(crate) fn new(action: &'static str) -> Self {
        let mut draft = Self {
            action,
            ..Self::default()
        };
        draft.begin(action);
        draft
    }

    /// An edit that turns up a feature of the dictionary of this name.
    pub(crate) fn of_feature(dictionary: &str, feature: FeatureId) -> Self {
        Self {
            dictionary: Some(dictionary.to_owned()),
            feature: Some(feature),
            ..Self::default()
        }
    }

    /// An edit that needs no dictionary: silences a head.
    pub(crate) fn of_head(layer: Layer, head: Head) -> Self {
        Self {
            hook: Some(HookPoint::Block(layer, Site::Z)),
            heads: head.to_string(),
            ..Self::new("zero")
        }
    }

    /// Takes another action, with amounts that make sense for it.
    pub(crate) fn begin(&mut self, action: &'static str) {
        self.action = action;
        self.written = None;
        self.amount = match action {
            "add" => 8.0,
            "replace" => 1.0,
            "orthogonal" => 2.0,
            "set-feature" | "add-feature" => 5.0,
            _ => 0.0,
        };
        self.error = if action == "splice" {
            ErrorName::Dropped
        } else {
            ErrorName::Kept
        };
        let pattern = |hook: &HookPoint| hook.site() == Some(Site::Pattern);
        if action == "attend" && !self.hook.is_some_and(|hook| pattern(&hook)) {
            self.hook = Some(HookPoint::block(0, Site::Pattern));
        } else if action != "attend" && self.hook.is_some_and(|hook| pattern(&hook)) {
            self.hook = None;
        }
    }

    /// Returns the fields of its action.
    pub(crate) fn fields(&self) -> &'static [Field] {
        if self.written.is_some() {
            return &[];
        }
        match self.action {
            "add" | "replace" => &[Field::Feature, Field::Strength],
            "scale" => &[Field::Factor],
            "project-out" => &[Field::Feature],
            "orthogonal" => &[Field::Feature, Field::Factor],
            "cap" => &[Field::Feature, Field::Most],
            "clamp" => &[Field::Feature, Field::Bounds],
            "set-feature" | "add-feature" => &[Field::Feature, Field::Value, Field::Error],
            "scale-feature" => &[Field::Feature, Field::Factor, Field::Error],
            "splice" => &[Field::Part],
            "patch" => &[Field::From],
            "attend" => &[Field::Attend],
            _ => &[],
        }
    }

    /// Whether a person gives it a number.
    pub(crate) fn has_amount(&self) -> bool {
        let amount = |field: &Field| {
            matches!(
                field,
                Field::Strength | Field::Factor | Field::Value | Field::Bounds | Field::Most
            )
        };
        self.fields().iter().any(amount)
    }

    /// Whether its hook has heads to choose among; `own` is the dictionary's hook.
    pub(crate) fn has_heads(&self, own: Option<HookPoint>) -> bool {
        let dictionary = self.fields().contains(&Field::Error) || self.action == "splice";
        let site = self.hook.or(own).and_then(HookPoint::site);
        !dictionary
            && matches!(
                site,
                Some(
                    Site::Q
                        | Site::K
                        | Site::V
                        | Site::RotQ
                        | Site::RotK
                        | Site::Z
                        | Site::Result
                        | Site::Pattern
                        | Site::AttnScores
                )
            )
    }

    /// The edit it means; an error is one sentence. `selected` stands in for a feature that is not fixed.
    pub(crate) fn spec(&self, selected: Option<FeatureId>) -> Result<EditSpec, String> {
        if let Some(written) = &self.written {
            return written.parse().map_err(|e: Error| e.to_string());
        }
        let feature = || {
            let missing = || "Choose a feature in the edit above".to_owned();
            self.feature.or(selected).ok_or_else(missing)
        };
        let row = || match &self.file {
            Some(FileVector { path, key }) => Ok(Vector::File {
                path: path.clone(),
                key: key.clone(),
            }),
            None => feature().map(Vector::Feature),
        };
        let latents = |change: fn(FeatureId, f32) -> LatentChange| {
            let changes = vec![change(feature()?, self.amount)];
            Ok::<_, String>(What::Latents(changes, self.error))
        };
        let what = match self.action {
            "add" => What::Add(row()?, self.amount),
            "replace" => What::Replace(row()?, self.amount),
            "scale" => What::Scale(self.amount),
            "mean" => What::Mean(None),
            "project-out" => What::ProjectOut(row()?),
            "orthogonal" => What::Orthogonal(row()?, self.amount),
            "cap" => What::Clamp(row()?, f32::NEG_INFINITY, self.amount),
            "clamp" => What::Clamp(
                row()?,
                self.least.unwrap_or(f32::NEG_INFINITY),
                self.most.unwrap_or(f32::INFINITY),
            ),
            "set-feature" => latents(LatentChange::Set)?,
            "add-feature" => latents(LatentChange::Add)?,
            "scale-feature" => latents(LatentChange::Scale)?,
            "splice" => What::Latents(Vec::new(), self.error),
            "patch" if self.from.trim().is_empty() => {
                return Err("Type the text to patch from".to_owned());
            }
            "patch" => What::PatchText(self.from.clone()),
            "attend" => What::Attend(self.attend),
            _ => What::Zero,
        };
        let mut spec = EditSpec::new(what);
        spec.hook = self.hook;
        (spec.positions, spec.heads) = self.reach()?;
        Ok(spec)
    }

    /// An edit that adds a vector of a file, at the hook in whose name it stands.
    pub(crate) fn of_file(path: PathBuf, key: String) -> Self {
        Self {
            amount: 1.0,
            hook: key.parse().ok(),
            file: Some(FileVector { path, key }),
            ..Self::default()
        }
    }

    /// Returns the form of an edit; one that the form has no fields for stays as it is written.
    pub(crate) fn from_spec(spec: &EditSpec, on: bool) -> Self {
        let written = spec.to_string();
        let name = written.split_whitespace().next();
        let action = ACTIONS.iter().find(|action| Some(action.name) == name);
        let action = action.map_or("add", |action| action.name);
        let mut draft = Self {
            action,
            on,
            dictionary: spec.sae.clone(),
            hook: spec.hook,
            ..Self::default()
        };
        draft.begin_as(spec);
        let list = |all: &[Head]| {
            let all: Vec<String> = all.iter().map(Head::to_string).collect();
            all.join(",")
        };
        draft.positions = spec
            .positions
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        draft.heads = spec.heads.as_deref().map_or_else(String::new, list);
        let mut unnamed = spec.clone();
        unnamed.sae = None;
        if draft.spec(None).as_ref() != Ok(&unnamed) {
            draft.written = Some(unnamed.to_string());
        }
        draft
    }

    /// Takes the numbers of an edit.
    fn begin_as(&mut self, spec: &EditSpec) {
        let of = |draft: &mut Self, vector: &Vector| match vector {
            Vector::Feature(feature) => draft.feature = Some(*feature),
            Vector::File { path, key } => {
                draft.file = Some(FileVector {
                    path: path.clone(),
                    key: key.clone(),
                });
            }
        };
        match &spec.what {
            What::Add(vector, by) | What::Replace(vector, by) | What::Orthogonal(vector, by) => {
                of(self, vector);
                self.amount = *by;
            }
            What::ProjectOut(vector) => of(self, vector),
            What::Scale(by) => self.amount = *by,
            What::Clamp(vector, least, most) => {
                of(self, vector);
                self.least = Some(*least).filter(|bound| bound.is_finite());
                self.most = Some(*most).filter(|bound| bound.is_finite());
            }
            What::Latents(changes, error) => {
                self.error = *error;
                if let Some(change) = changes.first() {
                    let (LatentChange::Set(feature, x)
                    | LatentChange::Add(feature, x)
                    | LatentChange::Scale(feature, x)) = change;
                    (self.feature, self.amount) = (Some(*feature), *x);
                }
            }
            What::PatchText(text) => self.from.clone_from(text),
            What::Attend(attend) => self.attend = *attend,
            What::Zero | What::Mean(_) | What::PatchFile(..) => {}
        }
    }

    /// Positions and heads as they are written; an error is one sentence for the field that is wrong.
    pub(crate) fn reach(&self) -> Result<(Option<Positions>, Option<Vec<Head>>), String> {
        let written = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let positions = written(&self.positions).map(|text| text.parse::<Positions>());
        let positions = positions.transpose().map_err(|e| e.to_string())?;
        let heads = written(&self.heads).map(|text| {
            let heads = text.split(',').map(|head| head.trim().parse().map(Head));
            heads.collect::<Result<Vec<_>, _>>()
        });
        let wrong = |_| "heads: give numbers such as 0,3".to_owned();
        Ok((positions, heads.transpose().map_err(wrong)?))
    }
}

/// The form as filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    /// Edits in their order.
    pub(crate) edits: Vec<EditDraft>,
    /// The held-out row shown; none for the sentence in Prompt.
    pub(crate) prompt: Option<Input>,
    /// Sampling.
    pub(crate) sampling: Sampling,
    /// One stop string, empty for none; `\n` stands for a newline.
    pub(crate) stop: String,
    /// Number of samples.
    pub(crate) samples: usize,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            edits: vec![EditDraft::default()],
            prompt: None,
            sampling: Sampling::default(),
            stop: String::new(),
            samples: 1,
        }
    }
}

impl Draft {
    /// Returns the initial form where no dictionary is available for edits.
    pub(crate) fn without_dictionary() -> Self {
        Self {
            edits: vec![EditDraft::of_head(Layer(0), Head(0))],
            ..Self::default()
        }
    }

    /// Returns the form with edits in their written form.
    pub(crate) fn from_switched(edits: &[Switched]) -> Self {
        let edits = edits
            .iter()
            .map(|(spec, on)| EditDraft::from_spec(spec, *on));
        Self {
            edits: edits.collect(),
            ..Self::default()
        }
    }

    /// Describes the change from this form to `after` as a phrase.
    pub(crate) fn change_to(&self, after: &Self) -> String {
        let named = |i: usize, edit: &EditDraft| format!("edit {} ({})", i + 1, label(edit.action));
        let differs = |(i, edit): &(usize, &EditDraft)| self.edits.get(*i) != Some(*edit);
        let (many, now) = (self.edits.len(), after.edits.len());
        let first = after.edits.iter().enumerate().find(differs);
        match first {
            Some((i, edit)) if now > many => format!("added {}", named(i, edit)),
            _ if now < many => {
                let i = first.map_or(now, |(i, _)| i);
                format!("removed {}", named(i, &self.edits[i]))
            }
            Some((i, edit)) if now == many => {
                let others = after.edits.iter().enumerate().skip(i + 1);
                if others.filter(differs).count() > 0 {
                    "order of the edits".to_owned()
                } else {
                    named(i, edit)
                }
            }
            _ if self.prompt != after.prompt => "text to continue in Steering".to_owned(),
            _ => "settings of Steering".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_form_is_called_by_what_it_does() {
        let three = Draft {
            edits: vec![
                EditDraft::new("add"),
                EditDraft::new("zero"),
                EditDraft::new("scale"),
            ],
            ..Draft::default()
        };
        let check = |change: fn(&mut Draft), want: &str, back: &str| {
            let mut after = three.clone();
            change(&mut after);
            assert_eq!(three.change_to(&after), want);
            assert_eq!(after.change_to(&three), back);
        };
        check(
            |d| drop(d.edits.remove(1)),
            "removed edit 2 (Zero)",
            "added edit 2 (Zero)",
        );
        check(
            |d| drop(d.edits.remove(2)),
            "removed edit 3 (Scale)",
            "added edit 3 (Scale)",
        );
        check(|d| d.edits[0].amount = 1.0, "edit 1 (Add)", "edit 1 (Add)");
        check(
            |d| d.edits.swap(0, 2),
            "order of the edits",
            "order of the edits",
        );
        let text = "text to continue in Steering";
        check(|d| d.prompt = Some("Once".into()), text, text);
        let settings = "settings of Steering";
        check(|d| d.sampling.seed = 9, settings, settings);
    }

    #[test]
    fn every_action_of_the_table_can_be_filled_in_and_means_what_it_says() {
        for action in ACTIONS {
            let mut draft = EditDraft::new(action.name);
            draft.from = "One day".to_owned();
            let spec = draft.spec(Some(FeatureId(12))).unwrap();
            let written = spec.to_string();
            // A cap is a clamp with one bound.
            let name = if action.name == "cap" {
                "clamp"
            } else {
                action.name
            };
            assert!(written.starts_with(name), "{written}");
            assert_eq!(written.parse::<EditSpec>().unwrap(), spec);
            let needs = draft.fields().contains(&Field::Feature);
            assert_eq!(draft.spec(None).is_err(), needs, "{}", action.name);
        }
        assert_eq!(label("set-feature"), "Set feature");
    }

    #[test]
    fn every_edit_comes_back_from_its_written_form() {
        for text in [
            "add feature=12 strength=8.5 positions=prompt",
            "add file='my v.safetensors' key=blocks.2.hook_resid_post strength=2",
            "replace feature=3 strength=-1",
            "scale by=0.5 hook=hook_embed",
            "zero hook=blocks.1.attn.hook_z heads=3,5 positions='after: king'",
            "mean hook=blocks.1.hook_mlp_out",
            "project-out feature=7",
            "orthogonal feature=7 by=3",
            "clamp feature=7 least=0 most=2",
            "clamp feature=7 most=2",
            "set-feature feature=1 value=0 error=frozen",
            "scale-feature feature=1 by=3",
            "splice part=+nonlinear",
            "patch from=\"The king's fox\" hook=blocks.1.hook_resid_mid",
            "attend to=previous hook=blocks.0.attn.hook_pattern heads=2",
            // The form has no fields for these.
            "set-feature feature=1,2 value=0",
            "zero hook=blocks.1.hook_mlp_out rows=0,2",
            "mean file=m.safetensors key=mean hook=blocks.1.hook_mlp_out",
            "patch file=run.safetensors key=v hook=blocks.1.attn.hook_z",
        ] {
            let spec: EditSpec = text.parse().unwrap();
            let mut named = spec.clone();
            named.sae = Some("z1".to_owned());
            let draft = EditDraft::from_spec(&named, false);
            assert_eq!(draft.spec(None).as_ref(), Ok(&spec), "{text}");
            assert_eq!((draft.dictionary.as_deref(), draft.on), (Some("z1"), false));
            let is_plain = !["feature=1,2", "rows=", "mean file", "patch file"]
                .iter()
                .any(|odd| text.contains(odd));
            assert_eq!(draft.written.is_none(), is_plain, "{text}");
            assert!(text.starts_with(draft.action), "{text}");
        }
        let mut draft = EditDraft::from_spec(&"zero hook=hook_embed rows=1".parse().unwrap(), true);
        draft.begin("scale");
        assert_eq!(draft.written, None, "another action has fields again");
    }

    #[test]
    fn positions_and_heads_are_read_or_refused_in_a_sentence() {
        let mut draft = EditDraft::new("zero");
        draft.hook = Some(HookPoint::block(1, Site::Z));
        assert!(draft.has_heads(None));
        draft.heads = "0, 3".to_owned();
        draft.positions = "new".to_owned();
        let spec = draft.spec(None).unwrap().to_string();
        assert_eq!(
            spec,
            "zero hook=blocks.1.attn.hook_z heads=0,3 positions=new"
        );
        draft.heads = "x".to_owned();
        assert!(draft.spec(None).unwrap_err().contains("0,3"));
        draft.heads.clear();
        draft.positions = "first".to_owned();
        assert!(draft.spec(None).unwrap_err().contains("1..prompt"));
    }
}
