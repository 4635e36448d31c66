//! Statements about the place of a token: which hold at each position of a row.

use super::Kind;
use crate::corpus::Rows;
use crate::features::families::followers;
use crate::features::predicate::{Bound, Lexicon, Line, Predicate};

/// Kinds without tokens, in the order of their bits.
pub(super) const PLACES: [Kind; 16] = [
    Kind::Induction,
    Kind::Duplicate,
    Kind::WordStart,
    Kind::InsideWord,
    Kind::WordEnd,
    Kind::Capital,
    Kind::AllCapitals,
    Kind::Digits,
    Kind::Punctuation,
    Kind::Quotes,
    Kind::Brackets,
    Kind::SentenceStart,
    Kind::LineStart,
    Kind::LineBreak,
    Kind::DocumentStart,
    Kind::RowStart,
];

/// Kinds that hold at a token, a bit for each of [`PLACES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held(u32);

impl Held {
    fn set(&mut self, kind: Kind, holds: bool) {
        if let Some(bit) = PLACES.iter().position(|place| *place == kind) {
            self.0 |= u32::from(holds) << bit;
        }
    }

    fn has(self, kind: Kind) -> bool {
        self.each().any(|bit| PLACES[bit] == kind)
    }

    /// Returns the places in [`PLACES`] of the kinds that hold.
    pub(super) fn each(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(bit as usize)
        })
    }
}

/// Predicates of the kinds that the language of predicates has.
pub(super) fn predicates() -> Vec<(Kind, Predicate)> {
    let read = |kind: &Kind| {
        let predicate = Predicate::parse(kind.predicate()?);
        Some((*kind, predicate.expect("the predicates of kinds are right")))
    };
    PLACES.iter().filter_map(read).collect()
}

/// Statements that are ready to be read on rows.
#[derive(Debug)]
pub(super) struct Places<'a> {
    lexicon: &'a Lexicon,
    bound: Vec<(Kind, Bound<'a>)>,
}

impl<'a> Places<'a> {
    pub(super) fn new(predicates: &'a [(Kind, Predicate)], lexicon: &'a Lexicon) -> Self {
        let bound = predicates
            .iter()
            .map(|(kind, predicate)| (*kind, predicate.bind(lexicon)));
        Self {
            lexicon,
            bound: bound.collect(),
        }
    }

    /// Returns the kinds that hold at each position of a row, `[t]`, and the distinct tokens that follow earlier copies of each token, ascending.
    pub(super) fn of_row(&self, rows: &Rows, row: usize) -> OfRow {
        let line = Line::from_rows(rows, row);
        let mut held = vec![Held::default(); line.tokens.len()];
        for (kind, bound) in &self.bound {
            for (held, holds) in held.iter_mut().zip(bound.holds(&line)) {
                held.set(*kind, holds);
            }
        }
        let beside = Beside::new(rows, row);
        let text = |t: usize| self.lexicon.text(self.lexicon.number(line.tokens[t]));
        let followers = followers(self.lexicon, &line);
        let mut reading = Reading::default();
        for (t, of) in held.iter_mut().enumerate() {
            let token = text(t);
            let before = beside.before(t).map(&text);
            if beside.is_special[t] {
                reading = Reading::default();
                continue;
            }
            reading.begin(line.begins[t]);
            let next = beside.behind(t);
            let continued = next.is_some_and(|next| continues_word(text(next), Some(token)));
            let continues = continues_word(token, before);
            of.set(Kind::InsideWord, continues);
            let ends = continues && token.ends_with(char::is_alphanumeric) && !continued;
            of.set(Kind::WordEnd, ends);
            of.set(Kind::AllCapitals, is_all_capitals(token));
            of.set(Kind::Quotes, reading.is_quoted());
            of.set(Kind::Brackets, reading.brackets > 0);
            let starts = reading.fresh && of.has(Kind::WordStart);
            of.set(Kind::SentenceStart, starts);
            let breaks = token.contains('\n');
            let behind_break = before.is_some_and(|before| before.ends_with('\n'));
            of.set(Kind::LineBreak, breaks);
            of.set(Kind::LineStart, !breaks && (behind_break || line.begins[t]));
            let repeats = next.is_some_and(|next| {
                let next = line.tokens[next];
                followers[t].binary_search(&next).is_ok()
            });
            of.set(Kind::Induction, repeats);
            reading.read(token);
        }
        OfRow {
            held,
            followers,
            beside,
        }
    }
}

/// Statements and neighbours of the tokens of a row.
#[derive(Debug)]
pub(super) struct OfRow {
    pub(super) held: Vec<Held>,
    pub(super) followers: Vec<Vec<crate::ids::TokenId>>,
    pub(super) beside: Beside,
}

/// Which tokens of a row stand beside each other in one document.
#[derive(Debug)]
pub(super) struct Beside {
    is_special: Vec<bool>,
    documents: Vec<u32>,
}

impl Beside {
    fn new(rows: &Rows, row: usize) -> Self {
        let special = &rows.mask().special;
        let tokens = rows.row(row);
        Self {
            is_special: tokens.iter().map(|token| special.contains(token)).collect(),
            documents: (0..tokens.len())
                .map(|t| rows.document_number(row, t))
                .collect(),
        }
    }

    fn together(&self, a: usize, b: usize) -> bool {
        self.documents[a] == self.documents[b] && !self.is_special[a] && !self.is_special[b]
    }

    /// Returns the position of the token of text right before position `t`, if it is of the same document.
    pub(super) fn before(&self, t: usize) -> Option<usize> {
        t.checked_sub(1).filter(|before| self.together(*before, t))
    }

    /// Returns the position of the token of text right behind position `t`, if it is of the same document.
    pub(super) fn behind(&self, t: usize) -> Option<usize> {
        Some(t + 1).filter(|behind| *behind < self.documents.len() && self.together(t, *behind))
    }
}

/// State of quotation marks, brackets and sentences between two tokens.
#[derive(Debug, Default)]
struct Reading {
    /// A straight mark is open.
    straight: bool,
    curly: u32,
    brackets: u32,
    /// Line breaks since the last character that is no white space.
    breaks: u32,
    /// A sentence begins with the next word.
    fresh: bool,
}

impl Reading {
    fn begin(&mut self, is_first: bool) {
        if is_first {
            *self = Self {
                fresh: true,
                ..Self::default()
            };
        }
    }

    fn is_quoted(&self) -> bool {
        self.straight || self.curly > 0
    }

    fn read(&mut self, token: &str) {
        for c in token.chars() {
            match c {
                '\n' => {
                    self.breaks += 1;
                    if self.breaks == 2 {
                        self.begin(true);
                        self.breaks = 2;
                    }
                    continue;
                }
                c if c.is_whitespace() => continue,
                '"' => self.straight = !self.straight,
                '“' => self.curly += 1,
                '”' => self.curly = self.curly.saturating_sub(1),
                '(' | '[' => self.brackets += 1,
                ')' | ']' => self.brackets = self.brackets.saturating_sub(1),
                '.' | '!' | '?' => self.fresh = true,
                c if c.is_alphanumeric() => self.fresh = false,
                _ => {}
            }
            self.breaks = 0;
        }
    }
}

/// Whether a token continues the word in which the token before it ends.
fn continues_word(token: &str, before: Option<&str>) -> bool {
    token.starts_with(char::is_alphanumeric)
        && before.is_some_and(|before| before.ends_with(char::is_alphanumeric))
}

fn is_all_capitals(token: &str) -> bool {
    let letters = token.chars().filter(|c| c.is_alphabetic());
    letters.clone().count() >= 2 && letters.clone().all(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TokenId;

    /// Reads one row of these tokens; `<s>` is special and begins a document.
    fn read(texts: &[&str]) -> Vec<Held> {
        let ids: Vec<TokenId> = (0..texts.len() as u32).map(TokenId).collect();
        // Equal texts are one token.
        let of = |text: &&str| texts.iter().position(|other| other == text);
        let tokens: Vec<TokenId> = texts.iter().map(|text| ids[of(text).unwrap()]).collect();
        let special: Vec<TokenId> = of(&"<s>").map(|at| ids[at]).into_iter().collect();
        let mut document = 0;
        let documents = texts.iter().enumerate().map(|(t, text)| {
            document += u32::from(t > 0 && *text == "<s>");
            document
        });
        let documents: Vec<u32> = documents.collect();
        let names = (0..=document).map(|number| number.to_string()).collect();
        let lexicon = Lexicon::from_texts(&tokens, |id| texts[id.index()].to_owned());
        let rows = Rows::new(texts.len(), tokens, documents, names).with_special(special);
        let predicates = predicates();
        Places::new(&predicates, &lexicon).of_row(&rows, 0).held
    }

    #[track_caller]
    fn check(kind: Kind, texts: &[&str], want: &[usize]) {
        let held = read(texts);
        let got: Vec<usize> = (0..texts.len()).filter(|t| held[*t].has(kind)).collect();
        assert_eq!(got, want, "{kind} in {texts:?}");
    }

    #[test]
    fn statements_hold_where_their_definitions_say() {
        let said = ["<s>", "\"", "Wo", "nder", "ful", "!\"", " said", " he", "."];
        check(Kind::Quotes, &said, &[2, 3, 4, 5]);
        check(Kind::InsideWord, &said, &[3, 4]);
        check(Kind::WordEnd, &said, &[4]);
        check(Kind::WordStart, &said, &[2, 6, 7]);
        check(Kind::SentenceStart, &said, &[2, 6]);
        check(Kind::DocumentStart, &said, &[1]);
        check(Kind::LineStart, &said, &[1]);
        check(Kind::RowStart, &said, &[0, 1, 2, 3]);
        // An empty line closes what was forgotten; curly marks nest.
        let lines = [
            "<s>", " “", "A", " (", "B", "\n", "\n", "c", "”", " THE", " 12",
        ];
        check(Kind::Quotes, &lines, &[2, 3, 4, 5, 6]);
        check(Kind::Brackets, &lines, &[4, 5, 6]);
        check(Kind::LineBreak, &lines, &[5, 6]);
        check(Kind::LineStart, &lines, &[1, 7]);
        check(Kind::SentenceStart, &lines, &[2, 7]);
        check(Kind::AllCapitals, &lines, &[9]);
        check(Kind::Digits, &lines, &[10]);
        check(Kind::Capital, &lines, &[2, 4, 9]);
        // A new document begins anew, and its first token does not continue a word.
        let two = ["<s>", "(", "wo", "<s>", "rd", "s"];
        check(Kind::Brackets, &two, &[2]);
        check(Kind::InsideWord, &two, &[5]);
        check(Kind::DocumentStart, &two, &[1, 4]);
        // The row begins inside a document: nothing is known of what stands before, but its first token is taken as the first of the document.
        let copies = ["<s>", " a", " b", ",", " a", " b", " A", " c"];
        check(Kind::Induction, &copies, &[4]);
        check(Kind::Duplicate, &copies, &[4, 5]);
    }
}
