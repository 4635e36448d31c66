//! The token rows that an index holds, as a text.

use super::induction::Peaks;
use crate::corpus::Rows;
use crate::error::Result;
use crate::features::Index;
use crate::features::index::damaged;
use crate::features::pack::{Of, PackedExample};
use crate::ids::TokenId;
use crate::models::Model;

/// Rows of an index, with their numbers in the text that it was built over.
#[derive(Debug)]
pub(in crate::features) struct Held {
    pub(in crate::features) rows: Rows,
    /// Ascending.
    numbers: Vec<u32>,
}

impl Held {
    /// Reads the rows. Special tokens are those of the model, and positions count as they did when the index was built.
    pub(in crate::features) fn read(index: &Index, model: &Model) -> Result<Self> {
        let held = index.rows_held()?;
        let about = index.about();
        let (tokens, documents, names) = held.text;
        let rows = Rows::new(about.context, tokens, documents, names)
            .with_special(model.codec().special())
            .by(about.positions)
            .with_separate_documents(about.separate_documents);
        Ok(Self {
            rows,
            numbers: held.numbers,
        })
    }

    /// Returns the number of a row here from its number in the text.
    pub(in crate::features) fn at(&self, number: u32) -> Option<u32> {
        self.numbers.binary_search(&number).ok().map(|at| at as u32)
    }
}

/// Returns the number of rows that `index` holds; 0 for one of the first version.
pub(super) fn rows_held(index: &Index) -> Result<usize> {
    if index.about().is_older() {
        return Ok(0);
    }
    let counted: Vec<i64> = index.all("SELECT count(*) FROM row", |row| row.get(0))?;
    Ok(counted.into_iter().sum::<i64>() as usize)
}

/// Features whose details are read at once.
const AT_ONCE: usize = 1024;

/// Returns the largest activation and the strongest examples of every feature of `index`, whose rows are `held`.
pub(super) fn peaks(index: &Index, held: &Held) -> Result<Vec<Peaks>> {
    let damaged = || damaged(index.path());
    let place = |example: &PackedExample| match example.of {
        Of::Row { row, position } if position < held.rows.context() => {
            let act = example.acts.get(example.at)?;
            Some((held.at(row)?, position as u32, act.abs()))
        }
        _ => None,
    };
    let summaries = index.summaries()?;
    let mut peaks = Vec::with_capacity(summaries.len());
    for chunk in summaries.chunks(AT_ONCE) {
        let first = peaks.len();
        let details = index.packed_details(first..first + chunk.len())?;
        for (summary, packed) in chunk.iter().zip(details) {
            let top: Option<Vec<_>> = packed.top.iter().map(place).collect();
            peaks.push(Peaks {
                max: summary.strongest().abs(),
                top: top.ok_or_else(damaged)?,
            });
        }
    }
    Ok(peaks)
}

/// Contents of an index's rows in the order of the text.
#[derive(Debug, Default)]
pub(in crate::features) struct HeldText {
    pub(in crate::features) numbers: Vec<u32>,
    /// Tokens, their documents, and the names of documents.
    pub(in crate::features) text: (Vec<TokenId>, Vec<u32>, Vec<String>),
}
