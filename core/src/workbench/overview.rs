//! The dictionaries of a project as rows of one table, each with a verdict in words, and what the loader decided about the model in plain words.
//!
//! Window and command line show these rows; neither judges by itself.

mod model;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::path::Path;

use crate::eval::{self, Figures, judge};
use crate::features::About;
use crate::fit::{self, Fit};
use crate::formats;
use crate::ids::HookPoint;
use crate::sae::{Sae, Selection};
use crate::workbench::pair::Pair;

pub use self::model::{ReadAs, family_name};

/// Sign of a verdict, best first. It stands beside the words, so that no verdict is told by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Nothing speaks against it.
    Good,
    /// Something is not known yet.
    Open,
    /// Usable with care.
    Warning,
    /// Not usable.
    Bad,
}

impl Sign {
    /// Returns the sign as one character.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Open => "·",
            Self::Warning => "!",
            Self::Bad => "✗",
        }
    }

    /// Key in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Open => "open",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// Verdict on a dictionary of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Sign.
    pub sign: Sign,
    /// Verdict in a few words.
    pub words: String,
    /// Reason, in a sentence without a full stop.
    pub why: String,
}

impl Verdict {
    fn new(sign: Sign, words: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            sign,
            words: words.into(),
            why: why.into(),
        }
    }
}

/// Index of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Indexed {
    /// None was built.
    #[default]
    Absent,
    /// It is being built, opened or judged.
    Pending,
    /// Built over so many tokens.
    Over(u64),
    /// Built with another dictionary or model.
    Foreign,
    /// It cannot be read.
    Failed,
}

impl Indexed {
    /// Judges an index that opened, by its facts and its fit if that is known.
    pub fn new(about: &About, fit: Option<&Fit>) -> Self {
        match fit {
            Some(fit) if fit.is_refused() => Self::Foreign,
            _ => Self::Over(about.tokens),
        }
    }

    /// Says where there is none that can be used; empty for a good one.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Absent => "none",
            Self::Pending => "…",
            Self::Over(_) => "",
            Self::Foreign => "foreign",
            Self::Failed => "failed",
        }
    }
}

/// Known facts of a dictionary of a project.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Name in the project.
    pub name: &'a str,
    /// Folder.
    pub folder: Option<&'a Path>,
    /// The dictionary, once loaded.
    pub sae: Option<&'a Sae>,
    /// Reason why it could not be loaded.
    pub failure: Option<&'a str>,
    /// The dictionary with the model of the project, once both are loaded.
    pub pair: Option<&'a Pair>,
    /// Figures measured on it.
    pub figures: Option<&'a Figures>,
    /// Reason why there are no figures, where one is known.
    pub unmeasured: Option<&'a str>,
    /// Whether an evaluation is running.
    pub is_measured_now: bool,
    /// Its index.
    pub index: Indexed,
}

/// Row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Name in the project.
    pub name: String,
    /// Hook that it reads.
    pub hook: Option<HookPoint>,
    /// Hooks that it writes, in the order of the pass; empty if that is the hook it reads.
    pub writes: Vec<HookPoint>,
    /// Error that it reads in place of the activation, as a phrase: `the linear error of resid-2`.
    pub error_of: Option<String>,
    /// Features and width of the activations, once loaded.
    pub shape: Option<[usize; 2]>,
    /// Selection rule with its numbers; empty until loaded.
    pub rule: String,
    /// Active features per token, where the rule fixes them.
    pub k: Option<usize>,
    /// Figures measured on it.
    pub figures: Option<Figures>,
    /// Its index.
    pub index: Indexed,
    /// Verdict.
    pub verdict: Verdict,
}

impl Row {
    /// Creates the row of a dictionary.
    pub fn new(known: &Known<'_>) -> Self {
        let sae = known.sae;
        let hook = sae.and_then(|sae| sae.provenance.hook);
        let outputs = sae.and_then(|sae| sae.outputs().ok()).unwrap_or_default();
        let writes: Vec<HookPoint> = outputs.iter().map(|output| output.hook).collect();
        Self {
            name: known.name.to_owned(),
            hook,
            writes: match writes.as_slice() {
                [alone] if Some(*alone) == hook => Vec::new(),
                _ => writes,
            },
            error_of: sae.and_then(|sae| Some(sae.error_of.as_ref()?.said())),
            shape: sae.map(|sae| [sae.features(), sae.width()]),
            rule: sae.map_or_else(String::new, |sae| sae.selection.describe()),
            k: sae.and_then(k),
            figures: known.figures.cloned(),
            index: known.index,
            verdict: verdict(known),
        }
    }

    /// Describes the hook that it reads, those that it writes if they are others (of several the first and the last), and its parent if it reads an error; none until it is loaded.
    pub fn hooks(&self) -> Option<String> {
        let hook = self.hook?;
        Some(match (self.writes.as_slice(), &self.error_of) {
            ([first, .., last], _) => format!("{hook} → {first} to {last}"),
            ([writes], _) => format!("{hook} → {writes}"),
            ([], Some(of)) => format!("{hook}, {of}"),
            ([], None) => hook.to_string(),
        })
    }

    /// Value of a numeric column; none where it is not known.
    pub fn number(&self, column: Column) -> Option<f64> {
        let figure = |of: fn(&Figures) -> f64| self.figures.as_ref().map(of);
        match column {
            Column::Width => self.shape.map(|[features, _]| features as f64),
            Column::K => self.k.map(|k| k as f64),
            Column::L0 => figure(|figures| figures.l0),
            Column::Fvu => figure(|figures| figures.fvu),
            Column::CeRecovered => figure(|figures| figures.ce_recovered_zero),
            Column::Dead => figure(|figures| figures.dead_fraction),
            Column::Index => match self.index {
                Indexed::Over(tokens) => Some(tokens as f64),
                _ => None,
            },
            Column::Name | Column::Hook | Column::Verdict => None,
        }
    }
}

/// Active features per token, if the rule fixes their number.
fn k(sae: &Sae) -> Option<usize> {
    match &sae.selection {
        Selection::TopK(rule) => Some(rule.k),
        Selection::AbsTopK(rule) => Some(rule.k),
        Selection::RawTopK(rule) => Some(rule.k),
        _ => None,
    }
}

/// Column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Name.
    Name,
    /// Hook.
    Hook,
    /// Number of features.
    Width,
    /// Selection rule, by its `k`.
    K,
    /// Active features per token.
    L0,
    /// Fraction of variance unexplained.
    Fvu,
    /// Cross-entropy recovered.
    CeRecovered,
    /// Share of dead features.
    Dead,
    /// Tokens of the index.
    Index,
    /// Verdict.
    Verdict,
}

impl Column {
    /// Every column, in the order shown.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::Hook,
        Self::Width,
        Self::K,
        Self::L0,
        Self::Fvu,
        Self::CeRecovered,
        Self::Dead,
        Self::Index,
        Self::Verdict,
    ];

    /// Key in settings and JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Hook => "hook",
            Self::Width => "features",
            Self::K => "rule",
            Self::L0 => "l0",
            Self::Fvu => "fvu",
            Self::CeRecovered => "ce_recovered_zero",
            Self::Dead => "dead_fraction",
            Self::Index => "index",
            Self::Verdict => "verdict",
        }
    }

    /// Displayed title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Hook => "Hook",
            Self::Width => "Width",
            Self::K => "Rule",
            Self::L0 => "L0",
            Self::Fvu => "FVU",
            Self::CeRecovered => "CE recovered",
            Self::Dead => "Dead",
            Self::Index => "Index",
            Self::Verdict => "Verdict",
        }
    }

    /// Unit of its numbers; empty where they have none.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Index => "tokens",
            _ => "",
        }
    }

    /// Definition, as a sentence without a full stop.
    pub fn definition(self) -> &'static str {
        let figure = |key: &str| {
            let found = eval::DEFINITIONS.iter().find(|(name, _)| *name == key);
            found.map_or("", |(_, definition)| *definition)
        };
        match self {
            Self::Name => "Name of the dictionary's folder",
            Self::Hook => {
                "Activation that the dictionary reads, by its name in TransformerLens; → names the activation that a transcoder writes, and a dictionary of an error names its parent"
            }
            Self::Width => "Number of features in the dictionary",
            Self::K => "Selection rule: which features stay active for a token",
            Self::L0 | Self::Fvu | Self::CeRecovered | Self::Dead => figure(self.key()),
            Self::Index => "Number of tokens that the index of its features was built over",
            Self::Verdict => {
                "Whether the dictionary belongs to the model and reconstructs its activations"
            }
        }
    }

    /// Compares two rows in this column. Unknown numbers come last in either direction.
    pub fn compare(self, a: &Row, b: &Row, descending: bool) -> Ordering {
        let turned = |order: Ordering| if descending { order.reverse() } else { order };
        let by_name = || a.name.cmp(&b.name);
        let order = match self {
            Self::Name => turned(by_name()),
            Self::Hook => turned(a.hook.cmp(&b.hook)),
            Self::Verdict => turned(a.verdict.sign.cmp(&b.verdict.sign))
                .then_with(|| a.verdict.words.cmp(&b.verdict.words)),
            _ => match (a.number(self), b.number(self)) {
                (Some(a), Some(b)) => turned(a.total_cmp(&b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) if self == Self::K => turned(a.rule.cmp(&b.rule)),
                (None, None) => Ordering::Equal,
            },
        };
        order.then_with(by_name)
    }
}

/// Judges a dictionary by what is known of it; what speaks most against it is told.
fn verdict(known: &Known<'_>) -> Verdict {
    if let Some(why) = known.failure {
        return Verdict::new(Sign::Bad, "did not load", why);
    }
    let Some(sae) = known.sae else {
        return Verdict::new(Sign::Open, "loading", "The dictionary is being loaded");
    };
    let fit = known.pair.map(|pair| &pair.fit);
    if let Some(fit) = fit.filter(|fit| fit.is_refused()) {
        return Verdict::new(Sign::Bad, "does not fit the model", &fit.why);
    }
    if known.is_measured_now {
        let why = "An evaluation is running; the verdict follows from its figures";
        return Verdict::new(Sign::Open, "being evaluated", why);
    }
    let figures = known.figures;
    if let Some(figures) = figures.filter(|figures| figures.fvu.is_nan() || figures.fvu > 1.0) {
        return not_reconstructing(figures);
    }
    if let Some(fit) = fit.filter(|fit| fit.verdict == fit::Verdict::AnotherModel) {
        return Verdict::new(Sign::Warning, "trained on another model", &fit.why);
    }
    if let Some(note) = known.pair.and_then(Pair::processing_note) {
        return Verdict::new(Sign::Warning, "model is processed otherwise", note);
    }
    if let Some(verdict) = known.folder.and_then(|path| differs(sae, path, figures)) {
        return verdict;
    }
    let Some(fit) = fit else {
        let why = "Whether it fits is decided once the model of the project is loaded";
        return Verdict::new(Sign::Open, "no model", why);
    };
    if figures.is_none() {
        let why = known.unmeasured.map_or_else(
            || format!("{}; its figures are not measured yet", fit.why),
            str::to_owned,
        );
        return Verdict::new(Sign::Open, "not evaluated", why);
    }
    match fit.verdict {
        fit::Verdict::Proven => Verdict::new(Sign::Good, "fits the model", &fit.why),
        _ => Verdict::new(Sign::Open, "fits by hook and width", &fit.why),
    }
}

/// Verdict on a dictionary whose reconstruction is worse than the mean activation.
fn not_reconstructing(figures: &Figures) -> Verdict {
    let (words, is) = if figures.fvu.is_nan() {
        (
            "does not reconstruct: FVU is not a number",
            "not a number".to_owned(),
        )
    } else {
        (
            "does not reconstruct: FVU above 1",
            format!("{:.3}", figures.fvu),
        )
    };
    let why = format!(
        "FVU is {is} on {} tokens: the mean activation is nearer to the activations than the reconstruction is. The dictionary may have been trained on another model, hook or processing of the weights",
        figures.tokens
    );
    Verdict::new(Sign::Bad, words, why)
}

/// Verdict on a dictionary whose measured figures are not those that its files claim; none where they agree or cannot be compared.
fn differs(sae: &Sae, folder: &Path, figures: Option<&Figures>) -> Option<Verdict> {
    let judged = judge(&formats::claims(sae, folder), figures);
    let differing: Vec<String> = judged
        .iter()
        .filter(|one| one.verdict == eval::Verdict::Differs)
        .map(|one| {
            let measured = one.measured.unwrap_or(f64::NAN);
            let (figure, claimed) = (one.claim.figure.name(), one.claim.value);
            format!(
                "{figure} is {measured:.4}, {} says {claimed:.4}",
                one.claim.from
            )
        })
        .collect();
    let why = differing.join("; ");
    (!differing.is_empty())
        .then(|| Verdict::new(Sign::Warning, "differs from its files' figures", why))
}
