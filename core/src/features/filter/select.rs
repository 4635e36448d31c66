//! Chooses features of an index by a filter and an order: what the command line and reports do.

use super::{Answers, Column, Columns, Condition, Filter, Known, Measurement, Sort};
use crate::error::{Error, Result};
use crate::features::{Hit, Index, Words};
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};

/// Features that a filter keeps, in order, with what it was decided by.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Features in the order asked for.
    pub features: Vec<FeatureId>,
    /// Quantities of all features.
    pub columns: Columns,
    /// Features found for the filter's texts.
    pub answers: Answers,
}

impl Chosen {
    /// Returns why `feature` was found for the filter's first words; none for a filter without.
    pub fn hit(&self, feature: FeatureId) -> Option<&Hit> {
        let mut hits = self.answers.first().iter();
        hits.find(|hit| hit.feature == feature)
    }
}

impl Filter {
    /// Returns what conditions and order need that the index lacks, as sentences with the remedy.
    pub fn lacks(&self, columns: &Columns, sort: &Sort) -> Vec<String> {
        let mut asked = self.columns();
        asked.extend(sort.keys.iter().map(|key| key.column));
        let lacking = |measurement: Measurement| {
            let mut lacking = asked.iter().filter(|column| !columns.has(**column));
            lacking.any(|column| column.measurement() == Some(measurement))
        };
        let moments = asked.iter().any(|column| {
            matches!(
                column,
                Column::Variance | Column::Skewness | Column::Kurtosis
            )
        });
        let mut layers = Vec::new();
        self.each(&mut |condition| {
            if let Condition::Head {
                layer: Some(layer), ..
            } = condition
            {
                layers.push(*layer);
            }
        });
        let mut lacks = Vec::new();
        let by_relevance = asked.contains(&Column::Relevance);
        let mut add = |lacking: bool, sentence: &str| {
            if lacking {
                lacks.push(sentence.to_owned());
            }
        };
        add(
            by_relevance && self.phrase().is_none(),
            "the order `why` needs words in the filter, which every feature has to match",
        );
        add(
            lacking(Measurement::Families),
            "the index has no families: measure them with `umbra index families`",
        );
        add(
            lacking(Measurement::Scores),
            "the index has no steering scores: measure them with `umbra index score`",
        );
        add(
            lacking(Measurement::Facts),
            "the index has no facts: measure them with `umbra index facts`",
        );
        add(
            lacking(Measurement::Heads),
            "the dictionary's hook has no heads: choose a dictionary of attn.hook_z",
        );
        let older = || {
            let live = columns.summaries.iter().filter(|s| s.density > 0.0);
            let mut live = live.peekable();
            live.peek().is_some() && live.all(|s| s.moments.is_none())
        };
        add(
            moments && older(),
            "the index is an older version without variance, skewness and kurtosis: build it again",
        );
        if let Some(here) = columns.layer.filter(|_| columns.heads.is_some()) {
            for layer in layers.into_iter().filter(|layer| *layer != here.0) {
                lacks.push(format!(
                    "the dictionary reads the heads of layer {here}, and the filter asks for one of layer {layer}: write `head={here}.…`"
                ));
            }
        }
        lacks
    }

    /// Returns the features of `index` that the filter keeps, by number, with the words of the index already read; `labels` ascend by feature.
    pub fn kept(
        &self,
        index: &Index,
        words: &Words,
        labels: &[(FeatureId, &str)],
    ) -> Result<Vec<FeatureId>> {
        let columns = Columns::read_some(index, &self.columns())?;
        self.check(&columns, &Sort::default(), index)?;
        let known = Known {
            columns: &columns,
            labels,
            answers: &Answers::new(words, &self.texts(), labels),
        };
        Ok(self.prepare(known).kept())
    }

    fn check(&self, columns: &Columns, sort: &Sort, index: &Index) -> Result<()> {
        let mut lacks = self.lacks(columns, sort);
        let others = self.other_than_kinds(columns).into_iter();
        lacks.extend(others.filter(|(_, held)| !held).map(|(what, _)| what));
        match lacks.into_iter().next() {
            Some(lack) => Err(Error::input(lack, index.path())),
            None => Ok(()),
        }
    }
}

/// Reads what filter, order and `shown` columns need from `index`, and returns the features that are kept, in order; `labels` ascend by feature. Refuses a filter or
/// an order of measurements that the index lacks. Where the filter has words, all words of the index are read, and the observer may stop that.
pub fn select(
    index: &Index,
    (filter, sort, shown): (&Filter, &Sort, &[Column]),
    labels: &[(FeatureId, &str)],
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Chosen>> {
    let mut needed = filter.columns();
    needed.extend(sort.keys.iter().map(|key| key.column));
    needed.extend(shown);
    let columns = Columns::read_some(index, &needed)?;
    filter.check(&columns, sort, index)?;
    let texts = filter.texts();
    let answers = if texts.is_empty() {
        Answers::default()
    } else {
        let Ended::Done(words) = Words::read(index, observe)? else {
            return Ok(Ended::STOPPED);
        };
        Answers::new(&words, &texts, labels)
    };
    let known = Known {
        columns: &columns,
        labels,
        answers: &answers,
    };
    let features = filter.prepare(known).sorted(sort);
    Ok(Ended::Done(Chosen {
        features,
        columns,
        answers,
    }))
}
