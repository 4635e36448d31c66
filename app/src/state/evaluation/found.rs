//! What the task with a known answer found, as it is drawn. `commands/evaluation/task.rs` makes it from the core's result.

use umbra_core::ids::FeatureId;
use umbra_core::section::Section;

/// Kind of a tested dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Made from the attributes of the prompts.
    Supervised,
    /// A dictionary of the project.
    Own,
    /// A baseline: random directions, a frozen decoder, a classical method.
    Baseline,
}

impl Role {
    /// All, in the order drawn.
    pub(crate) const ALL: [Self; 3] = [Self::Supervised, Self::Own, Self::Baseline];

    /// Its name on screen.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Supervised => "supervised",
            Self::Own => "dictionary",
            Self::Baseline => "baseline",
        }
    }
}

/// Result of the task.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Found {
    /// The answer to the question of the panel, in a sentence.
    pub(crate) conclusion: String,
    /// Whether the model can do the task, in a sentence.
    pub(crate) ability: String,
    /// Sentences that qualify the figures.
    pub(crate) notes: Vec<String>,
    /// What the figures are measured on, in a sentence.
    pub(crate) basis: String,
    /// Attributes whose values are edited, in order.
    pub(crate) attributes: Vec<String>,
    /// Share of prompts, by attribute, whose answer without any edit is that of the ground-truth patch.
    pub(crate) untouched: Vec<f64>,
    /// Dictionaries, supervised ones first.
    pub(crate) dictionaries: Vec<Tested>,
    /// Texts of the tested prompts.
    pub(crate) prompts: Vec<String>,
    /// The section of a report.
    pub(crate) section: Section,
}

/// A dictionary that was tested.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tested {
    /// Its name.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) role: Role,
    /// Share of the logit difference that stays with the reconstruction in place.
    pub(crate) sufficiency: f64,
    /// Share of the logit difference that is lost with the reconstruction taken out.
    pub(crate) necessity: f64,
    /// Edits by attribute, with rising numbers of exchanged features.
    pub(crate) edits: Vec<Vec<Edit>>,
    /// What its features mean, if it has features.
    pub(crate) meanings: Option<Meanings>,
}

/// Edits with one number of exchanged features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edit {
    /// Number of exchanged features.
    pub(crate) k: usize,
    /// Share of prompts whose answer is that of the ground-truth patch.
    pub(crate) accuracy: f64,
    /// Weight of the removed features in the reconstruction, if it is known.
    pub(crate) magnitude: Option<f64>,
}

/// F1 scores of features against predicates of the prompts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meanings {
    /// Features that are active on the prompts.
    pub(crate) features: Vec<FeatureId>,
    /// Predicates.
    pub(crate) predicates: Vec<String>,
    /// Scores, feature by feature.
    pub(crate) scores: Vec<f32>,
}

impl Meanings {
    /// Scores of one feature.
    pub(crate) fn of(&self, row: usize) -> &[f32] {
        let many = self.predicates.len();
        &self.scores[row * many..(row + 1) * many]
    }
}

impl Tested {
    /// The edit of an attribute with the most exchanged features, but no more than `k`.
    pub(crate) fn edit(&self, attribute: usize, k: usize) -> Option<&Edit> {
        let edits = self.edits.get(attribute)?;
        edits.iter().rfind(|edit| edit.k <= k)
    }
}

/// One edit of one prompt in all steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Inspection {
    /// The prompt before and after the change of the attribute.
    pub(crate) texts: [String; 2],
    /// Distance of the untouched activation to that of the changed prompt.
    pub(crate) distance: f64,
    /// Steps, in order.
    pub(crate) steps: Vec<Step>,
    /// Likeliest next tokens with their logits: before, after the edit, and under the ground-truth patch.
    pub(crate) tops: [Vec<(String, f64)>; 3],
}

/// A step of an edit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// What was exchanged, in words.
    pub(crate) what: String,
    /// Feature that was exchanged, where it is one of a dictionary of the project.
    pub(crate) feature: Option<FeatureId>,
    /// Activation before.
    pub(crate) before: f64,
    /// Activation after.
    pub(crate) after: f64,
    /// Distance to the activation of the changed prompt.
    pub(crate) distance: f64,
}
