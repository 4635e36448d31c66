//! The reading that is shown and its features in their order, ranked anew when the reading, the index or the chosen order is another.

use std::sync::Arc;

use umbra_core::features::{Firing, Ranked, Rarity, Survey};
use umbra_core::ids::FeatureId;
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

    /// The order of a sentence's features: the chosen one, or that by activation where surprise was chosen and nothing tells it.
    pub(crate) fn ranking(&self) -> Ranking {
        match self.settings.ranking {
            Ranking::Surprise if !self.has_rarity() => Ranking::Activation,
            ranking => ranking,
        }
    }

    /// The index's figures, if features are ranked by them.
    pub(crate) fn rarity(&self) -> Option<&Rarity> {
        let table = self.ranking_table();
        let table = table.filter(|_| self.ranking() == Ranking::Surprise);
        table.map(|table| &table.rarity)
    }

    fn surveyed(&self) -> Option<&Surveyed> {
        let surveyed = self.prompt.surveyed.as_ref()?;
        Arc::ptr_eq(&surveyed.reading, self.reading()?).then_some(surveyed)
    }

    /// The features of the reading that is shown, in the chosen order; none without a reading.
    pub(crate) fn survey(&self) -> Option<&Survey> {
        let surveyed = self.surveyed()?;
        let chosen = surveyed.chosen.as_ref().map(|(_, survey)| survey);
        Some(chosen.unwrap_or(&surveyed.survey))
    }

    /// Returns the share of a feature in the reconstruction of the text that is shown, if features are ranked by it.
    pub(crate) fn share(&self, feature: FeatureId) -> Option<f64> {
        self.surveyed()?.shares.get(&feature).copied()
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
        if let Some(rarity) = self.rarity() {
            return rarity.rank(reading, at);
        }
        let mut pairs = reading.strongest(at, usize::MAX);
        if self.ranking() == Ranking::Share {
            let share = |pair: &(FeatureId, f32)| reading.share(at, pair.0).abs();
            pairs.sort_by(|a, b| share(b).total_cmp(&share(a)));
        }
        let firing = |(feature, act)| Firing {
            feature,
            at,
            act,
            surprise: None,
        };
        Ranked {
            listed: pairs.into_iter().map(firing).collect(),
            ..Ranked::default()
        }
    }

    /// Ranks the features of the reading anew if anything that they depend on is another.
    pub(super) fn survey_again(&mut self) {
        let Some(reading) = self.reading().cloned() else {
            self.prompt.surveyed = None;
            return;
        };
        let table = self.ranking_table().cloned();
        let ranking = self.ranking();
        let usual = match table {
            Some(_) => Ranking::Surprise,
            None => Ranking::Activation,
        };
        let wanted = Some(ranking).filter(|ranking| *ranking != usual);
        let same = |surveyed: &Surveyed| {
            let tables = match (&surveyed.table, &table) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            tables
                && surveyed.chosen.as_ref().map(|(ranking, _)| *ranking) == wanted
                && Arc::ptr_eq(&surveyed.reading, &reading)
        };
        if self.prompt.surveyed.as_ref().is_some_and(same) {
            return;
        }
        let survey = match &table {
            Some(table) => table.rarity.survey(&reading),
            None => Survey::by_size(&reading),
        };
        let chosen = wanted.map(|ranking| match ranking {
            Ranking::Share => (ranking, Survey::by_share(&reading)),
            Ranking::Surprise | Ranking::Activation => (ranking, Survey::by_size(&reading)),
        });
        let parts = match ranking {
            Ranking::Share => reading.parts(),
            Ranking::Surprise | Ranking::Activation => Vec::new(),
        };
        self.prompt.surveyed = Some(Surveyed {
            reading,
            table,
            survey,
            chosen,
            shares: parts
                .iter()
                .map(|part| (part.feature, part.share))
                .collect(),
        });
    }
}
