//! Section of a report on the smallest set of edits.

use super::{Aim, DEFINITIONS, Smallest, Step};
use crate::prompt::NextToken;
use crate::section::{Cell, Figure, Lines, Section, Series, Table};

impl Smallest {
    /// Returns the number that the edits bring nearer to its aim, without edits and after each step: the distance between two texts, else the target.
    pub fn course(&self) -> Vec<f64> {
        let toward = match &self.aim {
            Aim::Toward { distance, .. } => Some(*distance),
            Aim::Reach { .. } | Aim::Wins { .. } => None,
        };
        let start = toward.or(self.target);
        let of = |step: &Step| toward.map_or(step.target, |_| step.distance);
        let steps = self.steps.iter().filter_map(of);
        start.into_iter().chain(steps).collect()
    }

    /// Names the number of [`Self::course`].
    pub fn course_name(&self) -> &str {
        match &self.aim {
            Aim::Toward { .. } => "distance to the activation aimed at",
            Aim::Reach { .. } | Aim::Wins { .. } => self.said.as_deref().unwrap_or("target"),
        }
    }

    /// Makes a section of a report: the course, every step with the likeliest next tokens, and the definitions.
    pub fn section(&self) -> Section {
        let course = self.course().into_iter().enumerate();
        let lines = Lines {
            caption: "Aim after each edit, together with all before it".to_owned(),
            x: "edits".to_owned(),
            y: self.course_name().to_owned(),
            series: vec![Series::new(
                "aim",
                course.map(|(edits, value)| (edits as f64, value)),
            )],
        };
        let columns = [
            "edit",
            "feature",
            "position",
            "token",
            "before",
            "after",
            "distance",
            "target",
            "weight",
            "magnitude",
            "next tokens",
        ];
        let mut table = Table::new("Edits in the order in which they were taken", &columns);
        let nothing = || Cell::from(None::<f64>);
        let mut first = vec![Cell::from(0), "none".into()];
        first.extend((0..4).map(|_| nothing()));
        first.extend([
            nothing(),
            self.target.into(),
            nothing(),
            nothing(),
            listed(&self.top).into(),
        ]);
        table = table.row(first);
        for (i, step) in self.steps.iter().enumerate() {
            let token = self.texts.get(step.position).map_or("", String::as_str);
            table = table.row([
                (i + 1).into(),
                step.feature.to_string().into(),
                step.position.into(),
                format!("“{token}”").into(),
                f64::from(step.before).into(),
                f64::from(step.after).into(),
                step.distance.into(),
                step.target.into(),
                step.weight.into(),
                step.magnitude.into(),
                listed(&step.top).into(),
            ]);
        }
        let section = Section::new("What is the least edit?", self.conclusion())
            .setting("dictionary", &self.dictionary)
            .setting("hook", self.hook)
            .setting("text", self.texts.concat())
            .setting("aim", self.aimed());
        section
            .figure(Figure::Lines(lines))
            .figure(table)
            .define(DEFINITIONS)
    }

    /// Says the aim in a few words.
    pub fn aimed(&self) -> String {
        match &self.aim {
            Aim::Toward { texts, .. } => format!("the activations of “{}”", texts.concat()),
            Aim::Reach { value } => {
                format!("{} = {value}", self.said.as_deref().unwrap_or("target"))
            }
            Aim::Wins { text, .. } => format!("“{text}” as the likeliest next token"),
        }
    }
}

/// Lists tokens with their probabilities.
fn listed(top: &[NextToken]) -> String {
    let each = top
        .iter()
        .map(|next| format!("“{}” {:.3}", next.text, next.probability));
    each.collect::<Vec<_>>().join(", ")
}
