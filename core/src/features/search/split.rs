//! Divides text into words.

use std::ops::Range;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Bytes in the text.
    pub(super) at: Range<usize>,
    /// The word in small letters without marks.
    pub(super) text: String,
}

/// Returns the words of a text in their order.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut goes_on = false;
    for (from, sign) in text.char_indices() {
        let at = from..from + sign.len_utf8();
        let of_word = sign.is_alphanumeric() || is_mark(sign);
        if of_word && goes_on {
            if let Some(word) = words.last_mut() {
                word.at.end = at.end;
                push(&mut word.text, sign);
            }
            continue;
        }
        goes_on = of_word;
        let mut text = String::new();
        match sign {
            '\n' => text.push('⏎'),
            sign if sign.is_whitespace() || sign.is_control() => continue,
            sign => push(&mut text, sign),
        }
        if text.is_empty() {
            goes_on = false;
        } else {
            words.push(Word { at, text });
        }
    }
    words
}

fn push(word: &mut String, sign: char) {
    for small in sign.to_lowercase().filter(|sign| !is_mark(*sign)) {
        word.push_str(plain(small).unwrap_or(small.encode_utf8(&mut [0; 4])));
    }
}

/// Whether a sign only marks the letter before it (accents and the like).
fn is_mark(sign: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&sign)
}

/// The letters for a small Latin letter with a mark; none for any other sign.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' => "s",
        'ţ' | 'ť' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_single_signs() {
        let text = "Don’t, café-42\n\nŒuvre e\u{301}t\u{200b} ";
        let shown: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
        let want = [
            "don", "’", "t", ",", "cafe", "-", "42", "⏎", "⏎", "œuvre", "et", "\u{200b}",
        ];
        assert_eq!(shown, want);
        for word in words(text).iter().filter(|word| word.text == "cafe") {
            assert_eq!(&text[word.at.clone()], "café");
        }
    }
}
