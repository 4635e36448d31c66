//! Decides which documents training never reads: 5 % by a seeded hash of their text. The choice is independent of names, order and folders, and copies of one
//! text stay on one side.

use sha2::{Digest as _, Sha256};

use super::{Content, Corpus, Document, Part};
use crate::error::Notes;
use crate::ids::TokenId;

/// Share of the documents, or of a single document, that is held out.
const SHARE: f64 = 0.05;
/// Limit on the names that a note lists.
const LISTED: usize = 8;

pub(super) fn part(corpus: &Corpus, part: Part, seed: u64) -> (Corpus, Notes) {
    match (part, corpus.documents.as_slice()) {
        (Part::All, _) | (_, []) => (corpus.clone(), Notes::default()),
        (_, [single]) => match &single.content {
            Content::Text(text) => {
                let (before, after) = text.split_at(cut(text));
                halves(
                    corpus,
                    single,
                    part,
                    [before, after].map(|t| Content::Text(t.to_owned())),
                )
            }
            Content::Tokens(tokens) => {
                let (before, after) =
                    tokens.split_at((tokens.len() as f64 * (1.0 - SHARE)) as usize);
                halves(
                    corpus,
                    single,
                    part,
                    [before, after].map(|t: &[TokenId]| Content::Tokens(t.to_vec())),
                )
            }
        },
        (_, documents) => {
            let (documents, notes) = by_document(documents, part, seed);
            (with(corpus, documents), notes)
        }
    }
}

/// Returns `corpus` with `documents` in place of its own.
fn with(corpus: &Corpus, documents: Vec<Document>) -> Corpus {
    Corpus {
        documents,
        tokenizer: corpus.tokenizer.clone(),
    }
}

fn by_document(documents: &[Document], part: Part, seed: u64) -> (Vec<Document>, Notes) {
    let held_out = held_out(documents, seed);
    let mut notes = Notes::default();
    let mut names: Vec<_> = documents
        .iter()
        .zip(&held_out)
        .filter_map(|(document, held_out)| held_out.then_some(document.name.as_str()))
        .collect();
    let count = names.len();
    if count > LISTED {
        names.truncate(LISTED);
        names.push("…");
    }
    notes.add(format!(
        "Held out from training by seed {seed}: {count} of {} documents ({})",
        documents.len(),
        names.join(", ")
    ));
    let documents = documents
        .iter()
        .zip(held_out)
        .filter(|(_, held_out)| *held_out == (part == Part::HeldOut))
        .map(|(document, _)| document.clone())
        .collect();
    (documents, notes)
}

fn held_out(documents: &[Document], seed: u64) -> Vec<bool> {
    let hashes: Vec<[u8; 32]> = documents
        .iter()
        .map(|d| hash(&d.content.bytes(), seed))
        .collect();
    let count = ((documents.len() as f64 * SHARE).round() as usize).max(1);
    let mut sorted = hashes.clone();
    sorted.sort_unstable();
    let last = sorted[count - 1];
    let held: Vec<bool> = hashes.iter().map(|hash| *hash <= last).collect();
    if held.iter().all(|held| *held) {
        // All documents are copies of one text: hold out the first ones.
        return (0..documents.len()).map(|i| i < count).collect();
    }
    held
}

fn hash(text: &[u8], seed: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(text);
    hash.finalize().into()
}

/// Returns one side of a single document.
fn halves(
    corpus: &Corpus,
    document: &Document,
    part: Part,
    [before, after]: [Content; 2],
) -> (Corpus, Notes) {
    let mut notes = Notes::default();
    let bytes = |content: &Content| content.bytes().len();
    notes.add(format!(
        "There is a single document: its last 5 % ({} of {} bytes) is held out from training",
        bytes(&after),
        bytes(&before) + bytes(&after)
    ));
    let (name, content) = match part {
        Part::HeldOut => (format!("{} (last 5 %)", document.name), after),
        Part::All | Part::Train => (document.name.clone(), before),
    };
    (with(corpus, vec![Document { name, content }]), notes)
}

/// Finds where the last 5 % begin: at the next white space, else at the last one before, else between two characters.
fn cut(text: &str) -> usize {
    let near = text.floor_char_boundary((text.len() as f64 * (1.0 - SHARE)) as usize);
    let (before, after) = text.split_at(near);
    let next = after
        .trim_end()
        .find(char::is_whitespace)
        .map(|at| near + at);
    next.or_else(|| before.rfind(char::is_whitespace).filter(|at| *at > 0))
        .unwrap_or(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(document: &Document) -> &str {
        match &document.content {
            Content::Text(text) => text,
            Content::Tokens(_) => "",
        }
    }

    fn corpus(texts: impl IntoIterator<Item = String>) -> Corpus {
        let documents = texts
            .into_iter()
            .enumerate()
            .map(|(i, text)| Document {
                name: format!("{i}.txt"),
                content: Content::Text(text),
            })
            .collect();
        Corpus {
            documents,
            tokenizer: None,
        }
    }

    #[test]
    fn five_percent_of_the_documents_are_held_out_and_the_seed_decides_which() {
        let all = corpus((0..60).map(|i| format!("text {i}")));
        let (train, notes) = part(&all, Part::Train, 7);
        let (held_out, _) = part(&all, Part::HeldOut, 7);
        assert_eq!((train.documents.len(), held_out.documents.len()), (57, 3));
        assert!(
            train
                .documents
                .iter()
                .all(|d| !held_out.documents.contains(d))
        );
        assert!(notes.iter().any(|n| n.contains("3 of 60 documents")));
        assert_eq!(part(&all, Part::HeldOut, 7).0.documents, held_out.documents);
        assert_ne!(part(&all, Part::HeldOut, 8).0.documents, held_out.documents);
        assert_eq!(part(&all, Part::All, 7).0.documents, all.documents);
    }

    #[test]
    fn the_choice_follows_the_text_and_keeps_copies_together() {
        let few = corpus(["a", "b", "c"].map(String::from));
        let (held_out, _) = part(&few, Part::HeldOut, 1);
        assert_eq!(held_out.documents.len(), 1);
        let text = text(&held_out.documents[0]).to_owned();
        let twice = corpus(["a", "b", "c", &text].map(String::from));
        let (again, _) = part(&twice, Part::HeldOut, 1);
        let texts: Vec<_> = again.documents.iter().map(self::text).collect();
        assert_eq!(texts, [&text, &text]);
        let copies = corpus(["a", "a", "a"].map(String::from));
        assert_eq!(part(&copies, Part::Train, 1).0.documents.len(), 2);
    }

    #[test]
    fn a_single_document_gives_its_end_cut_at_white_space_and_says_so() {
        let text = "word ".repeat(99) + "last\n";
        let one = Corpus::from_text("one.txt", &text);
        let (train, notes) = part(&one, Part::Train, 0);
        let (held_out, _) = part(&one, Part::HeldOut, 0);
        let (train, held_out) = (
            self::text(&train.documents[0]),
            self::text(&held_out.documents[0]),
        );
        assert_eq!(format!("{train}{held_out}"), text);
        assert!(
            train.ends_with("word") && held_out.starts_with(" word"),
            "{held_out:?}"
        );
        assert_eq!(held_out.len(), 21);
        assert!(notes.iter().any(|n| n.contains("its last 5 %")));
        let dense = Corpus::from_text("x", &"é".repeat(50));
        assert_eq!(
            self::text(&part(&dense, Part::HeldOut, 0).0.documents[0]),
            "é".repeat(3)
        );
    }
}
