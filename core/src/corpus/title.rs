//! Words that name a document to a person, from the file or record that it was read from. Opens no file.

/// Words that stay small inside a title.
const SMALL: [&str; 14] = [
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to",
];

/// Returns the title that the name of a document spells: `oz/1920_glinda-of-oz.txt` is *Glinda of Oz (1920)*, `pile.jsonl:12` is *Pile, record 12*. A name that
/// is a title already stays as it is.
pub fn title(name: &str) -> String {
    let (file, record) = match name.rsplit_once(':') {
        Some((file, number)) if is_number(number) && !file.is_empty() => (file, Some(number)),
        _ => (name, None),
    };
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = stem(base);
    let (year, words) = match stem.split_once(['_', '-', ' ']) {
        Some((year, words)) if year.len() == 4 && is_number(year) => (Some(year), words),
        _ => (None, stem),
    };
    let mut title = spelled(words);
    if title.is_empty() {
        return name.to_owned();
    }
    if let Some(year) = year {
        title = format!("{title} ({year})");
    }
    match record {
        Some(record) => format!("{title}, record {record}"),
        None => title,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns a file's name without the endings that say what kind of file it is.
fn stem(base: &str) -> &str {
    let mut stem = base;
    while let Some((before, ending)) = stem.rsplit_once('.')
        && !before.is_empty()
        && (1..=7).contains(&ending.len())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !is_number(ending)
    {
        stem = before;
    }
    stem
}

/// Sets words joined by dashes or underscores as a title; capitals in them say that it is one.
fn spelled(words: &str) -> String {
    let has_capitals = words.chars().any(char::is_uppercase);
    let words: Vec<&str> = words
        .split(['-', '_', ' '])
        .filter(|word| !word.is_empty())
        .collect();
    let last = words.len().saturating_sub(1);
    let set = words.iter().enumerate().map(|(at, word)| {
        let is_small = at > 0 && at < last && SMALL.contains(word);
        if has_capitals || is_small {
            return (*word).to_owned();
        }
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    });
    set.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, want: &str) {
        assert_eq!(title(name), want);
    }

    #[test]
    fn a_document_is_called_by_its_title_and_its_record() {
        check("1920_glinda-of-oz.txt", "Glinda of Oz (1920)");
        check("held-out/girls.txt", "Girls");
        check("just-so-stories.txt", "Just So Stories");
        check(
            "1900_the-wonderful-wizard-of-oz.txt",
            "The Wonderful Wizard of Oz (1900)",
        );
        check("pile.jsonl:12", "Pile, record 12");
        check("wiki.train.jsonl.zst:7", "Wiki, record 7");
        check("Alice in Wonderland", "Alice in Wonderland");
        check("README.md", "README");
        check("notes 2.5", "Notes 2.5");
        check("C:\\books\\oz.txt", "Oz");
        check("", "");
        check(".txt", ".txt");
    }
}
