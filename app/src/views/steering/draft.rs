//! One edit as it is filled in, and the edit it means.

use umbra_core::ids::{FeatureId, Head, HookPoint, Site};
use umbra_core::steer::{
    ACTIONS, ActionHelp, Attend, EditSpec, ErrorName, LatentChange, Positions, Vector, What,
};

/// One edit of the stack.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EditDraft {
    /// Name of its action.
    pub(super) action: &'static str,
    /// Whether it is in force.
    pub(super) on: bool,
    /// Whose direction or activation; none: of the feature selected.
    pub(super) feature: Option<FeatureId>,
    /// The number of another feature, being written.
    pub(super) number: String,
    /// Strength, factor or value.
    pub(super) amount: f32,
    pub(super) least: Option<f32>,
    pub(super) most: Option<f32>,
    pub(super) error: ErrorName,
    /// The other text of a patch.
    pub(super) from: String,
    pub(super) attend: Attend,
    /// None: at the dictionary's hook.
    pub(super) hook: Option<HookPoint>,
    /// Empty: as the action has it.
    pub(super) positions: String,
    /// Empty: all.
    pub(super) heads: String,
}

/// What an action lets a person fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Feature,
    Strength,
    Factor,
    Value,
    Bounds,
    Error,
    Part,
    From,
    Attend,
}

impl Default for EditDraft {
    fn default() -> Self {
        Self {
            action: "add",
            on: true,
            feature: None,
            number: String::new(),
            amount: 8.0,
            least: None,
            most: Some(0.0),
            error: ErrorName::Kept,
            from: String::new(),
            attend: Attend::Uniform,
            hook: None,
            positions: String::new(),
            heads: String::new(),
        }
    }
}

/// `set-feature` as `Set feature`.
pub(super) fn label(action: &str) -> String {
    let words = action.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// What `action` does.
pub(super) fn help(action: &str) -> &'static ActionHelp {
    let known = ACTIONS.iter().find(|known| known.name == action);
    known.expect("the menu is made from the table")
}

impl EditDraft {
    /// A fresh one of `action`.
    pub(super) fn of(action: &'static str) -> Self {
        let mut draft = Self {
            action,
            ..Self::default()
        };
        draft.begin(action);
        draft
    }

    /// Takes another action, with amounts that make sense for it.
    pub(super) fn begin(&mut self, action: &'static str) {
        self.action = action;
        self.amount = match action {
            "add" => 8.0,
            "replace" => 1.0,
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

    /// What can be filled in.
    pub(super) fn fields(&self) -> &'static [Field] {
        match self.action {
            "add" | "replace" => &[Field::Feature, Field::Strength],
            "scale" => &[Field::Factor],
            "project-out" => &[Field::Feature],
            "clamp" => &[Field::Feature, Field::Bounds],
            "set-feature" | "add-feature" => &[Field::Feature, Field::Value, Field::Error],
            "scale-feature" => &[Field::Feature, Field::Factor, Field::Error],
            "splice" => &[Field::Part],
            "patch" => &[Field::From],
            "attend" => &[Field::Attend],
            _ => &[],
        }
    }

    /// Whether its hook has heads to choose among; `own` is the dictionary's hook.
    pub(super) fn has_heads(&self, own: Option<HookPoint>) -> bool {
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
    pub(super) fn spec(&self, selected: Option<FeatureId>) -> Result<EditSpec, String> {
        let feature = || {
            let missing = || "Choose a feature first".to_owned();
            self.feature.or(selected).ok_or_else(missing)
        };
        let row = || feature().map(Vector::Feature);
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

    /// Positions and heads as they are written; an error is one sentence for the field that is wrong.
    pub(super) fn reach(&self) -> Result<(Option<Positions>, Option<Vec<Head>>), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_of_the_table_can_be_filled_in_and_means_what_it_says() {
        for action in ACTIONS {
            let mut draft = EditDraft::of(action.name);
            draft.from = "One day".to_owned();
            let spec = draft.spec(Some(FeatureId(12))).unwrap();
            let written = spec.to_string();
            assert!(written.starts_with(action.name), "{written}");
            assert_eq!(written.parse::<EditSpec>().unwrap(), spec);
            let needs = draft.fields().contains(&Field::Feature);
            assert_eq!(draft.spec(None).is_err(), needs, "{}", action.name);
        }
        assert_eq!(label("set-feature"), "Set feature");
    }

    #[test]
    fn positions_and_heads_are_read_or_refused_in_a_sentence() {
        let mut draft = EditDraft::of("zero");
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
