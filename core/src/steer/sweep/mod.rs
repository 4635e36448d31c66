//! Dose and response: a feature's decoder row is added at one strength after another, and the next token and a continuation are measured on every prompt.
//!
//! `strength · w_dec[feature]`, the row as stored, is added at the dictionary's hook at every position but the first, of the prompt and of what is continued.

mod adding;
mod run;
mod section;
mod spread;
#[cfg(test)]
mod tests;
mod text;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(super) use adding::{Adding, Row};
pub use run::sweep;
pub(super) use run::{Reading, Writing};
pub use spread::Spread;
pub use text::{Text, repetition};

use crate::ids::{FeatureId, HookPoint, TokenId};

/// Name under which a project keeps a sweep.
pub const STUDY: &str = "sweep";
/// Strengths unless a person asks for others.
pub const STRENGTHS: [f64; 9] = [-16.0, -8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0, 16.0];
/// Tokens of a continuation unless a person asks for another number.
pub const CONTINUATION: usize = 24;
/// Tokens whose repetition is counted together.
pub const GRAM: usize = 3;
/// Number of a feature's promoted tokens.
pub const PROMOTED: usize = crate::features::PROMOTED;

/// Name and definition of every figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "strength",
        "factor of the feature's decoder row as stored, which is added at the dictionary's hook at every position but the first",
    ),
    (
        "kl",
        "KL(steered ‖ untouched) of the next token at a prompt's last position, in nats, summed in f64",
    ),
    (
        "probability",
        "probability of the target in the steered run at a prompt's last position: of one token, or of a feature's ten promoted tokens together (largest direct effects on the logits)",
    ),
    (
        "repetition",
        "share of the 3-grams of tokens in the greedy steered continuation that occur earlier in it",
    ),
    (
        "perplexity",
        "exp of the mean cross-entropy per token of the greedy steered continuation under the untouched model, which reads the prompt and the continuation",
    ),
];

/// Tokens whose probability is followed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Target {
    /// None.
    #[default]
    None,
    /// One token.
    Token(TokenId),
    /// The promoted tokens of each feature.
    Promoted,
}

/// Everything that decides a sweep beside model, dictionary, features and prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Strengths, in their order.
    pub strengths: Vec<f64>,
    /// Target.
    pub target: Target,
    /// Most tokens of the greedy continuation; 0 leaves repetition and perplexity out.
    pub continuation: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strengths: STRENGTHS.to_vec(),
            target: Target::None,
            continuation: CONTINUATION,
        }
    }
}

/// Figures of one strength, over the prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Strength.
    pub strength: f64,
    /// KL(steered ‖ untouched), nats.
    pub kl: Spread,
    /// Probability of the target, if there is one.
    pub probability: Option<Spread>,
    /// Repetition of the continuations; none where no continuation has three tokens.
    pub repetition: Option<Spread>,
    /// Perplexity of the continuations; none without continuations.
    pub perplexity: Option<Spread>,
}

/// Dose and response of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Feature.
    pub feature: FeatureId,
    /// Target as shown, if there is one.
    pub target: Option<String>,
    /// Figures by strength, in the order of the settings.
    pub points: Vec<Point>,
    /// Figures of the untouched model.
    pub untouched: Point,
}

/// Result of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Settings.
    pub settings: Settings,
    /// Hook at which rows were added.
    pub hook: HookPoint,
    /// Name of the dictionary.
    pub sae: String,
    /// One curve per feature, in the order asked for.
    pub curves: Vec<Curve>,
    /// Number of prompts that were measured.
    pub prompts: usize,
    /// Prompts among them of one token, which no edit reaches.
    pub unreached: usize,
}

/// Writes a probability with digits that tell it from 0.
fn share(probability: f64) -> String {
    if probability > 0.0 && probability < 1e-3 {
        format!("{probability:.1e}")
    } else {
        format!("{probability:.4}")
    }
}

impl Point {
    /// Returns the contract's object: means over prompts.
    pub fn json(&self) -> Value {
        json!({
            "strength": self.strength,
            "kl": self.kl.mean,
            "probability": self.probability.map(|spread| spread.mean),
        })
    }

    fn spread_json(&self) -> Value {
        json!({
            "strength": self.strength,
            "kl": self.kl.json(),
            "probability": self.probability.map(Spread::json),
            "repetition": self.repetition.map(Spread::json),
            "perplexity": self.perplexity.map(Spread::json),
        })
    }
}

impl Curve {
    fn json(&self) -> Map<String, Value> {
        let points: Vec<Value> = self.points.iter().map(Point::json).collect();
        let spread: Vec<Value> = self.points.iter().map(Point::spread_json).collect();
        let mut object = Map::new();
        object.insert("feature".to_owned(), json!(self.feature.0));
        object.insert("target".to_owned(), json!(self.target));
        object.insert("points".to_owned(), Value::Array(points));
        object.insert("spread".to_owned(), Value::Array(spread));
        object.insert("untouched".to_owned(), self.untouched.spread_json());
        object
    }
}

impl Sweep {
    /// Returns the result as an object: `points` of means and `spread` of one feature, or `features` with both of each where there are several.
    pub fn json(&self) -> Value {
        let mut object = match self.curves.as_slice() {
            [one] => one.json(),
            several => {
                let curves = several.iter().map(|curve| Value::Object(curve.json()));
                let mut object = Map::new();
                object.insert("features".to_owned(), curves.collect());
                object
            }
        };
        let definitions: Map<String, Value> = DEFINITIONS
            .iter()
            .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
            .collect();
        object.insert("prompts".to_owned(), json!(self.prompts));
        object.insert("unreached".to_owned(), json!(self.unreached));
        object.insert("sae".to_owned(), json!(self.sae));
        object.insert("hook".to_owned(), json!(self.hook.to_string()));
        object.insert("continuation".to_owned(), json!(self.settings.continuation));
        object.insert("definitions".to_owned(), Value::Object(definitions));
        object.insert("conclusion".to_owned(), json!(self.conclusion()));
        Value::Object(object)
    }

    /// Says in one sentence, for each feature or the one that moves most, what its strongest dose did.
    pub fn conclusion(&self) -> String {
        let strongest = |curve: &Curve| {
            let by_kl = |a: &&Point, b: &&Point| a.kl.median.total_cmp(&b.kl.median);
            curve.points.iter().max_by(by_kl).copied()
        };
        let moved = self
            .curves
            .iter()
            .filter_map(|curve| Some((curve, strongest(curve)?)));
        let most = moved.max_by(|a, b| a.1.kl.median.total_cmp(&b.1.kl.median));
        let Some((curve, point)) = most else {
            return "No prompt was measured".to_owned();
        };
        if point.kl.median == 0.0 {
            return "Nothing changed at any strength: the median KL is 0".to_owned();
        }
        let who = if self.curves.len() > 1 {
            format!("Feature {} moves the next token most", curve.feature)
        } else {
            format!("Feature {} moves the next token", curve.feature)
        };
        let mut said = vec![format!(
            "{who}: at strength {} the median KL over {} prompts is {:.3} nats",
            point.strength, self.prompts, point.kl.median
        )];
        if let (Some(after), Some(before)) = (point.probability, curve.untouched.probability) {
            let what = match (&self.settings.target, &curve.target) {
                (Target::Token(_), Some(token)) => format!("“{token}”"),
                _ => format!("its {PROMOTED} promoted tokens"),
            };
            said.push(format!(
                "the median probability of {what} goes from {} to {}",
                share(before.median),
                share(after.median)
            ));
        }
        if let (Some(after), Some(before)) = (point.perplexity, curve.untouched.perplexity) {
            said.push(format!(
                "the continuation's median perplexity under the untouched model goes from {:.2} to {:.2}",
                before.median, after.median
            ));
        }
        said.join("; ")
    }
}
