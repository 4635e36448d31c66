//! The text of an index, as far as the index keeps it: its tokens with their frequency and display, and the rows that hold an example or may come to hold one when
//! indexes are merged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::effects::Effects;
use super::reservoir::Moment;
use super::tallies::Tallies;
use super::tally::Tally;
use crate::corpus::Rows;
use crate::ids::TokenId;
use crate::text::TextCodec;

/// A token row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextRow {
    pub(super) ids: Vec<TokenId>,
    /// Number of the document of each token in [`Text::documents`].
    pub(super) documents: Vec<u32>,
}

/// Tokens and rows of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// Row length.
    pub(super) context: usize,
    /// Number of each token in the text; 0 for tokens that are only promoted or suppressed.
    pub(super) frequency: BTreeMap<TokenId, u64>,
    /// These tokens as shown.
    pub(super) shown: HashMap<TokenId, String>,
    /// Kept rows by number.
    pub(super) rows: BTreeMap<u32, TextRow>,
    /// Names of documents.
    pub(super) documents: Vec<String>,
}

impl Text {
    /// Takes what an index of `tallies` and `effects` keeps of `rows`.
    pub(super) fn new(
        codec: &TextCodec,
        rows: &Rows,
        (tallies, effects): (&Tallies, &[Effects]),
    ) -> Self {
        let mut frequency: BTreeMap<TokenId, u64> = BTreeMap::new();
        for row in tallies.rows.iter().flat_map(Clone::clone) {
            for id in rows.row(row as usize) {
                *frequency.entry(*id).or_default() += 1;
            }
        }
        for effects in effects {
            for (id, _) in effects.promoted.iter().chain(&effects.suppressed) {
                frequency.entry(*id).or_default();
            }
            for id in effects.written.tokens() {
                frequency.entry(id).or_default();
            }
        }
        let moments = tallies.features.iter().flat_map(Tally::kept);
        let kept: BTreeSet<u32> = moments.map(|moment: &Moment| moment.row).collect();
        let mut documents = Documents::default();
        let row = |row: u32| {
            let i = row as usize;
            let document = |t: usize| documents.number(rows.document(i, t));
            let documents = (0..rows.context()).map(document).collect();
            let ids = rows.row(i).to_vec();
            (row, TextRow { ids, documents })
        };
        let kept = kept.into_iter().map(row).collect();
        Self {
            context: rows.context(),
            shown: frequency
                .keys()
                .map(|id| (*id, codec.display(*id)))
                .collect(),
            frequency,
            rows: kept,
            documents: documents.names,
        }
    }

    /// Adds the text of other rows of equal length.
    pub(super) fn merge(&mut self, other: Self) {
        for (id, count) in other.frequency {
            *self.frequency.entry(id).or_default() += count;
        }
        self.shown.extend(other.shown);
        let mut documents = Documents::from_names(std::mem::take(&mut self.documents));
        let numbers: Vec<u32> = other
            .documents
            .iter()
            .map(|name| documents.number(name))
            .collect();
        for (number, mut row) in other.rows {
            for document in &mut row.documents {
                *document = numbers[*document as usize];
            }
            self.rows.insert(number, row);
        }
        self.documents = documents.names;
    }

    /// Gives every row a new number.
    pub(super) fn renumber(&mut self, new: &dyn Fn(u32) -> u32) {
        let rows = std::mem::take(&mut self.rows).into_iter();
        self.rows = rows.map(|(number, row)| (new(number), row)).collect();
    }
}

/// Names of documents in order of appearance.
#[derive(Debug, Default)]
struct Documents {
    names: Vec<String>,
    number_from_name: HashMap<String, u32>,
}

impl Documents {
    fn from_names(names: Vec<String>) -> Self {
        Self {
            number_from_name: names.iter().cloned().zip(0..).collect(),
            names,
        }
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.number_from_name.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.number_from_name.insert(name.to_owned(), number);
        number
    }
}
