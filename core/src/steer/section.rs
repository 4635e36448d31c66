//! A steering run as a section of a report.

use super::{Change, GENERATED_KL, KL, Outcome, PERPLEXITY, Sample};
use crate::models::Sampling;
use crate::section::{Lines, Section, Series, Table};

impl Outcome {
    /// Returns what the run shows, in one sentence.
    pub fn conclusion(&self) -> String {
        let differ = |sample: &&Sample| sample.baseline.written != sample.steered.written;
        let differ = self.samples.iter().filter(differ).count();
        let texts = match (differ, self.samples.len()) {
            (0, _) => "the same text".to_owned(),
            (_, 1) => "another text".to_owned(),
            (differ, all) => format!("another text for {differ} of {all} seeds"),
        };
        let along = self.first().and_then(|of| of.generated.as_ref());
        let along = along.map_or(String::new(), |of| {
            format!(", and by {:.4} nats a token along the steered text", of.kl)
        });
        format!(
            "The edits move the next token at the prompt's end by {:.4} nats (KL){along}; the model writes {texts}",
            self.kl
        )
    }

    /// Returns the run as a section of a report: of the prompt as shown, the edits as written, and how tokens were picked.
    pub fn section(&self, prompt: &str, edits: &[String], sampling: &Sampling) -> Section {
        let heads = ["seed", "run", "text", "perplexity"];
        let mut texts = Table::new("All texts", &heads);
        for sample in &self.samples {
            for (name, text) in [("baseline", &sample.baseline), ("steered", &sample.steered)] {
                texts = texts.row([
                    (sample.seed as f64).into(),
                    name.into(),
                    text.written.text.as_str().into(),
                    text.perplexity().unwrap_or(f64::NAN).into(),
                ]);
            }
        }
        let mut section = Section::new("Steered text", self.conclusion()).setting("prompt", prompt);
        for edit in edits {
            section = section.setting("edit", edit);
        }
        section = section
            .setting("temperature", sampling.temperature)
            .setting("seed", sampling.seed)
            .figure(texts)
            .figure(changes("Next token at the prompt's end", &self.shift));
        let first = self.first();
        if let Some((sample, generated)) = first.and_then(|of| Some((of, of.generated.as_ref()?))) {
            let points = sample.steered.measures.iter().enumerate();
            let points = points.map(|(t, measure)| (t as f64, measure.kl));
            section = section
                .figure(changes(
                    "Next token along the steered text, mean",
                    &generated.shift,
                ))
                .figure(Lines {
                    caption: "KL by token of the steered text".to_owned(),
                    x: "token, from 0".to_owned(),
                    y: "KL(steered ‖ baseline), nats".to_owned(),
                    series: vec![Series::new("KL", points)],
                });
        }
        section.define(&[
            ("KL", KL),
            ("KL along the text", GENERATED_KL),
            ("perplexity", PERPLEXITY),
        ])
    }

    fn first(&self) -> Option<&Sample> {
        self.samples.first()
    }
}

fn changes(caption: &str, shift: &[Change]) -> Table {
    let mut table = Table::new(caption, &["token", "before", "after", "change"]);
    for change in shift {
        let (before, after) = (f64::from(change.before), f64::from(change.after));
        table = table.row([
            format!("{:?}", change.text).into(),
            before.into(),
            after.into(),
            (after - before).into(),
        ]);
    }
    table
}
