//! Causes of one prediction together: what the command line prints, the window draws, and a report has as a section.

use serde::{Deserialize, Serialize};

use super::components::{self, Components, Part};
use super::features::{self, Features};
use super::{Target, components::components};
use crate::error::Result;
use crate::ids::{Head, Layer, TokenId};
use crate::models::{Model, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;
use crate::section::{Bars, HeatMap, Section, Table};

/// Rows of a table in a section.
const ROWS: usize = 20;

/// Causes of a target on a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Causes {
    /// Name of the model.
    pub model: String,
    /// Target.
    pub target: Target,
    /// Target in words, with its tokens.
    pub said: String,
    /// Tokens of the text.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// Target of the untouched run, by the model's own logits.
    pub value: f64,
    /// Features as causes, where there is a dictionary.
    pub features: Option<Features>,
    /// Direct contributions; none for the loss.
    pub components: Option<Components>,
}

/// Measures the causes of `target` on `tokens`: direct contributions, and the features of `sae` where there is one; see [`features::features`].
pub fn causes(
    model: &Model,
    sae: Option<ByToken<'_>>,
    (tokens, target): (&[TokenId], Target),
    integrated: Option<usize>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Causes>> {
    target.check(tokens.len())?;
    let logits = model.logits(&token_tensor(&[tokens])?)?;
    let value = target.of_logits(&logits, tokens, 0)?;
    let components = components(model, sae, tokens, target)?;
    let features = match sae {
        Some(sae) => match features::features(model, sae, (tokens, target), integrated, observe)? {
            Ended::Done(features) => Some(features),
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        },
        None => None,
    };
    let codec = model.codec();
    Ok(Ended::Done(Causes {
        model: model.name().to_owned(),
        target,
        said: target.said(codec),
        tokens: tokens.to_vec(),
        texts: tokens.iter().map(|token| codec.display(*token)).collect(),
        value: value.first().copied().unwrap_or_default(),
        features,
        components,
    }))
}

impl Causes {
    /// Says which feature and which part cause the target most, in one sentence.
    pub fn conclusion(&self) -> String {
        let display = |at: usize| self.texts.get(at).cloned().unwrap_or_default();
        let features = self.features.as_ref();
        let features = features.map(|found| found.conclusion(&self.said, &display));
        let parts = self.components.as_ref();
        let parts = parts.map(|found| found.conclusion(&self.said));
        match (features, parts) {
            (Some(features), Some(parts)) => format!("{features}. {parts}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => format!(
                "The loss has no direct parts, and no dictionary is given whose features could be asked: {} is {:.3}",
                self.said, self.value
            ),
        }
    }

    /// Makes a section of a report.
    pub fn section(&self) -> Section {
        let mut section = Section::new(format!("What caused {}?", self.said), self.conclusion())
            .setting("model", &self.model)
            .setting("text", self.texts.concat())
            .setting("target", &self.said)
            .setting("value", format!("{:.4}", self.value));
        if let Some(found) = &self.features {
            section = section
                .setting("dictionary", &found.dictionary)
                .figure(self.table(found))
                .define(features::DEFINITIONS);
        }
        if let Some(found) = &self.components {
            section = section
                .figure(heads(found))
                .figure(others(found))
                .define(components::DEFINITIONS);
        }
        section
    }

    fn table(&self, found: &Features) -> Table {
        let caption = format!(
            "The {} features of {} whose ablation changes the target most, of {}",
            ROWS.min(found.features.len()),
            found.dictionary,
            found.features.len()
        );
        let columns = [
            "feature",
            "position",
            "token",
            "activation",
            "ablation",
            "a·grad",
        ];
        let mut table = Table::new(caption, &columns);
        for one in found.features.iter().take(ROWS) {
            table = table.row([
                one.feature.to_string().into(),
                one.position.into(),
                format!("{:?}", self.texts[one.position]).into(),
                f64::from(one.activation).into(),
                one.ablation.into(),
                one.gradient.into(),
            ]);
        }
        table
    }
}

/// Draws the contributions of heads, layer × head.
fn heads(found: &Components) -> HeatMap {
    let of_heads = found.parts.iter().filter_map(|one| match one.part {
        Part::Head(layer, head) => Some((layer, head)),
        _ => None,
    });
    let (layers, heads) = of_heads.fold((0, 0), |(layers, heads), (layer, head)| {
        (layers.max(layer.index() + 1), heads.max(head.index() + 1))
    });
    let row = |layer: usize| -> Vec<Option<f64>> {
        let part = |head: usize| Part::Head(Layer::from(layer), Head::from(head));
        (0..heads).map(|head| found.of(part(head))).collect()
    };
    HeatMap {
        caption: "Direct contribution of each head to the target".to_owned(),
        y: "layer".to_owned(),
        x: "head".to_owned(),
        rows: (0..layers).map(|layer| layer.to_string()).collect(),
        columns: (0..heads).map(|head| head.to_string()).collect(),
        values: (0..layers).map(row).collect(),
    }
}

/// Draws the contributions of all parts that are no heads, and of all heads of each layer together.
fn others(found: &Components) -> Bars {
    let mut bars: Vec<(String, f64)> = Vec::new();
    for one in &found.parts {
        match one.part {
            Part::Head(layer, _) => {
                let name = format!("L{layer} heads");
                match bars.last_mut().filter(|(last, _)| *last == name) {
                    Some((_, sum)) => *sum += one.value,
                    None => bars.push((name, one.value)),
                }
            }
            part => bars.push((part.to_string(), one.value)),
        }
    }
    let caption = format!(
        "Direct contributions; together {:.3}, the target{} is {:.3}",
        found.sum(),
        if found.is_before_cap {
            " before its soft cap"
        } else {
            ""
        },
        found.target
    );
    Bars::new(caption, bars)
}
