//! Sentences on a ladder: its conclusion, and the notes that qualify its figures.

use crate::error::Notes;

use super::{LEAST_RUNGS, Ladder, Law, Rung};

impl Ladder {
    /// Returns in one sentence what the figures say about width.
    pub fn conclusion(&self) -> String {
        let Some((narrow, wide)) = self.ends() else {
            return "All dictionaries have the same number of features, so the ladder says nothing about width".to_owned();
        };
        let change = if wide.fvu < narrow.fvu {
            "falls"
        } else {
            "does not fall"
        };
        let start = format!(
            "From {} to {} features FVU {change} from {:.3} to {:.3}",
            narrow.features, wide.features, narrow.fvu, wide.fvu
        );
        let best = self.rungs.iter().min_by(|a, b| a.fvu.total_cmp(&b.fvu));
        let start = match best.filter(|best| best.fvu < wide.fvu && wide.fvu < narrow.fvu) {
            Some(best) => format!(
                "{start} and is least, {:.3}, at {} features",
                best.fvu, best.features
            ),
            None => start,
        };
        let Some(law) = &self.law else {
            return format!("{start}; {}", self.why_no_law());
        };
        if wide.fvu >= narrow.fvu {
            return format!("{start}: more width did not help here");
        }
        format!("{start}; {}", limit(law, wide))
    }

    /// Returns what qualifies the figures: unequal L0, few degrees of freedom, intervals that say little.
    pub fn notes(&self) -> Notes {
        let mut notes = Notes::default();
        if self.is_unequal() {
            let l0: Vec<String> = self
                .rungs
                .iter()
                .map(|rung| format!("{} {:.1}", rung.name, rung.l0))
                .collect();
            notes.add(format!(
                "The dictionaries differ in L0 ({}), so their FVUs differ by more than the width: compare dictionaries of equal L0 before you read the power law",
                l0.join(", ")
            ));
        }
        let seen = |rung: &Rung| Some(format!("{} {}", rung.name, rung.tokens_seen?));
        let first = self.rungs.first().and_then(|rung| rung.tokens_seen);
        if self.rungs.iter().any(|rung| rung.tokens_seen != first)
            && let Some(seen) = self.rungs.iter().map(seen).collect::<Option<Vec<String>>>()
        {
            notes.add(format!(
                "The dictionaries were trained on different numbers of activations ({}), so their FVUs differ by more than the width: leave out those that were trained on more or fewer before you read the power law",
                seen.join(", ")
            ));
        }
        match &self.law {
            None => notes.add(capital(&self.why_no_law())),
            Some(law) if law.degrees_of_freedom == 1 => notes.add(
                "Three parameters fitted to four dictionaries leave one degree of freedom: R² is close to 1 for almost any falling curve, and the intervals are over the text, not over other widths",
            ),
            Some(law) => notes.add(format!(
                "Three parameters fitted to {} dictionaries leave {} degrees of freedom; the intervals are over the text, not over other widths",
                self.rungs.len(),
                law.degrees_of_freedom
            )),
        }
        let best = self.rungs.iter().min_by(|a, b| a.fvu.total_cmp(&b.fvu));
        let widest = self.rungs.iter().map(|rung| rung.features).max();
        if let Some(best) = best.filter(|best| Some(best.features) != widest) {
            notes.add(format!(
                "{} has the least FVU and is not the widest: wider dictionaries may need more training, and then the power law describes the training rather than the width",
                best.name
            ));
        }
        if let Some(law) = &self.law
            && law.fitted_draws < self.draws
        {
            notes.add(format!(
                "The power law could be fitted to {} of {} draws of {}: the intervals are over those",
                law.fitted_draws, self.draws, self.blocks
            ));
        }
        if let Some(causes) = self.causes()
            && causes
                .iter()
                .any(|cause| cause.linear.is_some_and(|linear| linear < 0.0))
        {
            notes.add(
                "The limit of the power law lies below the mean nonlinear error, so the parts cannot be told apart: the linear part comes out negative",
            );
        }
        notes
    }

    /// Returns why there is no power law, in one clause.
    pub fn why_no_law(&self) -> String {
        let mut widths: Vec<usize> = self.rungs.iter().map(|rung| rung.features).collect();
        widths.sort_unstable();
        widths.dedup();
        if self.rungs.len() < LEAST_RUNGS {
            let count = self.rungs.len();
            format!("a power law takes four dictionaries or more, these are {count}")
        } else if widths.len() < 3 {
            let count = widths.len();
            format!("a power law takes three widths or more, these are {count}")
        } else {
            "no power law could be fitted to these figures".to_owned()
        }
    }

    /// Returns the narrowest and the widest dictionary, of several the one of the least FVU; none where all are of one width.
    fn ends(&self) -> Option<(&Rung, &Rung)> {
        let by = |a: &&Rung, b: &&Rung| a.fvu.total_cmp(&b.fvu);
        let narrow = self.rungs.iter().map(|rung| rung.features).min()?;
        let wide = self.rungs.iter().map(|rung| rung.features).max()?;
        let best = |features: usize| {
            let of = self.rungs.iter().filter(|rung| rung.features == features);
            of.min_by(by)
        };
        (narrow < wide)
            .then(|| best(narrow).zip(best(wide)))
            .flatten()
    }
}

/// Says which limit the law has, and how much of the widest dictionary's error lies below it.
fn limit(law: &Law, wide: &Rung) -> String {
    let c = law.law.c;
    if !law.law.falls() {
        return "the fitted curve does not level off, so these widths show no limit".to_owned();
    }
    let Some(interval) = law.intervals.map(|intervals| intervals.c) else {
        return format!(
            "the power law levels off at {c:.3}; the text is too short for an interval"
        );
    };
    let [low, high] = interval;
    let interval = format!("{c:.3} (95 % interval {low:.3} to {high:.3})");
    if low <= 0.0 {
        return format!(
            "the power law levels off at {interval}: these widths do not decide whether more features would remove all of the error"
        );
    }
    format!(
        "the power law levels off at {interval}: {:.0} % of what the widest dictionary leaves unexplained would stay at any width, if the law holds and training stays as it is",
        100.0 * (c / wide.fvu).min(1.0)
    )
}

/// Returns the clause with a capital first letter.
fn capital(clause: &str) -> String {
    let mut letters = clause.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
