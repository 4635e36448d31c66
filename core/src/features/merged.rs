//! Everything of an index but what it says about itself, read back from its file, so that indexes over different rows of a text become one.

use std::collections::{BTreeMap, HashMap};

use super::effects::Effects;
use super::file::{Content, ROWS};
use super::index::damaged;
use super::named::{neighbours, neurons};
use super::pack::{PackedDetail, PackedRow};
use super::pack_statistics::PackedStatistics;
use super::sources::OfFeature;
use super::tallies::Tallies;
use super::text::Text;
use super::weights::Weights;
use super::written::Parts as Written;
use super::{About, Index, Summary};
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// Content of an index as values.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) text: Text,
    pub(super) tallies: Tallies,
    effects: Vec<Effects>,
    weights: Vec<Weights>,
}

impl Parts {
    /// Reads the content of an index; an error for an index of an older form, which holds no counts.
    pub(super) fn read(index: &Index) -> Result<Self> {
        Ok(Self {
            tallies: index.tallies()?,
            text: index.text()?,
            effects: index.effects()?,
            weights: index.weights()?,
        })
    }

    /// Gives every row a new number, for rows of a text that follows another.
    pub(super) fn renumber(&mut self, new: &(dyn Fn(u32) -> u32 + Sync)) {
        self.text.renumber(new);
        self.tallies.renumber(new);
    }

    /// Adds the content of another index of the same dictionary and model; an error where both cover a row, or were built with different settings.
    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        self.tallies.merge(other.tallies)?;
        self.text.merge(other.text);
        Ok(())
    }

    /// Returns it as content to write, with the sources of the strongest examples and the effects on the loss there; either may be empty.
    pub(super) fn content<'a>(
        &'a self,
        about: &'a About,
        (sources, losses): (&'a [OfFeature], &'a [Vec<f32>]),
    ) -> Content<'a> {
        Content {
            about,
            text: &self.text,
            tallies: &self.tallies,
            effects: &self.effects,
            weights: &self.weights,
            sources,
            losses,
            without_counts: false,
        }
    }
}

impl Index {
    /// Reads everything that it counted, for merging; an error for an index of an older form.
    pub(super) fn tallies(&self) -> Result<Tallies> {
        if self.about().form <= ROWS {
            let what = "the index is an older form and holds no counts to merge: build it again";
            return Err(Error::input(what, self.path()));
        }
        let parts = self.all("SELECT packed FROM tally ORDER BY part", |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        if parts.is_empty() {
            let what = "the index was built without its full counts and cannot be merged: build it again with them";
            return Err(Error::input(what, self.path()));
        }
        Tallies::from_parts(&parts)
            .filter(|tallies| tallies.setup.features == self.about().features)
            .ok_or_else(|| damaged(self.path()))
    }

    /// Reads what it keeps of its text, for merging; an error for an index of an older form.
    pub(super) fn text(&self) -> Result<Text> {
        let names = self.names()?;
        let frequency = self.all("SELECT frequency FROM token ORDER BY rank", |row| {
            row.get::<_, i64>(0).map(|count| count as u64)
        })?;
        let mut text = Text {
            context: self.about().context,
            frequency: BTreeMap::new(),
            shown: HashMap::new(),
            rows: BTreeMap::new(),
            documents: names.documents.clone(),
        };
        for ((id, shown), frequency) in names.tokens.iter().zip(frequency) {
            text.frequency.insert(*id, frequency);
            text.shown.insert(*id, shown.clone());
        }
        let select = "SELECT row, packed FROM row UNION ALL SELECT row, packed FROM spare";
        let rows = self.all(select, |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        for (number, packed) in rows {
            let row = PackedRow::from_bytes(&packed).and_then(|row| self.text_row(names, &row));
            text.rows
                .insert(number, row.ok_or_else(|| damaged(self.path()))?);
        }
        Ok(text)
    }

    /// Reads the effects of all features by their weights, for merging.
    pub(super) fn effects(&self) -> Result<Vec<Effects>> {
        let names = self.names()?;
        let named = |effects: Vec<(u32, f32)>| -> Option<Vec<(TokenId, f32)>> {
            let named = |(rank, effect)| Some((names.token(rank)?.0, effect));
            effects.into_iter().map(named).collect()
        };
        let effects = |(packed, written): (PackedDetail, Written)| {
            Some(Effects {
                written,
                promoted: named(packed.promoted)?,
                suppressed: named(packed.suppressed)?,
                logits: packed.logits,
                head_shares: packed.head_shares,
            })
        };
        let packed = self.packed_details(0..self.about().features)?;
        let written = self.all_written()?;
        let all: Option<Vec<Effects>> = packed.into_iter().zip(written).map(effects).collect();
        all.ok_or_else(|| damaged(self.path()))
    }

    /// Reads what follows from the weights of all features, for merging; an error for an index of an older form.
    pub(super) fn weights(&self) -> Result<Vec<Weights>> {
        let statistics = self.all_statistics()?.ok_or_else(|| damaged(self.path()))?;
        let summaries = self.columns()?.summaries.iter();
        let weights = |(summary, packed): (&Summary, PackedStatistics)| Weights {
            norm: summary.decoder_norm,
            encoder_decoder_cosine: summary.encoder_decoder_cosine,
            neighbours: neighbours(&packed.neighbours),
            neurons: neurons(&packed.neurons),
        };
        Ok(summaries.zip(statistics).map(weights).collect())
    }
}
