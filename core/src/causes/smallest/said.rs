//! The one sentence on how far the edits got.

use super::{Aim, End, Smallest, Step};
use crate::prompt::NextToken;

impl Smallest {
    /// Says in one sentence how far the edits got.
    pub fn conclusion(&self) -> String {
        let Some(last) = self.steps.last() else {
            return match (&self.aim, self.end) {
                (_, End::Reached) => "The aim is reached without an edit.",
                (Aim::Toward { .. }, _) => {
                    "No feature of the dictionary brings the activations nearer."
                }
                _ => "Removing no single feature that is active in the text brings the aim nearer.",
            }
            .to_owned();
        };
        let edits = match self.steps.len() {
            1 => format!("One edit of {}", self.dictionary),
            some => format!("{some} edits of {}", self.dictionary),
        };
        let verb = |one, many| if self.steps.len() == 1 { one } else { many };
        let why = match self.end {
            End::Reached => "",
            End::Rounds => "; more rounds may go further",
            End::NothingLeft => "; no further one helps",
        };
        let said = self.said.as_deref().unwrap_or("the target");
        match &self.aim {
            Aim::Toward { distance, top, .. } => {
                let leave = verb("leaves", "leave");
                let left = last.distance.unwrap_or_default();
                let share = if *distance > 0.0 {
                    100.0 * left / distance
                } else {
                    0.0
                };
                format!(
                    "{edits} {leave} {share:.0} % of the distance between the texts{why}; {}.",
                    self.agreement(top)
                )
            }
            Aim::Reach { value } => {
                let [from, to] = [self.target, last.target].map(Option::unwrap_or_default);
                let take = verb("takes", "take");
                if self.end == End::Reached {
                    format!(
                        "{edits} {take} {said} from {from:.4} to {to:.4}, which reaches {value:.4}."
                    )
                } else {
                    format!(
                        "{edits} {take} {said} from {from:.4} to {to:.4} and does not reach {value:.4}{why}."
                    )
                }
            }
            Aim::Wins { text, .. } => {
                if self.end == End::Reached {
                    let make = verb("makes", "make");
                    format!("{edits} {make} “{text}” the likeliest next token.")
                } else {
                    let first = last.top.first().map_or("", |next| next.text.as_str());
                    let leave = verb("leaves", "leave");
                    format!("{edits} {leave} “{first}” ahead of “{text}”{why}.")
                }
            }
        }
    }

    /// Says whether the edits make the model predict what the whole patch makes it predict.
    fn agreement(&self, wanted: &[NextToken]) -> String {
        let id = |top: &[NextToken]| top.first().map(|next| next.id);
        let text = wanted.first().map_or("", |next| next.text.as_str());
        if id(&self.top) == id(wanted) {
            return format!(
                "the likeliest next token is “{text}” without edits and under the whole patch, so it decides nothing"
            );
        }
        let agrees = |step: &Step| step.agrees == Some(true);
        match self.steps.iter().position(agrees) {
            Some(step) => format!(
                "from edit {} the likeliest next token is “{text}”, as under the whole patch",
                step + 1
            ),
            None => format!(
                "the likeliest next token does not become “{text}”, as it does under the whole patch"
            ),
        }
    }
}
