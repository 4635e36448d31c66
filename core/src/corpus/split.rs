//! Which documents training never sees: 5 % by seeded hash of their text, so the choice does not depend on names, order or folders, and copies
//! of one text stay on one side.

use sha2::{Digest as _, Sha256};

use super::{Corpus, Document, Part};
use crate::error::Notes;

/// Share of the documents (or of a single document) that is held out.
const SHARE: f64 = 0.05;
/// Names listed in a note at most.
const LISTED: usize = 8;

pub(super) fn part(corpus: &Corpus, part: Part, seed: u64) -> (Corpus, Notes) {
    match (part, corpus.documents.as_slice()) {
        (Part::All, _) | (_, []) => (corpus.clone(), Notes::default()),
        (_, [single]) => single_part(single, part),
        (_, documents) => by_document(documents, part, seed),
    }
}

fn by_document(documents: &[Document], part: Part, seed: u64) -> (Corpus, Notes) {
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
    (Corpus { documents }, notes)
}

fn held_out(documents: &[Document], seed: u64) -> Vec<bool> {
    let hashes: Vec<[u8; 32]> = documents.iter().map(|d| hash(&d.text, seed)).collect();
    let count = ((documents.len() as f64 * SHARE).round() as usize).max(1);
    let mut sorted = hashes.clone();
    sorted.sort_unstable();
    let last = sorted[count - 1];
    let held: Vec<bool> = hashes.iter().map(|hash| *hash <= last).collect();
    if held.iter().all(|held| *held) {
        // Nothing but copies of one text: the first documents are as good as any.
        return (0..documents.len()).map(|i| i < count).collect();
    }
    held
}

fn hash(text: &str, seed: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(text);
    hash.finalize().into()
}

fn single_part(document: &Document, part: Part) -> (Corpus, Notes) {
    let (before, after) = document.text.split_at(cut(&document.text));
    let mut notes = Notes::default();
    notes.add(format!(
        "There is a single document: its last 5 % ({} of {} bytes) is held out from training",
        after.len(),
        document.text.len()
    ));
    let corpus = match part {
        Part::HeldOut => Corpus::from_text(&format!("{} (last 5 %)", document.name), after),
        Part::All | Part::Train => Corpus::from_text(&document.name, before),
    };
    (corpus, notes)
}

/// Where the last 5 % begin: at the next white space, else the last before, else between two characters.
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

    fn corpus(texts: impl IntoIterator<Item = String>) -> Corpus {
        let documents = texts
            .into_iter()
            .enumerate()
            .map(|(i, text)| Document {
                name: format!("{i}.txt"),
                text,
            })
            .collect();
        Corpus { documents }
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
        let text = held_out.documents[0].text.clone();
        let twice = corpus(["a", "b", "c", &text].map(String::from));
        let (again, _) = part(&twice, Part::HeldOut, 1);
        let texts: Vec<_> = again.documents.iter().map(|d| &d.text).collect();
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
        let (train, held_out) = (&train.documents[0].text, &held_out.documents[0].text);
        assert_eq!(format!("{train}{held_out}"), text);
        assert!(
            train.ends_with("word") && held_out.starts_with(" word"),
            "{held_out:?}"
        );
        assert_eq!(held_out.len(), 21);
        assert!(notes.iter().any(|n| n.contains("its last 5 %")));
        let dense = Corpus::from_text("x", &"é".repeat(50));
        assert_eq!(
            part(&dense, Part::HeldOut, 0).0.documents[0].text,
            "é".repeat(3)
        );
    }
}
