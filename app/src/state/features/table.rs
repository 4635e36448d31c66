//! The feature table's data with every column's order, made once in the job that reads the index.

use umbra_core::features::{Rarity, Summary};

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
    /// Ascending order by density, mean, max, norm, top token; features without a top token last.
    orders: [Vec<u32>; 5],
    /// Number of features with a top token.
    named: usize,
}

impl Table {
    /// Sorts every column once; `top_tokens` holds one entry per summary.
    pub fn new(dictionary: DictionaryId, summaries: Vec<Summary>, top_tokens: Vec<String>) -> Self {
        let by = |value: fn(&Summary) -> f64| {
            let mut order: Vec<u32> = (0..summaries.len() as u32).collect();
            order.sort_by(|a, b| {
                let at = |i: &u32| value(&summaries[*i as usize]);
                at(a).total_cmp(&at(b))
            });
            order
        };
        let mut tokens: Vec<u32> = (0..summaries.len() as u32).collect();
        let word = |i: u32| top_tokens.get(i as usize).map_or("", |t| t.trim());
        tokens.sort_by_cached_key(|i| (word(*i).is_empty(), word(*i).to_lowercase()));
        let named = tokens.partition_point(|i| !word(*i).is_empty());
        let orders = [
            by(|s| s.density),
            by(|s| s.mean),
            by(|s| s.strongest().abs()),
            by(|s| s.decoder_norm),
            tokens,
        ];
        Self {
            dictionary,
            rarity: Rarity::new(&summaries),
            summaries,
            top_tokens,
            orders,
            named,
        }
    }

    /// Features in ascending order of a column; none for the columns that need none (number) or depend on more than the index (name, relevance).
    pub(crate) fn order(&self, column: Column) -> Option<&[u32]> {
        let at = match column {
            Column::Number | Column::Name | Column::Relevance => return None,
            Column::Density => 0,
            Column::Mean => 1,
            Column::Max => 2,
            Column::Norm => 3,
        };
        Some(&self.orders[at])
    }

    /// Features by the token at which they peak, and those that have none.
    pub(crate) fn by_token(&self) -> (&[u32], &[u32]) {
        self.orders[4].split_at(self.named)
    }

    /// The size of the strongest activation of a feature, 1 where nothing is known.
    pub(crate) fn most(&self, feature: umbra_core::ids::FeatureId) -> f64 {
        let summary = self.summaries.get(feature.index());
        let most = summary.map_or(1.0, |s| s.strongest().abs());
        most.max(f64::MIN_POSITIVE)
    }
}
