//! The feature table's data with every column's order, made once in the job that reads the index.

use std::cmp::Ordering;

use umbra_core::features::families::{Families, Family, Measured};
use umbra_core::features::{Rarity, Summary};
use umbra_core::ids::FeatureId;

use crate::state::catalogue::DictionaryId;

/// A column by which the table can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Column {
    /// Number of the feature.
    #[default]
    Number,
    /// Its name: labels first, then the tokens at which features peak.
    Name,
    /// Share of tokens on which it is active.
    Density,
    /// Mean activation where active.
    Mean,
    /// Activation of largest magnitude, by which it is sorted.
    Max,
    /// Norm of its decoder row.
    Norm,
    /// Family by measured predicates.
    Family,
    /// Number of last tokens that keep its activation.
    Reach,
    /// Specificity of induction in its top activation half.
    Induction,
    /// How well it matches the words of the filter.
    Relevance,
}

impl Column {
    /// Its id in the table.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Number => "feature",
            Self::Name => "name",
            Self::Density => "density",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Norm => "norm",
            Self::Family => "family",
            Self::Reach => "reach",
            Self::Induction => "induction",
            Self::Relevance => "why",
        }
    }

    /// The column with this id.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        let all = [
            Self::Number,
            Self::Name,
            Self::Density,
            Self::Mean,
            Self::Max,
            Self::Norm,
            Self::Family,
            Self::Reach,
            Self::Induction,
            Self::Relevance,
        ];
        all.into_iter().find(|column| column.id() == id)
    }
}

/// A column and a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// Column to sort by.
    pub column: Column,
    /// Largest first.
    pub descending: bool,
}

impl Default for Sort {
    /// The strongest features first.
    fn default() -> Self {
        Self {
            column: Column::Max,
            descending: true,
        }
    }
}

/// Data of the feature table for one dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// Scalars, by feature.
    pub(crate) summaries: Vec<Summary>,
    /// The strongest token of each feature's top example.
    pub(crate) top_tokens: Vec<String>,
    /// Figures by which activations are ranked.
    pub(crate) rarity: Rarity,
    /// Families, where they were measured.
    families: Option<Families>,
    /// Order by density, mean, max, norm, top token, family, reach, induction.
    orders: [Order; 8],
}

/// Features in ascending order of a column; those without a value last.
#[derive(Debug, Clone, PartialEq, Default)]
struct Order {
    features: Vec<u32>,
    /// Number of features with a value.
    known: usize,
}

impl Order {
    /// Sorts features by `key`, those with none last.
    fn new<K: PartialOrd>(features: usize, key: impl Fn(usize) -> Option<K>) -> Self {
        let keys: Vec<Option<K>> = (0..features).map(key).collect();
        let mut order: Vec<u32> = (0..features as u32).collect();
        order.sort_by(|a, b| match (&keys[*a as usize], &keys[*b as usize]) {
            (Some(a), Some(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        Self {
            known: keys.iter().flatten().count(),
            features: order,
        }
    }

    /// Returns the features with a value, ascending, and those without.
    fn parts(&self) -> (&[u32], &[u32]) {
        self.features.split_at(self.known)
    }
}

impl Table {
    /// Sorts every column once; `top_tokens` holds one entry per summary.
    pub fn new(dictionary: DictionaryId, summaries: Vec<Summary>, top_tokens: Vec<String>) -> Self {
        let all = summaries.len();
        let by = |value: fn(&Summary) -> f64| Order::new(all, |i| Some(value(&summaries[i])));
        let words: Vec<String> = (0..all)
            .map(|i| top_tokens.get(i).map_or("", |t| t.trim()).to_lowercase())
            .collect();
        let orders = [
            by(|s| s.density),
            by(|s| s.mean),
            by(|s| s.strongest().abs()),
            by(|s| s.decoder_norm),
            Order::new(all, |i| Some(&words[i]).filter(|word| !word.is_empty())),
            Order::default(),
            Order::default(),
            Order::default(),
        ];
        Self {
            dictionary,
            rarity: Rarity::new(&summaries),
            summaries,
            top_tokens,
            families: None,
            orders,
        }
    }

    /// Adds the families of the features, if they were measured, with the orders of their columns.
    #[must_use]
    pub fn with_families(mut self, families: Option<Families>) -> Self {
        let all = self.summaries.len();
        let families = families.filter(|families| families.features.len() == all);
        if let Some(families) = &families {
            let of = &families.features;
            self.orders[5] = Order::new(all, |i| of[i].family());
            self.orders[6] = Order::new(all, |i| reach(&of[i]));
            self.orders[7] = Order::new(all, |i| induction(&of[i]));
        }
        self.families = families;
        self
    }

    /// Families, where they were measured.
    pub(crate) fn families(&self) -> Option<&Families> {
        self.families.as_ref()
    }

    /// Measurements of a feature's family, where they were made.
    pub(crate) fn measured(&self, feature: FeatureId) -> Option<&Measured> {
        self.families.as_ref()?.features.get(feature.index())
    }

    /// Features with a value in a column, ascending, and those without; none for the columns that need no order (number), depend on more than the index (name,
    /// relevance) or were not measured.
    pub(crate) fn order(&self, column: Column) -> Option<(&[u32], &[u32])> {
        let at = match column {
            Column::Number | Column::Name | Column::Relevance => return None,
            Column::Density => 0,
            Column::Mean => 1,
            Column::Max => 2,
            Column::Norm => 3,
            Column::Family | Column::Reach | Column::Induction if self.families.is_none() => {
                return None;
            }
            Column::Family => 5,
            Column::Reach => 6,
            Column::Induction => 7,
        };
        Some(self.orders[at].parts())
    }

    /// Features by the token at which they peak, and those that have none.
    pub(crate) fn by_token(&self) -> (&[u32], &[u32]) {
        self.orders[4].parts()
    }

    /// The size of the strongest activation of a feature, 1 where nothing is known.
    pub(crate) fn most(&self, feature: FeatureId) -> f64 {
        let summary = self.summaries.get(feature.index());
        let most = summary.map_or(1.0, |s| s.strongest().abs());
        most.max(f64::MIN_POSITIVE)
    }
}

/// Reach of a feature for orders and ranges: infinite where 32 tokens are not enough; none where it was not measured.
pub(crate) fn reach(measured: &Measured) -> Option<f64> {
    let reach = measured.reach?.reach();
    Some(reach.map_or(f64::INFINITY, |reach| reach as f64))
}

/// Specificity of induction; none for a feature whose strongest tokens never repeat.
pub(crate) fn induction(measured: &Measured) -> Option<f64> {
    let induction = measured.induction.as_ref()?;
    Some(induction.specificity())
}

/// Reads the name of a family.
pub(crate) fn family_named(name: &str) -> Option<Family> {
    Family::ALL.into_iter().find(|family| family.name() == name)
}
