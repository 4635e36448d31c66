//! Words of the questions and of the answers.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Endpoint, LEAST_TEXTS, Material, Message};
use crate::error::{Error, Result};
use crate::features::Example;

/// Share of an example's strongest activation from which a token is marked.
const MARKED: f32 = 0.25;
/// Promoted tokens that are listed.
const PROMOTED: usize = 10;
/// Longest label, in characters.
const LONGEST: usize = 200;
/// Characters of an answer that an error quotes.
const QUOTED: usize = 80;

const EXPLAIN: &str = "You are a careful researcher. You are shown texts in which one feature of a language model is active. Tokens on which it is active stand between « and »; \
    below each text its activations are listed on a scale from 0 to 10. Find what the marked tokens, or what comes before them, have in common. Be specific, and do not \
    describe single texts. Answer with one phrase of at most 12 words and nothing else.";

const DETECT: &str = "You are a careful researcher. You are given a description of a feature of a language model and numbered texts. In some of the texts the feature is active, in others \
    it is not. Decide for each text whether the description fits something in it. Answer with a JSON list of the numbers of the texts that fit, such as [1, 4], or [] if \
    none does, and nothing else.";

/// Builds the messages that ask what a feature is about.
pub fn explain_prompt(material: &Material) -> Vec<Message> {
    let mut lines = Vec::new();
    let strongest = strongest(&material.shown);
    for (number, example) in (1..).zip(&material.shown) {
        lines.push(format!("Text {number}: {}", json!(marked(example))));
        lines.push(format!("Activations: {}", listed(example, strongest)));
    }
    if !material.promoted.is_empty() {
        let promoted: Vec<String> = (material.promoted.iter().take(PROMOTED))
            .map(|token| json!(token).to_string())
            .collect();
        lines.push(format!(
            "When it is active, the model expects these tokens next: {}",
            promoted.join(", ")
        ));
    }
    messages(EXPLAIN, lines.join("\n"))
}

/// Builds the messages that ask in which of `texts` the label fits.
pub fn detect_prompt(label: &str, texts: &[String]) -> Vec<Message> {
    let mut lines = vec![format!("Description: {}", json!(label))];
    lines.extend((1..).zip(texts).map(|(number, text)| {
        let number: usize = number;
        format!("Text {number}: {}", json!(text))
    }));
    messages(DETECT, lines.join("\n"))
}

fn messages(system: &str, user: String) -> Vec<Message> {
    vec![
        Message {
            role: "system",
            content: system.to_owned(),
        },
        Message {
            role: "user",
            content: user,
        },
    ]
}

fn strongest(examples: &[Example]) -> f32 {
    let acts = examples.iter().flat_map(|example| &example.acts);
    acts.fold(f32::MIN_POSITIVE, |most, act| most.max(act.abs()))
}

/// Whether the token at `at` is marked.
fn is_marked(example: &Example, at: usize) -> bool {
    let act = example.acts[at].abs();
    at == example.at || (act > 0.0 && act >= MARKED * example.act().abs())
}

/// Text of an example with its active tokens marked.
fn marked(example: &Example) -> String {
    let tokens = example.tokens.iter().enumerate().map(|(at, token)| {
        if is_marked(example, at) {
            format!("«{token}»")
        } else {
            token.clone()
        }
    });
    tokens.collect()
}

/// Marked tokens with their activations from 0 to 10.
fn listed(example: &Example, strongest: f32) -> String {
    let marked = (0..example.tokens.len()).filter(|at| is_marked(example, *at));
    let listed: Vec<String> = marked
        .map(|at| {
            let scaled = 10.0 * example.acts[at].abs() / strongest;
            format!("{} {scaled:.0}", json!(example.tokens[at]))
        })
        .collect();
    listed.join(", ")
}

/// Held-out texts in random order, and which of them are active.
pub(super) struct Test {
    pub(super) texts: Vec<String>,
    pub(super) is_active: Vec<bool>,
}

/// Mixes the held-out texts; none where there are too few of either kind.
pub(super) fn test_of(material: &Material, seed: u64) -> Option<Test> {
    if material.active.len().min(material.silent.len()) < LEAST_TEXTS {
        return None;
    }
    let active = material.active.iter().map(|example| (example, true));
    let silent = material.silent.iter().map(|example| (example, false));
    let mut all: Vec<(&Example, bool)> = active.chain(silent).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ u64::from(material.feature.0));
    all.shuffle(&mut rng);
    Some(Test {
        texts: (all.iter())
            .map(|(example, _)| example.tokens.concat())
            .collect(),
        is_active: all.iter().map(|(_, is_active)| *is_active).collect(),
    })
}

/// Returns the last part of an answer, behind any thoughts.
fn said(reply: &str) -> &str {
    reply.rsplit("</think>").next().unwrap_or(reply).trim()
}

fn quoted(reply: &str) -> String {
    let short: String = reply.chars().take(QUOTED).collect();
    let end = if short.len() < reply.len() { "…" } else { "" };
    format!("“{}{end}”", short.replace('\n', " "))
}

/// Returns the label in an answer: its first line, without quotation marks around it and a full stop behind it.
pub(super) fn label_of(reply: &str, endpoint: &Endpoint) -> Result<String> {
    let line = said(reply)
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    let inner = line.trim_matches(['"', '“', '”', '*', '`', '\'']).trim();
    let inner = inner.strip_suffix('.').unwrap_or(inner);
    if inner.is_empty() {
        let what = format!(
            "the model {} answered without a label: try another model",
            endpoint.model
        );
        return Err(Error::input(what, &endpoint.url));
    }
    Ok(inner.chars().take(LONGEST).collect())
}

/// Returns the numbers in the last list of an answer, each from 1 to `texts`.
pub(super) fn numbers_of(reply: &str, texts: usize, endpoint: &Endpoint) -> Result<Vec<usize>> {
    let answer = said(reply);
    let list = answer.rfind('[').and_then(|from| {
        let list = &answer[from..];
        serde_json::from_str::<Vec<usize>>(&list[..=list.find(']')?]).ok()
    });
    let list = list.filter(|list| list.iter().all(|number| (1..=texts).contains(number)));
    list.ok_or_else(|| {
        let what = format!(
            "the model {} was asked for a list of numbers from 1 to {texts} and answered {}: try another model",
            endpoint.model,
            quoted(answer)
        );
        Error::input(what, &endpoint.url)
    })
}

#[cfg(test)]
mod unit_tests {
    use super::*;
    use crate::ids::{FeatureId, TokenId};

    fn example(tokens: &[&str], acts: &[f32], at: usize) -> Example {
        Example {
            document: "oz".to_owned(),
            place: None,
            ids: (0..tokens.len() as u32).map(TokenId).collect(),
            tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
            acts: acts.to_vec(),
            at,
        }
    }

    #[test]
    fn a_prompt_marks_active_tokens_and_hides_them_in_the_test() {
        let king = example(&["the", " king", "\n", " said"], &[0.0, 4.0, 0.5, 1.0], 1);
        let material = Material {
            feature: FeatureId(3),
            shown: vec![king.clone()],
            active: vec![king.clone(); 3],
            silent: vec![example(&[" a", " \"cat\""], &[0.0, 0.0], 0); 3],
            promoted: vec![" of".to_owned()],
        };
        let [system, user] = explain_prompt(&material).try_into().unwrap();
        assert_eq!((system.role, user.role), ("system", "user"));
        assert_eq!(
            user.content,
            "Text 1: \"the« king»\\n« said»\"\nActivations: \" king\" 10, \" said\" 2\nWhen it is active, the model expects these tokens next: \" of\""
        );
        let test = test_of(&material, 5).unwrap();
        assert_eq!(test.is_active.iter().filter(|active| **active).count(), 3);
        for (text, active) in test.texts.iter().zip(&test.is_active) {
            assert_eq!(text == "the king\n said", *active);
        }
        let [_, user] = detect_prompt("kings", &test.texts[..1]).try_into().unwrap();
        assert!(
            user.content
                .starts_with("Description: \"kings\"\nText 1: \"")
        );
        assert!(!user.content.contains('«'));
        let few = Material {
            silent: vec![],
            ..material
        };
        assert!(test_of(&few, 5).is_none());
    }

    #[test]
    fn answers_are_read_and_odd_ones_refused() {
        let endpoint = Endpoint {
            url: "https://x/v1".to_owned(),
            model: "m".to_owned(),
            key: None,
        };
        for reply in [
            "talk of kings",
            "  \"talk of kings.\"\n",
            "<think>hm [3]\n</think>\n\n**talk of kings**\nbecause",
        ] {
            assert_eq!(label_of(reply, &endpoint).unwrap(), "talk of kings");
        }
        for reply in ["", "<think>…</think>", "\"\"", " . "] {
            assert!(label_of(reply, &endpoint).is_err(), "{reply}");
        }
        let numbers = |reply: &str| numbers_of(reply, 4, &endpoint).ok();
        assert_eq!(numbers("[1, 4]"), Some(vec![1, 4]));
        assert_eq!(numbers("[]"), Some(vec![]));
        assert_eq!(numbers("```json\n[2]\n```"), Some(vec![2]));
        assert_eq!(
            numbers("<think>[9]</think> the texts are [3,1]."),
            Some(vec![3, 1])
        );
        for reply in ["none", "[5]", "[0]", "[1, x]", "1, 2", "[1", "[-1]"] {
            assert_eq!(numbers(reply), None, "{reply}");
        }
        let why = numbers_of("I cannot\nsay", 4, &endpoint).unwrap_err();
        assert!(why.to_string().contains("“I cannot say”"), "{why}");
    }
}
