//! The reading that is shown and its features in their order, ranked anew when the reading, the index or the chosen order is another.

use std::sync::Arc;

use umbra_core::features::{Firing, Ranked, Rarity, Survey};
use umbra_core::prompt::Reading;

use super::AppState;
use super::features::Table;
use super::load::Load;
use super::prompt::Surveyed;
use super::settings::Ranking;

impl AppState {
    /// The reading to show: that of the present sentence, or the last one of this dictionary while the next is on its way.
    pub(crate) fn reading(&self) -> Option<&Arc<Reading>> {
        if let Load::Ready(reading) = &self.prompt.reading {
            return Some(reading);
        }
        let (of, reading) = self.prompt.last.as_ref()?;
        (Some(*of) == self.reader()).then_some(reading)
    }

    /// The table of the index that ranks features; none where there is no index of the reading dictionary.
    fn ranking_table(&self) -> Option<&Arc<Table>> {
        let reader = self.reader()??;
        self.features.table_for(reader)
    }

    /// Whether features can be ranked by surprise.
    pub(crate) fn has_rarity(&self) -> bool {
        self.ranking_table().is_some()
    }

    /// The index's figures, if features are ranked by them.
    pub(crate) fn rarity(&self) -> Option<&Rarity> {
        if self.settings.ranking == Ranking::Activation {
            return None;
        }
        self.ranking_table().map(|table| &table.rarity)
    }

    fn surveyed(&self) -> Option<&Surveyed> {
        let surveyed = self.prompt.surveyed.as_ref()?;
        Arc::ptr_eq(&surveyed.reading, self.reading()?).then_some(surveyed)
    }

    /// The features of the reading that is shown, in the chosen order; none without a reading.
    pub(crate) fn survey(&self) -> Option<&Survey> {
        let surveyed = self.surveyed()?;
        Some(surveyed.by_size.as_ref().unwrap_or(&surveyed.survey))
    }

    /// Returns the features by surprise, whatever order was chosen for the list; by size without an index.
    pub(crate) fn surprises(&self) -> Option<&Survey> {
        Some(&self.surveyed()?.survey)
    }

    /// The feature that surprises most in the sentence of Prompt, and where; the strongest one while nothing ranks by surprise.
    pub(crate) fn most_surprising(&self) -> Option<&Firing> {
        self.surprises()?.features.listed.first()
    }

    /// The active features of a token of the reading that is shown, in the chosen order.
    pub(crate) fn ranked(&self, reading: &Reading, at: usize) -> Ranked {
        match self.rarity() {
            Some(rarity) => rarity.rank(reading, at),
            None => Ranked {
                listed: reading
                    .strongest(at, usize::MAX)
                    .into_iter()
                    .map(|(feature, act)| Firing {
                        feature,
                        at,
                        act,
                        surprise: None,
                    })
                    .collect(),
                ..Ranked::default()
            },
        }
    }

    /// Ranks the features of the reading anew if anything that they depend on is another.
    pub(super) fn survey_again(&mut self) {
        let Some(reading) = self.reading().cloned() else {
            self.prompt.surveyed = None;
            return;
        };
        let table = self.ranking_table().cloned();
        let by_size = table.is_some() && self.settings.ranking == Ranking::Activation;
        let same = |surveyed: &Surveyed| {
            let tables = match (&surveyed.table, &table) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            tables
                && surveyed.by_size.is_some() == by_size
                && Arc::ptr_eq(&surveyed.reading, &reading)
        };
        if self.prompt.surveyed.as_ref().is_some_and(same) {
            return;
        }
        let survey = match &table {
            Some(table) => table.rarity.survey(&reading),
            None => Survey::by_size(&reading),
        };
        let by_size = by_size.then(|| Survey::by_size(&reading));
        self.prompt.surveyed = Some(Surveyed {
            reading,
            table,
            survey,
            by_size,
        });
    }
}
