//! The language read in every form and refused with the place, and its truth compared with plain definitions on random rows.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::corpus::Rows;
use crate::ids::TokenId;

/// Texts of the tokens of these tests, by id; 0 is BOS.
const TEXTS: &[&str] = &[
    "<bos>", " king", "king", " King", "KING", " board", "board", ",", "\n", " 12", "7th", ".)",
    " the", "é", " Éa", "a-",
];

fn lexicon() -> Lexicon {
    let ids: Vec<TokenId> = (0..TEXTS.len() as u32).map(TokenId).collect();
    Lexicon::from_texts(&ids, |id| TEXTS[id.index()].to_owned())
}

fn holds(predicate: &str, line: &Line<'_>) -> Vec<bool> {
    let lexicon = lexicon();
    let predicate = Predicate::parse(predicate).unwrap();
    predicate.bind(&lexicon).holds(line)
}

/// Positions at which a predicate holds in a text of these tokens.
#[track_caller]
fn check(predicate: &str, texts: &[&str], want: &[usize]) {
    let id = |text: &&str| TEXTS.iter().position(|known| known == text).unwrap();
    let ids: Vec<TokenId> = texts.iter().map(|text| TokenId(id(text) as u32)).collect();
    let holds = holds(predicate, &Line::alone(&ids, &[TokenId(0)]));
    let found: Vec<usize> = (0..ids.len()).filter(|t| holds[*t]).collect();
    assert_eq!(found, want, "{predicate}");
}

#[test]
fn every_form_is_read_and_holds_where_it_says() {
    let text = [
        "<bos>", " king", " board", "KING", ",", " King", " 12", "7th", "\n", "king",
    ];
    check("repeats(exact)", &text, &[]);
    check("repeats(fuzzy)", &text, &[3, 5, 9]);
    check("repeats(fuzzy) and next_is(\" board\")", &text, &[3, 5, 9]);
    check("repeats(fuzzy) and next_is(\",\")", &text, &[5, 9]);
    check("next_is(\",\")", &text, &[]);
    check("token(\" king\")", &text, &[1]);
    check("token(/^ ?king$/)", &text, &[1, 9]);
    check("token( /(?i)king/ )", &text, &[1, 3, 5, 9]);
    check("previous(\",\")", &text, &[5]);
    check("previous(/\\n/)", &text, &[9]);
    check("token(\"\\n\")", &text, &[8]);
    check("starts_word", &text, &[1, 2, 5, 6, 9]);
    check(
        "punctuation",
        &["<bos>", ".)", ",", "a-", "\n", " 12"],
        &[1, 2],
    );
    check("digit", &text, &[6]);
    check("capital", &["<bos>", " Éa", "KING", " king", "é"], &[1, 2]);
    check("first_in_document", &text, &[1]);
    check("position < 2", &text, &[0, 1]);
    check("position<=1", &text, &[0, 1]);
    check("position > 8", &text, &[9]);
    check("position >= 9", &text, &[9]);
    check("position = 4", &text, &[4]);
    check("not position > 0", &text, &[0]);
    check(" ( capital or digit )and position>5 ", &text, &[6]);
    // `and` binds before `or`, `not` before `and`.
    check("digit or capital and position > 4", &text, &[5, 6]);
    check("not digit and position > 7", &text, &[8, 9]);
}

#[test]
fn the_board_predicate_is_that_of_the_paper() {
    // Some q < t whose token equals token t up to leading spaces and case, with token[q + 1] = "board": by the letter, q + 1 may be t.
    let board = "repeats(fuzzy) and next_is(\"board\")";
    check(board, &["king", "board", " King"], &[2]);
    check(board, &["king", " board", " King"], &[]);
    check(board, &["board", "board"], &[1]);
    check(board, &["king", "board", "king", ",", "KING", ","], &[2, 4]);
    // The two must hold of one copy: `king` repeats, and another token's copy precedes `board`.
    check(board, &["king", ",", ".)", "board", "king"], &[]);
    check(
        "next_is(\"board\") and repeats(fuzzy)",
        &["king", "board", " King"],
        &[2],
    );
    check(
        "(repeats(fuzzy)) and (digit or next_is(\"board\"))",
        &["king", "board", " King"],
        &[2],
    );
    // Elsewhere a copy of its own: none that is followed so.
    check(
        "repeats(fuzzy) and not next_is(\"board\")",
        &["king", "board", " King", ",", ","],
        &[4],
    );
    check(
        "repeats(exact) and next_is(\"board\")",
        &["king", "board", " King", "king"],
        &[3],
    );
}

#[track_caller]
fn refused(text: &str, at: usize, words: &[&str]) {
    let refused = Predicate::parse(text).unwrap_err();
    assert_eq!(refused.at, at, "{text}: {}", refused.why);
    for word in words {
        assert!(refused.why.contains(word), "{text}: {}", refused.why);
    }
}

#[test]
fn a_refusal_says_where_and_what_is_allowed() {
    refused("", 0, &["character 1", "the end", "repeats(…)"]);
    refused("  kind", 2, &["character 3", "`kind`", "starts_word"]);
    refused("repeats(fuzy)", 8, &["character 9", "exact", "fuzzy"]);
    refused("repeats", 7, &["`(`"]);
    refused("repeats(fuzzy and digit", 14, &["`)`"]);
    refused("token(king)", 6, &["quotes", "/regex/"]);
    refused("token(\"king", 6, &["closing `\"`"]);
    refused("token(\"\")", 6, &["empty"]);
    refused("token(\"a\\q\")", 8, &["escape"]);
    refused("token(/(/)", 6, &["regular expression"]);
    refused("position", 8, &["<="]);
    refused("position < many", 11, &["whole number"]);
    refused("digit and", 9, &["the end"]);
    refused("digit capital", 6, &["`and`", "`or`"]);
    refused("(digit", 6, &["`)`"]);
    refused("digit)", 5, &["`)`"]);
    refused("é or ?", 0, &["`é`"]);
    refused("digit or é?", 9, &["character 10"]);
    refused(&"(".repeat(100_000), 0, &["too long"]);
    refused(&"(".repeat(100), 0, &["deeply"]);
    let error = Predicate::read("digit digit").unwrap_err();
    assert!(
        error.to_string().starts_with("predicate: at character 7"),
        "{error}"
    );
}

#[test]
fn every_definition_and_every_ready_made_predicate_is_read() {
    for definition in DEFINITIONS {
        let form = definition.form;
        let text = match form {
            "token(/regex/)" => "token(/a/)".to_owned(),
            "position < n" => "position < 3".to_owned(),
            "and, or, not, ( )" => "not (digit and digit or digit)".to_owned(),
            form => form.to_owned(),
        };
        Predicate::parse(&text).unwrap_or_else(|refused| panic!("{form}: {}", refused.why));
        assert!(!definition.meaning.ends_with('.'));
    }
    for (name, text) in READY_MADE {
        let read = Predicate::parse(text);
        assert!(read.is_ok_and(|read| read.text() == *text), "{name}");
    }
}

/// A random predicate as text, and its plain meaning.
enum Plain {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Repeats(bool),
    NextIs(&'static str),
    Token(&'static str),
    Previous(&'static str),
    Named(&'static str),
    Below(usize),
}

impl Plain {
    fn new(rng: &mut ChaCha8Rng, depth: usize) -> Self {
        let text = |rng: &mut ChaCha8Rng| TEXTS[rng.random_range(1..8)];
        let many = |rng: &mut ChaCha8Rng| {
            let parts = rng.random_range(2..4);
            (0..parts).map(|_| Self::new(rng, depth - 1)).collect()
        };
        match rng.random_range(if depth == 0 { 3..8 } else { 0..8 }) {
            0 => Self::Any(many(rng)),
            1 => Self::All(many(rng)),
            2 => Self::Not(Box::new(Self::new(rng, depth - 1))),
            3 => Self::Repeats(rng.random()),
            4 => Self::NextIs(text(rng)),
            5 => Self::Token(text(rng)),
            6 => Self::Previous(text(rng)),
            _ if rng.random() => Self::Below(rng.random_range(0..12)),
            _ => {
                let names = [
                    "starts_word",
                    "punctuation",
                    "digit",
                    "capital",
                    "first_in_document",
                ];
                Self::Named(names[rng.random_range(0..names.len())])
            }
        }
    }

    fn text(&self) -> String {
        let joined = |parts: &[Self], by: &str| {
            let parts: Vec<_> = parts.iter().map(Self::text).collect();
            format!("({})", parts.join(by))
        };
        match self {
            Self::Any(parts) => joined(parts, " or "),
            Self::All(parts) => joined(parts, " and "),
            Self::Not(part) => format!("not {}", part.text()),
            Self::Repeats(fuzzy) => format!("repeats({})", if *fuzzy { "fuzzy" } else { "exact" }),
            Self::NextIs(text) => format!("next_is({text:?})"),
            Self::Token(text) => format!("token({text:?})"),
            Self::Previous(text) => format!("previous({text:?})"),
            Self::Named(name) => (*name).to_owned(),
            Self::Below(number) => format!("position < {number}"),
        }
    }

    /// Members of an `and`, those of inner `and`s included.
    fn members(&self) -> Vec<&Self> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::members).collect(),
            other => vec![other],
        }
    }

    /// Whether it holds at position `t`: loops over all earlier positions, by the definitions' words.
    fn holds(&self, line: &Line<'_>, t: usize, fuzzy: bool) -> bool {
        let text = |t: usize| TEXTS[line.tokens[t].index()];
        let copy = |fuzzy: bool, next: &[&str]| {
            (line.from[t]..t).any(|q| {
                let same = if fuzzy {
                    plain_fold(text(q)) == plain_fold(text(t))
                } else {
                    text(q) == text(t)
                };
                same && next.iter().all(|next| text(q + 1) == *next)
            })
        };
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(line, t, fuzzy)),
            Self::Not(part) => !part.holds(line, t, fuzzy),
            Self::Repeats(fuzzy) => copy(*fuzzy, &[]),
            Self::NextIs(next) => copy(fuzzy, &[*next]),
            Self::All(_) => {
                let members = self.members();
                let repeats: Vec<bool> = members
                    .iter()
                    .filter_map(|member| match member {
                        Self::Repeats(fuzzy) => Some(*fuzzy),
                        _ => None,
                    })
                    .collect();
                let next: Vec<&str> = members
                    .iter()
                    .filter_map(|member| match member {
                        Self::NextIs(next) => Some(*next),
                        _ => None,
                    })
                    .collect();
                let inner = if repeats.is_empty() {
                    fuzzy
                } else {
                    repeats.iter().all(|fuzzy| *fuzzy)
                };
                let copied = repeats.is_empty() && next.is_empty() || copy(inner, &next);
                copied
                    && members.iter().all(|member| {
                        matches!(member, Self::Repeats(_) | Self::NextIs(_))
                            || member.holds(line, t, inner)
                    })
            }
            Self::Token(token) => text(t) == *token,
            Self::Previous(token) => t > 0 && text(t - 1) == *token,
            Self::Below(number) => t < *number,
            Self::Named("starts_word") => {
                let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                let own = text(t).starts_with([' ', '\n']);
                letter(text(t).trim_start().chars().next())
                    && (own || t == 0 || !letter(text(t - 1).chars().last()))
            }
            Self::Named("punctuation") => matches!(text(t), "," | ".)"),
            Self::Named("digit") => text(t) == " 12",
            Self::Named("capital") => matches!(text(t), " King" | "KING" | " Éa"),
            Self::Named(_) => line.begins[t],
        }
    }
}

/// Letters in lower case behind any spaces.
fn plain_fold(text: &str) -> String {
    let mut signs: Vec<char> = text.chars().collect();
    while signs.len() > 1 && signs[0] == ' ' {
        signs.remove(0);
    }
    signs.into_iter().flat_map(char::to_lowercase).collect()
}

#[test]
fn random_predicates_hold_where_the_plain_definitions_say() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut held = 0usize;
    for case in 0..400 {
        let plain = Plain::new(&mut rng, 3);
        let context = 24;
        let tokens: Vec<TokenId> = (0..2 * context)
            .map(|i| {
                let bos = i % context == 0 || rng.random_ratio(1, 12);
                TokenId(if bos {
                    0
                } else {
                    rng.random_range(1..TEXTS.len() as u32)
                })
            })
            .collect();
        let mut document = 0;
        let documents = tokens.iter().map(|token| {
            document += u32::from(token.0 == 0 && rng.random_ratio(1, 2));
            document
        });
        let documents: Vec<u32> = documents.collect();
        let names = (0..=document).map(|number| number.to_string()).collect();
        let rows = Rows::new(context, tokens, documents, names)
            .with_special([TokenId(0)])
            .with_separate_documents(case % 2 == 0);
        for row in 0..rows.len() {
            let line = Line::from_rows(&rows, row);
            let text = plain.text();
            let got = holds(&text, &line);
            let want: Vec<bool> = (0..context).map(|t| plain.holds(&line, t, false)).collect();
            assert_eq!(got, want, "{text}");
            held += want.iter().filter(|holds| **holds).count();
        }
    }
    // The comparison is of both truths: neither is rare.
    assert!((3_000..16_200).contains(&held), "{held}");
}

#[test]
fn a_document_begins_once_and_is_seen_alone_where_documents_are_kept_apart() {
    let ids = [0, 1, 2, 0, 1, 7, 0, 5, 6, 0, 6, 1].map(TokenId);
    let documents = vec![0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2];
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    let rows = Rows::new(6, ids.to_vec(), documents, names).with_special([TokenId(0)]);
    let begins = |rows: &Rows, row| Line::from_rows(rows, row).begins;
    assert_eq!(begins(&rows, 0), [false, true, false, false, true, false]);
    // The second row continues document b behind its own BOS.
    assert_eq!(begins(&rows, 1), [false, false, false, false, true, false]);
    let repeats = |rows: &Rows| holds("repeats(exact)", &Line::from_rows(rows, 0));
    assert!(repeats(&rows)[4]);
    let apart = rows.with_separate_documents(true);
    assert!(!repeats(&apart)[4]);
    assert_eq!(Line::from_rows(&apart, 1).from, [0, 0, 0, 3, 3, 3]);
}
