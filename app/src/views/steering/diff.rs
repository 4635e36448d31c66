//! Tokens of a text that differ from another one: those outside a longest common subsequence.

/// Most pairs of tokens that are compared; behind a common beginning and before a common end, longer texts count as different.
const PAIRS: usize = 1 << 20;

/// Returns for each token of `text` whether it is outside a longest subsequence that it has in common with `base`.
pub(super) fn differs(base: &[String], text: &[String]) -> Vec<bool> {
    let mut marks = vec![false; text.len()];
    let same = |(a, b): &(&String, &String)| a == b;
    let start = base.iter().zip(text).take_while(same).count();
    let (base, text) = (&base[start..], &text[start..]);
    let end = base.iter().rev().zip(text.iter().rev());
    let end = end.take_while(same).count();
    let (base, text) = (&base[..base.len() - end], &text[..text.len() - end]);
    let middle = &mut marks[start..start + text.len()];
    middle.fill(true);
    if base.len().saturating_mul(text.len()) > PAIRS {
        return marks;
    }
    // Cell (i, j): length of a longest common subsequence of base[i..] and text[j..].
    let width = text.len() + 1;
    let mut lengths = vec![0_u32; (base.len() + 1) * width];
    for (i, a) in base.iter().enumerate().rev() {
        for (j, b) in text.iter().enumerate().rev() {
            let below = lengths[(i + 1) * width + j];
            let beside = lengths[i * width + j + 1];
            lengths[i * width + j] = if a == b {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                below.max(beside)
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < base.len() && j < text.len() {
        if base[i] == text[j] {
            middle[j] = false;
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(base: &str, text: &str, want: &str) {
        let text = words(text);
        let marks = differs(&words(base), &text);
        let marked = text.iter().zip(&marks).filter(|(_, marked)| **marked);
        let marked: Vec<&str> = marked.map(|(word, _)| word.as_str()).collect();
        assert_eq!(
            (marks.len(), marked),
            (text.len(), want.split_whitespace().collect())
        );
    }

    #[test]
    fn only_what_differs_is_marked() {
        check("a b c", "a b c", "");
        check("a b c", "a x c", "x");
        check("a b c", "a", "");
        check("", "a b", "a b");
        check("a", "", "");
        check(
            "the old king sat and ate",
            "the young queen sat and sang",
            "young queen sang",
        );
        check(
            "he said that he would go",
            "so he said he would not go",
            "so not",
        );
        check("a b c d", "c d a b x", "a b x"); // or "c d x", which is as long
    }

    #[test]
    fn very_long_texts_are_marked_between_what_they_have_in_common_at_both_ends() {
        let text = |middle: &str| {
            let mut text = vec!["start".to_owned()];
            text.extend((0..=PAIRS.isqrt()).map(|i| format!("{middle}{i}")));
            text.push("end".to_owned());
            text
        };
        let marks = differs(&text("a"), &text("b"));
        assert_eq!((marks.first(), marks.last()), (Some(&false), Some(&false)));
        assert!(marks[1..marks.len() - 1].iter().all(|marked| *marked));
    }
}
