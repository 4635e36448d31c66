//! Path patching from head to head (Wang et al. 2022, arXiv 2211.00593, appendix B; Goldowsky-Dill et al. 2023, arXiv 2304.05969): the effect of one head's
//! output on the target through the input of one later head, or straight through the logits, and through nothing else.
//!
//! A first pass over the second text takes z of the sender from the first text and freezes z of all other heads as the second text has it; the receiver's query,
//! key or value is recorded. A second pass over the second text puts it into the receiver, and the layers behind the receiver compute as usual. Where heads
//! share keys and values, only the receiver reads the recorded ones. For the logits the first pass is the whole. The MLPs between sender and receiver
//! are recomputed, as in Wang et al., or frozen as in the second text, so that the path leads through the residual stream alone.

mod run;
mod section;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use run::run;

use super::Target;
use super::pair::TextPair;
use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    ("clean", "target on the first text, untouched"),
    ("corrupt", "target on the second text, untouched"),
    (
        "values",
        "target on the second text when the sender's z (a row) is taken from the first at all positions and reaches the receiver's input (a column) alone: z of all other heads is frozen as in the second text up to there; null where the sender does not lie in an earlier layer",
    ),
    (
        "recovered",
        "(value − corrupt) / (clean − corrupt): 0 changes nothing, 1 brings back the first text's target; null where clean equals corrupt too",
    ),
    (
        "mlps",
        "recomputed: MLPs between sender and receiver read the changed stream, so that the path leads through them too (Wang et al. 2022); frozen: they write as in the second text, and the path leads through the residual stream alone",
    ),
];

/// Head of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeadAt {
    /// Its layer.
    pub layer: Layer,
    /// Its number in the layer.
    pub head: Head,
}

impl HeadAt {
    /// Names the head `head` of `layer`.
    pub fn new(layer: usize, head: usize) -> Self {
        Self {
            layer: Layer::from(layer),
            head: Head::from(head),
        }
    }
}

impl fmt::Display for HeadAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}.H{}", self.layer, self.head)
    }
}

impl From<HeadAt> for String {
    fn from(head: HeadAt) -> Self {
        head.to_string()
    }
}

impl TryFrom<String> for HeadAt {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for HeadAt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text
            .strip_prefix('L')
            .and_then(|rest| rest.split_once(".H"));
        let numbers =
            parts.and_then(|(layer, head)| Some((layer.parse().ok()?, head.parse().ok()?)));
        let Some((layer, head)) = numbers else {
            let what = format!(
                "`{text}` is no head, write L5.H1 for head 1 of layer 5, both counted from 0"
            );
            return Err(Error::setting("head", what));
        };
        Ok(Self {
            layer: Layer(layer),
            head: Head(head),
        })
    }
}

/// Input of a head that a path ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Entry {
    /// Its queries.
    #[default]
    Q,
    /// Its keys.
    K,
    /// Its values.
    V,
}

impl Entry {
    /// All of them with their written names.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Q, "q"), (Self::K, "k"), (Self::V, "v")];

    fn name(self) -> &'static str {
        let named = Self::ALL.into_iter().find(|(entry, _)| *entry == self);
        named.map_or("", |(_, name)| name)
    }

    fn site(self) -> Site {
        match self {
            Self::Q => Site::Q,
            Self::K => Site::K,
            Self::V => Site::V,
        }
    }
}

/// End of a path: `logits`, `L5.H1.q`, `L5.H1.k` or `L5.H1.v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Receiver {
    /// Final norm and unembedding.
    Logits,
    /// Input of a head.
    Head(HeadAt, Entry),
}

impl Receiver {
    /// Returns the number of layers from which a sender reaches it, in a model of `layers` layers.
    pub fn senders(self, layers: usize) -> usize {
        match self {
            Self::Logits => layers,
            Self::Head(at, _) => at.layer.index().min(layers),
        }
    }

    /// Hook of the input; none for the logits.
    fn hook(self) -> Option<HookPoint> {
        match self {
            Self::Logits => None,
            Self::Head(at, entry) => Some(HookPoint::Block(at.layer, entry.site())),
        }
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logits => f.write_str("logits"),
            Self::Head(at, entry) => write!(f, "{at}.{}", entry.name()),
        }
    }
}

impl From<Receiver> for String {
    fn from(receiver: Receiver) -> Self {
        receiver.to_string()
    }
}

impl TryFrom<String> for Receiver {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for Receiver {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "logits" {
            return Ok(Self::Logits);
        }
        let named = |(entry, name): (Entry, &str)| {
            let head = text.strip_suffix(name)?.strip_suffix('.')?;
            Some(Self::Head(head.parse().ok()?, entry))
        };
        Entry::ALL.into_iter().find_map(named).ok_or_else(|| {
            let what =
                format!("`{text}` is no end of a path, write logits, L5.H1.q, L5.H1.k or L5.H1.v");
            Error::setting("to", what)
        })
    }
}

/// Treatment of the MLPs between sender and receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mlps {
    /// Recomputed from the changed stream, as in Wang et al. 2022.
    #[default]
    Recomputed,
    /// Frozen as in the second text.
    Frozen,
}

impl Mlps {
    /// Both with their written names.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Recomputed, "recomputed"), (Self::Frozen, "frozen")];

    /// Written name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recomputed => "recomputed",
            Self::Frozen => "frozen",
        }
    }
}

/// One path patching: the texts' tokens, the target, senders and receivers.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Tokens of the text that the senders' output is taken from.
    pub clean: &'a [TokenId],
    /// Tokens of the text that reads it.
    pub corrupt: &'a [TokenId],
    /// Number that is read.
    pub target: Target,
    /// Heads that send; none: all heads from which a receiver can be reached.
    pub senders: Vec<HeadAt>,
    /// Ends of the paths, each on its own.
    pub receivers: Vec<Receiver>,
    /// Treatment of the MLPs.
    pub mlps: Mlps,
}

/// Result of [`run`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// The two texts, the target and its two values.
    pub pair: TextPair,
    /// Treatment of the MLPs.
    pub mlps: Mlps,
    /// Heads that send, a row each.
    pub senders: Vec<HeadAt>,
    /// Ends of the paths, a column each.
    pub receivers: Vec<Receiver>,
    /// Target by sender and receiver; none where the sender does not lie in an earlier layer.
    pub values: Vec<Vec<Option<f64>>>,
}

/// Path and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Path {
    /// Head that sends.
    pub from: HeadAt,
    /// End of the path.
    pub to: Receiver,
    /// Target with the first text's output sent along it.
    pub value: f64,
    /// Share of the way from the second text's target to the first's; none where these are equal.
    pub recovered: Option<f64>,
}

impl Paths {
    /// Returns the share of the way from the second text's target to the first's, in the layout of the values.
    pub fn recovered(&self) -> Vec<Vec<Option<f64>>> {
        let share = |value: &Option<f64>| value.and_then(|value| self.pair.recovered(value));
        let row = |row: &Vec<Option<f64>>| row.iter().map(share).collect();
        self.values.iter().map(row).collect()
    }

    /// Returns all paths, the largest change of the target first.
    pub fn largest(&self) -> Vec<Path> {
        let rows = self.senders.iter().zip(&self.values);
        let mut paths: Vec<Path> = rows
            .flat_map(|(from, row)| {
                let cells = self.receivers.iter().zip(row);
                cells.filter_map(|(to, value)| {
                    let value = (*value)?;
                    Some(Path {
                        from: *from,
                        to: *to,
                        value,
                        recovered: self.pair.recovered(value),
                    })
                })
            })
            .collect();
        let change = |path: &Path| (path.value - self.pair.corrupt_value).abs();
        paths.sort_by(|a, b| change(b).total_cmp(&change(a)));
        paths
    }

    /// Says in one sentence which path carries most of the difference.
    pub fn conclusion(&self) -> String {
        if let Some(undecided) = self.pair.undecided() {
            return undecided;
        }
        let paths = self.largest();
        let Some(first) = paths.first() else {
            return "No sender lies before a receiver, so there is no path.".to_owned();
        };
        let share = first.recovered.unwrap_or_default();
        if share.abs() < LITTLE {
            return format!(
                "No path moves {} by even 1 % of the way between the two texts.",
                self.pair.target_said
            );
        }
        let moved = if share > 0.0 {
            format!("brings back {:.0} % of the difference", 100.0 * share)
        } else {
            format!("moves the target {:.0} % the other way", -100.0 * share)
        };
        format!(
            "Of {} paths the one from {} to {} carries most: it {moved} in {}, with MLPs {}.",
            paths.len(),
            first.from,
            match first.to {
                Receiver::Logits => "the logits".to_owned(),
                to @ Receiver::Head(..) => to.to_string(),
            },
            self.pair.target_said,
            self.mlps.name()
        )
    }
}

/// Share of the difference below which a path is said to carry nothing.
const LITTLE: f64 = 0.01;
