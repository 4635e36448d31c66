//! Whether texts are written anew while a control moves: a person decides, and until then the length of the text and the measured pace of the model.

use std::time::Duration;

use super::Request;

/// Most tokens of all steered texts that are written live unasked.
const SHORT: usize = 256;

/// Longest wait for a first token that is taken for live.
const FIRST: Duration = Duration::from_millis(500);

/// Longest time of all steered texts that are written live unasked.
const WHOLE: Duration = Duration::from_secs(8);

/// Measured pace of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// Time from its start to the first steered token.
    pub(crate) first: Duration,
    /// Time per steered token from then on.
    pub(crate) token: Duration,
}

/// Whether texts follow the form at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    /// Whether they do.
    pub(crate) on: bool,
    /// Why they do not, if nobody has decided it: one sentence.
    pub(crate) why_not: Option<String>,
}

impl Live {
    /// Decides about runs of `request`.
    pub(super) fn new(chosen: Option<bool>, pace: Option<Pace>, request: &Request) -> Self {
        if let Some(on) = chosen {
            return Self { on, why_not: None };
        }
        let tokens = request.sampling.tokens.saturating_mul(request.samples);
        let slow = pace.and_then(|pace| {
            let whole = pace
                .token
                .checked_mul(u32::try_from(tokens).unwrap_or(u32::MAX));
            let whole = whole.map_or(Duration::MAX, |all| all.saturating_add(pace.first));
            if pace.first > FIRST {
                Some(format!(
                    "Live is off: this model needs {:.1} s to its first token",
                    pace.first.as_secs_f64()
                ))
            } else if whole > WHOLE {
                Some(format!(
                    "Live is off: this model needs {:.0} s for {tokens} tokens",
                    whole.as_secs_f64()
                ))
            } else {
                None
            }
        });
        let long = || {
            let words = format!("Live is off: more than {SHORT} tokens are to be written");
            (tokens > SHORT).then_some(words)
        };
        let why_not = slow.or_else(long);
        Self {
            on: why_not.is_none(),
            why_not,
        }
    }
}

#[cfg(test)]
mod tests {
    use umbra_core::models::Sampling;

    use super::*;

    #[test]
    fn short_texts_of_a_quick_model_are_live_until_a_person_decides() {
        let request = |tokens, samples| Request {
            dictionaries: vec![],
            edits: vec![],
            prompt: "Once".into(),
            sampling: Sampling {
                tokens,
                ..Sampling::default()
            },
            samples,
            dial: None,
        };
        let pace = |first, token| {
            let (first, token) = (Duration::from_millis(first), Duration::from_millis(token));
            Some(Pace { first, token })
        };
        let check = |chosen, pace, request: &Request, on, words: &str| {
            let live = Live::new(chosen, pace, request);
            assert_eq!(live.on, on);
            let why = live.why_not.unwrap_or_default();
            assert!(
                why.contains(words) && why.is_empty() == words.is_empty(),
                "{why}"
            );
        };
        check(None, None, &request(60, 1), true, "");
        check(None, pace(20, 2), &request(60, 4), true, "");
        check(None, pace(20, 2), &request(60, 5), false, "more than 256");
        check(
            None,
            pace(20, 200),
            &request(60, 1),
            false,
            "12 s for 60 tokens",
        );
        check(
            None,
            pace(900, 2),
            &request(60, 1),
            false,
            "0.9 s to its first",
        );
        check(Some(true), pace(900, 2), &request(60, 1), true, "");
        check(Some(false), None, &request(60, 1), false, "");
    }
}
