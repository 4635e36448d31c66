//! Where the tokens of a text that was read stand in the text as it is now, after somebody typed.

use std::ops::Range;

/// Returns the bytes of `new` for each of the `spans` of `old`: what lies before the changed part stays, what lies behind it moves, a token that reaches into it
/// covers the change, and one inside it is gone and empty. What was typed between two tokens belongs to none.
pub(crate) fn carry(old: &str, new: &str, spans: &[Range<usize>]) -> Vec<Range<usize>> {
    if old == new {
        return spans.to_vec();
    }
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b);
    let mut before: usize = same.map(|(a, _)| a.len_utf8()).sum();
    let (old_rest, new_rest) = (&old[before..], &new[before..]);
    let same = old_rest.chars().rev().zip(new_rest.chars().rev());
    let same = same.take_while(|(a, b)| a == b);
    let behind: usize = same.map(|(a, _)| a.len_utf8()).sum();
    let (mut old_end, mut new_end) = (old.len() - behind, new.len() - behind);
    // " king" taken out of "old king sat" may also be "king ": the one that begins with a token is meant.
    let within = spans.iter().find(|s| s.start < before && before < s.end);
    if let Some(back) = within.map(|span| before - span.start)
        && old.as_bytes()[old_end - back..old_end] == new.as_bytes()[new_end - back..new_end]
    {
        before -= back;
        old_end -= back;
        new_end -= back;
    }
    let moved = |at: usize| at - old_end + new_end;
    let one = |span: &Range<usize>| {
        let is_gone = span.start >= before && span.end <= old_end;
        if span.is_empty() || is_gone {
            return 0..0;
        }
        let start = match span.start {
            start if start >= old_end => moved(start),
            start if start <= before => start,
            _ => new_end,
        };
        let end = match span.end {
            end if end <= before => end,
            end if end >= old_end => moved(end),
            _ => before,
        };
        if start < end { start..end } else { 0..0 }
    };
    spans.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of `new` that the tokens of `old` (the words, with the space before them) stand for.
    fn carried<'a>(old: &str, new: &'a str) -> Vec<&'a str> {
        let mut ends: Vec<usize> = old.match_indices(' ').map(|(at, _)| at).collect();
        ends.push(old.len());
        let mut start = 0;
        let mut spans = vec![];
        for end in ends {
            spans.push(start..end);
            start = end;
        }
        let spans = carry(old, new, &spans);
        spans.into_iter().map(|span| &new[span]).collect()
    }

    #[test]
    fn tokens_that_did_not_change_keep_their_place() {
        let old = "The old king sat";
        assert_eq!(carried(old, old), ["The", " old", " king", " sat"]);
        // At the end, at the beginning, between two tokens.
        assert_eq!(
            carried(old, "The old king sat down"),
            ["The", " old", " king", " sat"]
        );
        assert_eq!(
            carried(old, "And The old king sat"),
            ["The", " old", " king", " sat"]
        );
        assert_eq!(
            carried(old, "The old, king sat"),
            ["The", " old", " king", " sat"]
        );
    }

    #[test]
    fn a_token_changed_inside_covers_the_change_and_one_that_is_gone_is_empty() {
        let old = "The old king sat";
        assert_eq!(
            carried(old, "The old kiing sat"),
            ["The", " old", " kiing", " sat"]
        );
        assert_eq!(carried(old, "The old sat"), ["The", " old", "", " sat"]);
        assert_eq!(carried(old, "The old old king sat"), carried(old, old));
        assert_eq!(
            carried(old, "The old queen sat"),
            ["The", " old", " queen", " sat"]
        );
        assert_eq!(carried(old, ""), ["", "", "", ""]);
        assert_eq!(carried(old, "東京"), ["", "", "", ""]);
    }

    #[test]
    fn places_are_bounds_of_characters() {
        let old = "naïve café 🦊";
        assert_eq!(carried(old, "naïve cafés 🦊"), ["naïve", " café", " 🦊"]);
        // Changed in two places: what lies between is unknown.
        assert_eq!(carried(old, "naïve cafés 🦊!"), ["naïve", " café", ""]);
        // One byte of the first character is the same, the character is not.
        assert_eq!(carried("é", "è"), [""]);
    }
}
